-- What a tenant used and what that cost: raw events, and what they add up to by the hour. Money is numeric.

CREATE TABLE aeterna.usage_state (
    tenant_id text COLLATE "C" PRIMARY KEY,
    last_number bigint NOT NULL DEFAULT 0,  -- of the events
    rolled_number bigint NOT NULL DEFAULT 0  -- up to here they are in usage_hour
) WITH (fillfactor = 20);  -- updated by every batch of events: room for heap-only updates
SELECT aeterna.protect('aeterna.usage_state', 'SELECT, INSERT, UPDATE');

-- When a service last measured what it stores for the tenant: an hour, so that each hour is counted once.
CREATE TABLE aeterna.usage_sample (
    tenant_id text COLLATE "C" NOT NULL,
    service text NOT NULL,
    hour timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, service)
);
SELECT aeterna.protect('aeterna.usage_sample');

CREATE TABLE aeterna.usage_event (
    tenant_id text COLLATE "C" NOT NULL,
    number bigint NOT NULL,  -- 1, 2, 3 ... in the order of commits
    used_at timestamptz NOT NULL,
    service text NOT NULL,
    kind text NOT NULL,
    model text COLLATE "C" NOT NULL,  -- empty where none is involved
    org_id text COLLATE "C" NOT NULL,
    team_id text COLLATE "C" NOT NULL,
    project_id text COLLATE "C" NOT NULL,
    quantity numeric NOT NULL,
    estimated boolean NOT NULL,  -- whether nobody counted the quantity
    amount numeric,  -- NULL: the price was not known
    currency text NOT NULL,
    prices text NOT NULL,  -- the version of the price table
    PRIMARY KEY (tenant_id, number)
);
SELECT aeterna.protect('aeterna.usage_event', 'SELECT, INSERT, DELETE');

CREATE TABLE aeterna.usage_hour (
    tenant_id text COLLATE "C" NOT NULL,
    hour timestamptz NOT NULL,
    service text NOT NULL,
    kind text NOT NULL,
    model text COLLATE "C" NOT NULL,
    org_id text COLLATE "C" NOT NULL,
    team_id text COLLATE "C" NOT NULL,
    project_id text COLLATE "C" NOT NULL,
    currency text NOT NULL,
    quantity numeric NOT NULL,
    unpriced numeric NOT NULL,  -- the part of the quantity whose price was not known
    amount numeric NOT NULL,  -- of the other part
    events bigint NOT NULL,
    PRIMARY KEY (tenant_id, hour, service, kind, model, org_id, team_id, project_id, currency)
);
SELECT aeterna.protect('aeterna.usage_hour');

-- Adds events, as part of a write, and counts their money against the budgets that they concern unless a
-- reservation was settled for them (reserved). An array of objects with the columns of usage_event, and reserved.
CREATE FUNCTION aeterna.record_usage(p_events jsonb, p_actor text, p_trace text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_tenant text := aeterna.writing_tenant();
    v_count bigint := jsonb_array_length(p_events);
    v_last bigint;
    v_free jsonb;
BEGIN
    IF v_count = 0 THEN
        RETURN;
    END IF;
    INSERT INTO aeterna.usage_state AS s (tenant_id, last_number) VALUES (v_tenant, v_count)
        ON CONFLICT (tenant_id) DO UPDATE SET last_number = s.last_number + v_count
        RETURNING last_number INTO v_last;
    INSERT INTO aeterna.usage_event (tenant_id, number, used_at, service, kind, model, org_id, team_id, project_id,
            quantity, estimated, amount, currency, prices)
        SELECT v_tenant, v_last - v_count + e.place, e.used_at, e.service, e.kind, e.model, e.org_id, e.team_id,
            e.project_id, e.quantity, e.estimated, e.amount, e.currency, e.prices
        FROM ROWS FROM (jsonb_to_recordset(p_events) AS (used_at timestamptz, service text, kind text, model text,
            org_id text, team_id text, project_id text, quantity numeric, estimated boolean, amount numeric,
            currency text, prices text)) WITH ORDINALITY
            AS e (used_at, service, kind, model, org_id, team_id, project_id, quantity, estimated, amount, currency,
                prices, place);
    SELECT jsonb_agg(e.value) INTO v_free FROM jsonb_array_elements(p_events) AS e (value)
        WHERE e.value->>'amount' IS NOT NULL AND NOT coalesce((e.value->>'reserved')::boolean, false);
    IF v_free IS NOT NULL THEN
        PERFORM aeterna.charge_budgets(v_free, p_actor, p_trace);
    END IF;
END $$;

-- Which tenants have events that are in no hour yet, and which have storage that a service did not measure in this
-- hour. They span tenants, so they are answered by the role that may see nothing but such queues.
GRANT SELECT ON aeterna.usage_state, aeterna.usage_sample TO aeterna_projector;
CREATE POLICY projector_read ON aeterna.usage_state FOR SELECT TO aeterna_projector USING (true);
CREATE POLICY projector_read ON aeterna.usage_sample FOR SELECT TO aeterna_projector USING (true);
CREATE FUNCTION aeterna.tenants_with_usage() RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT tenant_id FROM aeterna.usage_state WHERE last_number > rolled_number
$$;
CREATE FUNCTION aeterna.tenants_to_sample(p_service text) RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.tenant_id FROM aeterna.usage_state AS s
    LEFT JOIN aeterna.usage_sample AS m ON m.tenant_id = s.tenant_id AND m.service = p_service
    WHERE m.hour IS NULL OR m.hour < date_trunc('hour', now(), 'UTC')
$$;
REVOKE EXECUTE ON FUNCTION aeterna.tenants_with_usage, aeterna.tenants_to_sample FROM PUBLIC;
GRANT EXECUTE ON FUNCTION aeterna.tenants_with_usage, aeterna.tenants_to_sample TO aeterna_app, aeterna_control;
GRANT CREATE ON SCHEMA aeterna TO aeterna_projector;  -- needed to own a function, for a moment
ALTER FUNCTION aeterna.tenants_with_usage OWNER TO aeterna_projector;
ALTER FUNCTION aeterna.tenants_to_sample OWNER TO aeterna_projector;
REVOKE CREATE ON SCHEMA aeterna FROM aeterna_projector;
