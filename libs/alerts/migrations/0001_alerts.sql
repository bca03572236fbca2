-- What a tenant is alarmed about, where it wants to hear of it, and what still has to be sent there. Raising an
-- alert and queueing its deliveries is one write with whatever gave rise to it.

CREATE TABLE aeterna.alert (
    tenant_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    number bigint NOT NULL,  -- of the change that tells of it
    kind text NOT NULL,  -- lower-case words joined by dots: budget.threshold
    severity text NOT NULL CHECK (severity IN ('info', 'low', 'medium', 'high', 'critical')),
    resource text NOT NULL,  -- what it is about, as a resource name; empty for the tenant itself
    facts jsonb NOT NULL,  -- numbers, names of resources, codes; never content, never persons
    raised_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
SELECT aeterna.protect('aeterna.alert', 'SELECT, INSERT, DELETE');

CREATE TABLE aeterna.webhook (
    tenant_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,  -- a DNS label
    row_id uuid NOT NULL,  -- what the sealed columns are bound to
    url bytea NOT NULL,
    secret bytea NOT NULL,
    kinds text[] NOT NULL,  -- that it wants to hear of, each with those below it; none: all
    enabled boolean NOT NULL,
    version bigint NOT NULL,
    number bigint NOT NULL,  -- of the change that made this version
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
SELECT aeterna.protect('aeterna.webhook');

-- An outbox: one row for each alert and webhook.
CREATE TABLE aeterna.webhook_delivery (
    tenant_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    webhook text COLLATE "C" NOT NULL,
    alert uuid NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts int NOT NULL DEFAULT 0,
    status int NOT NULL DEFAULT 0,  -- of the last answer over HTTP; 0: there was none
    problem text NOT NULL DEFAULT '',  -- a code of our own: why the last attempt failed
    due_at timestamptz,  -- when to try: the end of a lease or a pause; NULL at the end
    retry_until timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, webhook) REFERENCES aeterna.webhook (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, alert) REFERENCES aeterna.alert (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX webhook_delivery_due ON aeterna.webhook_delivery (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_delivery_by_webhook ON aeterna.webhook_delivery (tenant_id, webhook, id);
CREATE INDEX webhook_delivery_by_alert ON aeterna.webhook_delivery (tenant_id, alert);
SELECT aeterna.protect('aeterna.webhook_delivery');

-- Raises an alert, as part of a write: tells the change log, keeps it, queues it for the webhooks that want it.
-- Returns the number of the change. The ids of deliveries grow with the time, as others do.
CREATE FUNCTION aeterna.raise_alert(
    p_id uuid, p_kind text, p_severity text, p_resource text, p_facts jsonb, p_actor text, p_trace text
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_tenant text := aeterna.writing_tenant();
    v_number bigint;
    v_now timestamptz := clock_timestamp();
BEGIN
    v_number := aeterna.append_changes(ARRAY['alerts/' || p_id], ARRAY['recorded'], ARRAY[p_actor], ARRAY[''],
        ARRAY[''], ARRAY[p_trace], ARRAY[''], ARRAY[p_kind]);
    INSERT INTO aeterna.alert (tenant_id, id, number, kind, severity, resource, facts, raised_at)
        VALUES (v_tenant, p_id, v_number, p_kind, p_severity, p_resource, p_facts, v_now);
    INSERT INTO aeterna.webhook_delivery
            (tenant_id, id, webhook, alert, due_at, retry_until, created_at, updated_at)
        SELECT v_tenant, uuidv7(), w.id, p_id, v_now, v_now + interval '1 day', v_now, v_now
        FROM aeterna.webhook AS w
        WHERE w.tenant_id = v_tenant AND w.enabled AND (w.kinds = '{}' OR EXISTS (
            SELECT FROM unnest(w.kinds) AS k (kind)
            WHERE p_kind = k.kind OR starts_with(p_kind, k.kind || '.')));
    RETURN v_number;
END $$;

-- Which tenants have something to send. It spans tenants, so it is answered by the role that may see nothing but
-- such queues, and no more of this one than is needed.
GRANT SELECT (tenant_id, due_at) ON aeterna.webhook_delivery TO aeterna_projector;
CREATE POLICY projector_read ON aeterna.webhook_delivery FOR SELECT TO aeterna_projector USING (true);
CREATE FUNCTION aeterna.tenants_with_deliveries() RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT tenant_id FROM aeterna.webhook_delivery WHERE due_at <= now()
$$;
REVOKE EXECUTE ON FUNCTION aeterna.tenants_with_deliveries FROM PUBLIC;
GRANT EXECUTE ON FUNCTION aeterna.tenants_with_deliveries TO aeterna_app, aeterna_control;
GRANT CREATE ON SCHEMA aeterna TO aeterna_projector;  -- needed to own a function, for a moment
ALTER FUNCTION aeterna.tenants_with_deliveries OWNER TO aeterna_projector;
REVOKE CREATE ON SCHEMA aeterna FROM aeterna_projector;
