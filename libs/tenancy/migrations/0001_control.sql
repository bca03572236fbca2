-- The control database: which tenants there are and where each one lives. Platform data, not tenants'
-- data: services may read it, only governance (role aeterna_control) may change it. The roles are made by
-- libs.postgres.bootstrap.

CREATE SCHEMA control;
GRANT USAGE ON SCHEMA control TO aeterna_app, aeterna_control;

CREATE TABLE control.shard (
    id text PRIMARY KEY,
    dsn text NOT NULL,  -- without role and password
    kind text NOT NULL DEFAULT 'shared' CHECK (kind IN ('shared', 'dedicated')),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE control.tenant (
    id text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    display_name text NOT NULL DEFAULT '',
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE control.placement (
    tenant_id text COLLATE "C" PRIMARY KEY REFERENCES control.tenant (id),
    shard_id text NOT NULL REFERENCES control.shard (id),
    epoch bigint NOT NULL DEFAULT 1 CHECK (epoch > 0)
);
CREATE INDEX placement_by_shard ON control.placement (shard_id);

-- An epoch only grows, whoever writes it.
CREATE FUNCTION control.epoch_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.epoch < OLD.epoch OR (NEW.epoch = OLD.epoch AND NEW.shard_id <> OLD.shard_id) THEN
        RAISE EXCEPTION 'the epoch of a placement only grows';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER epoch_grows BEFORE UPDATE ON control.placement
    FOR EACH ROW EXECUTE FUNCTION control.epoch_grows();

-- Caches of placements drop a tenant when its row or its placement changes.
CREATE FUNCTION control.announce() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('aeterna_placement', CASE TG_TABLE_NAME
        WHEN 'tenant' THEN to_jsonb(NEW) ->> 'id' ELSE to_jsonb(NEW) ->> 'tenant_id' END);
    RETURN NEW;
END $$;
CREATE TRIGGER announce AFTER INSERT OR UPDATE ON control.tenant
    FOR EACH ROW EXECUTE FUNCTION control.announce();
CREATE TRIGGER announce AFTER INSERT OR UPDATE ON control.placement
    FOR EACH ROW EXECUTE FUNCTION control.announce();

GRANT SELECT ON ALL TABLES IN SCHEMA control TO aeterna_app, aeterna_control;
GRANT INSERT, UPDATE ON control.shard, control.tenant, control.placement TO aeterna_control;
