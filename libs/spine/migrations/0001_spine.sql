-- The spine of a shard: the tenant's lock, sequence and fence in one row; the change log; idempotency;
-- the queue of projections. Every tenant table is put under row-level security by aeterna.protect().

CREATE SCHEMA aeterna;
GRANT USAGE ON SCHEMA aeterna TO aeterna_app, aeterna_control, aeterna_projector;

CREATE TABLE aeterna.tenant_state (
    tenant_id text COLLATE "C" PRIMARY KEY,
    epoch bigint NOT NULL CHECK (epoch > 0),
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended')),
    seq bigint NOT NULL DEFAULT 0,  -- the newest change number
    writer xid8  -- the transaction that last passed begin_write
) WITH (fillfactor = 20);  -- updated by every write: room for heap-only updates

-- The tenant that this transaction reads for; NULL when none was set.
CREATE FUNCTION aeterna.current_tenant() RETURNS text LANGUAGE sql STABLE
    RETURN nullif(current_setting('aeterna.tenant', true), '');

-- The tenant that this transaction may write for: the one whose lock it holds through begin_write. It
-- cannot be claimed by setting a variable, since only begin_write writes the column `writer`.
CREATE FUNCTION aeterna.writing_tenant() RETURNS text LANGUAGE sql STABLE
    RETURN (
        SELECT s.tenant_id FROM aeterna.tenant_state AS s
        WHERE s.tenant_id = aeterna.current_tenant()
          AND s.writer = pg_current_xact_id_if_assigned()
    );

-- Puts a table under row-level security: reads of the tenant that was set, writes of the tenant that
-- passed begin_write. Sub-selects make each check once per statement, not once per row.
CREATE FUNCTION aeterna.protect(
    p_table regclass, p_privileges text DEFAULT 'SELECT, INSERT, UPDATE, DELETE'
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', p_table);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', p_table);
    EXECUTE format('CREATE POLICY tenant_read ON %s FOR SELECT
        USING (tenant_id = (SELECT aeterna.current_tenant()))', p_table);
    EXECUTE format('CREATE POLICY write_guard_insert ON %s FOR INSERT
        WITH CHECK (tenant_id = (SELECT aeterna.writing_tenant()))', p_table);
    EXECUTE format('CREATE POLICY write_guard_update ON %s FOR UPDATE
        USING (tenant_id = (SELECT aeterna.writing_tenant()))
        WITH CHECK (tenant_id = (SELECT aeterna.writing_tenant()))', p_table);
    EXECUTE format('CREATE POLICY write_guard_delete ON %s FOR DELETE
        USING (tenant_id = (SELECT aeterna.writing_tenant()))', p_table);
    EXECUTE format('GRANT %s ON %s TO aeterna_app, aeterna_control', p_privileges, p_table);
END $$;
REVOKE EXECUTE ON FUNCTION aeterna.protect FROM PUBLIC;

-- The lock row itself: begin_write and provisioning are the ways to change it.
ALTER TABLE aeterna.tenant_state ENABLE ROW LEVEL SECURITY;
ALTER TABLE aeterna.tenant_state FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_read ON aeterna.tenant_state FOR SELECT
    USING (tenant_id = (SELECT aeterna.current_tenant()));
CREATE POLICY write_guard_insert ON aeterna.tenant_state FOR INSERT
    WITH CHECK (tenant_id = (SELECT aeterna.current_tenant()));
CREATE POLICY write_guard_update ON aeterna.tenant_state FOR UPDATE
    USING (tenant_id = (SELECT aeterna.current_tenant()))
    WITH CHECK (tenant_id = (SELECT aeterna.current_tenant()));
GRANT SELECT ON aeterna.tenant_state TO aeterna_app, aeterna_control;
GRANT INSERT (tenant_id, epoch, state), UPDATE (epoch, state) ON aeterna.tenant_state
    TO aeterna_control;

-- Every write begins here. Takes the tenant's row lock (sequence, fence and order of commits at once)
-- and sets the tenant for row-level security. Errors: AE001 unknown tenant, AE002 another epoch,
-- AE003 suspended.
CREATE FUNCTION aeterna.begin_write(p_tenant text, p_epoch bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_seq bigint;
    v_state aeterna.tenant_state;
BEGIN
    PERFORM set_config('aeterna.tenant', p_tenant, true);
    UPDATE aeterna.tenant_state SET writer = pg_current_xact_id()
        WHERE tenant_id = p_tenant AND epoch = p_epoch AND state = 'active'
        RETURNING seq INTO v_seq;
    IF FOUND THEN
        RETURN v_seq;
    END IF;
    SELECT * INTO v_state FROM aeterna.tenant_state WHERE tenant_id = p_tenant;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such tenant' USING ERRCODE = 'AE001';
    ELSIF v_state.epoch <> p_epoch THEN
        RAISE EXCEPTION 'the placement has another epoch' USING ERRCODE = 'AE002';
    END IF;
    RAISE EXCEPTION 'the tenant is suspended' USING ERRCODE = 'AE003';
END $$;

-- The change log: what changed, never the content. Rows are chained: each hash covers the one before.
CREATE TABLE aeterna.change (
    tenant_id text COLLATE "C" NOT NULL,
    number bigint NOT NULL CHECK (number > 0),
    resource text NOT NULL,
    operation text NOT NULL,
    actor text NOT NULL,
    subject text NOT NULL,
    layer text NOT NULL,
    trace_id text NOT NULL,
    request_id text NOT NULL,
    event text NOT NULL,
    committed_at timestamptz NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (tenant_id, number)
);
CREATE INDEX change_by_resource ON aeterna.change (tenant_id, resource, number);
SELECT aeterna.protect('aeterna.change', 'SELECT');

-- SHA-256 of the previous hash and the row as a JSON array, whose text is the same in any language:
-- separators ', ', no escapes but those JSON demands, time in microseconds since 1970.
CREATE FUNCTION aeterna.chain(
    p_previous bytea, p_number bigint, p_resource text, p_operation text, p_actor text, p_subject text,
    p_layer text, p_trace text, p_request text, p_event text, p_at timestamptz
) RETURNS bytea LANGUAGE sql IMMUTABLE
    RETURN sha256(p_previous || convert_to(jsonb_build_array(
        p_number, p_resource, p_operation, p_actor, p_subject, p_layer, p_trace, p_request, p_event,
        (extract(epoch FROM p_at) * 1000000)::bigint)::text, 'UTF8'));

-- Appends changes in the order given and returns the number of the first. Only inside a transaction that
-- passed begin_write (else AE004). The arrays are of equal length.
CREATE FUNCTION aeterna.append_changes(
    p_resources text[], p_operations text[], p_actors text[], p_subjects text[], p_layers text[],
    p_traces text[], p_requests text[], p_events text[]
) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_tenant text := aeterna.writing_tenant();
    v_count int := cardinality(p_resources);
    v_base bigint;
    v_hash bytea;
    v_hashes bytea[] := '{}';
    v_at timestamptz := clock_timestamp();
BEGIN
    IF v_tenant IS NULL THEN
        RAISE EXCEPTION 'not inside begin_write' USING ERRCODE = 'AE004';
    END IF;
    UPDATE aeterna.tenant_state SET seq = seq + v_count
        WHERE tenant_id = v_tenant RETURNING seq - v_count INTO v_base;
    SELECT hash INTO v_hash FROM aeterna.change WHERE tenant_id = v_tenant AND number = v_base;
    v_hash := coalesce(v_hash, sha256(convert_to(v_tenant, 'UTF8')));
    FOR i IN 1 .. v_count LOOP
        v_hash := aeterna.chain(v_hash, v_base + i, p_resources[i], p_operations[i], p_actors[i],
            p_subjects[i], p_layers[i], p_traces[i], p_requests[i], p_events[i], v_at);
        v_hashes := v_hashes || v_hash;
    END LOOP;
    INSERT INTO aeterna.change
        SELECT v_tenant, v_base + c.place, c.resource, c.operation, c.actor, c.subject, c.layer,
            c.trace, c.request, c.event, v_at, c.hash
        FROM unnest(p_resources, p_operations, p_actors, p_subjects, p_layers, p_traces, p_requests,
            p_events, v_hashes) WITH ORDINALITY
            AS c (resource, operation, actor, subject, layer, trace, request, event, hash, place);
    RETURN v_base + 1;
END $$;

-- What each request id was answered with, so that a repeat gets the first answer. `result` holds ids and
-- versions, never content; `fingerprint` is a keyed hash of the request.
CREATE TABLE aeterna.request (
    tenant_id text COLLATE "C" NOT NULL,
    request_id uuid NOT NULL,
    method text NOT NULL,
    fingerprint bytea NOT NULL,
    result jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, request_id)
);
CREATE INDEX request_by_age ON aeterna.request (tenant_id, created_at);
SELECT aeterna.protect('aeterna.request', 'SELECT, INSERT, DELETE');

-- Entities whose vector may differ from their row. Written with the row, removed once the index agrees.
CREATE TABLE aeterna.projection_queue (
    tenant_id text COLLATE "C" NOT NULL,
    number bigint NOT NULL,  -- the change that made it necessary
    collection text NOT NULL,
    entity_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, number, entity_id)
);
SELECT aeterna.protect('aeterna.projection_queue', 'SELECT, INSERT, DELETE');

-- Which tenants have work waiting in a collection: the one question that spans tenants. It is answered by
-- a role of its own that may see nothing but this queue.
GRANT SELECT ON aeterna.projection_queue TO aeterna_projector;
CREATE POLICY projector_read ON aeterna.projection_queue FOR SELECT TO aeterna_projector USING (true);
CREATE FUNCTION aeterna.tenants_to_project(p_collection text) RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT tenant_id FROM aeterna.projection_queue WHERE collection = p_collection
$$;
REVOKE EXECUTE ON FUNCTION aeterna.tenants_to_project FROM PUBLIC;
GRANT EXECUTE ON FUNCTION aeterna.tenants_to_project TO aeterna_app;
GRANT CREATE ON SCHEMA aeterna TO aeterna_projector;  -- needed to own a function, for a moment
ALTER FUNCTION aeterna.tenants_to_project OWNER TO aeterna_projector;
REVOKE CREATE ON SCHEMA aeterna FROM aeterna_projector;
