-- How many calls a tenant made in each period of five minutes, how many failed through no fault of the caller,
-- and how long all took together. What anomalies are looked for in; kept for two days.
CREATE TABLE aeterna.traffic (
    tenant_id text COLLATE "C" NOT NULL,
    period timestamptz NOT NULL,  -- its beginning
    calls bigint NOT NULL,
    failures bigint NOT NULL,
    seconds double precision NOT NULL,
    PRIMARY KEY (tenant_id, period)
);
SELECT aeterna.protect('aeterna.traffic');

-- Which tenants called lately. It spans tenants, so it is answered by the role that may see nothing but such
-- questions, and no more of this table than is needed.
GRANT SELECT (tenant_id) ON aeterna.traffic TO aeterna_projector;
CREATE POLICY projector_read ON aeterna.traffic FOR SELECT TO aeterna_projector USING (true);
CREATE FUNCTION aeterna.tenants_with_traffic() RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT tenant_id FROM aeterna.traffic
$$;
REVOKE EXECUTE ON FUNCTION aeterna.tenants_with_traffic FROM PUBLIC;
GRANT EXECUTE ON FUNCTION aeterna.tenants_with_traffic TO aeterna_app;
GRANT CREATE ON SCHEMA aeterna TO aeterna_projector;  -- needed to own a function, for a moment
ALTER FUNCTION aeterna.tenants_with_traffic OWNER TO aeterna_projector;
REVOKE CREATE ON SCHEMA aeterna FROM aeterna_projector;
