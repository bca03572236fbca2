-- Pieces of the files that a person's data was gathered into: sealed under the person's key, for a while.

CREATE TABLE aeterna.export_part (
    tenant_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    export_id uuid NOT NULL,
    subject text COLLATE "C" NOT NULL,
    file text NOT NULL,
    place int NOT NULL,
    records int NOT NULL,
    data bytea STORAGE EXTERNAL NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX export_part_in_order ON aeterna.export_part (tenant_id, export_id, file, place);
CREATE INDEX export_part_by_end ON aeterna.export_part (expires_at);
SELECT aeterna.protect('aeterna.export_part');

-- Which tenants have files to be deleted. It spans tenants, so it is answered by the role that may see nothing but
-- such questions, and no more of this table than is needed.
GRANT SELECT (tenant_id, expires_at) ON aeterna.export_part TO aeterna_projector;
CREATE POLICY projector_read ON aeterna.export_part FOR SELECT TO aeterna_projector USING (true);
CREATE FUNCTION aeterna.tenants_with_old_exports() RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT tenant_id FROM aeterna.export_part WHERE expires_at < now()
$$;
REVOKE EXECUTE ON FUNCTION aeterna.tenants_with_old_exports FROM PUBLIC;
GRANT EXECUTE ON FUNCTION aeterna.tenants_with_old_exports TO aeterna_app;
GRANT CREATE ON SCHEMA aeterna TO aeterna_projector;  -- needed to own a function, for a moment
ALTER FUNCTION aeterna.tenants_with_old_exports OWNER TO aeterna_projector;
REVOKE CREATE ON SCHEMA aeterna FROM aeterna_projector;
