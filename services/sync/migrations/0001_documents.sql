-- Documents that several people write: what is known of each, its text every so many edits, and the edits.
-- Texts, fields and edits are sealed; what seals an edit or a snapshot to its place is `id`, made of document and version.

CREATE TABLE aeterna.shared_document (
    tenant_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    layer text NOT NULL,
    org_id text COLLATE "C" NOT NULL,
    team_id text COLLATE "C" NOT NULL,
    project_id text COLLATE "C" NOT NULL,
    author text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL,  -- how many edits it has had
    oldest_version bigint NOT NULL,  -- edits up to it are not kept
    number bigint NOT NULL,  -- of the change that made the version
    item uuid,  -- the knowledge item that it was saved to last
    saved_version bigint NOT NULL,
    saving_version bigint,  -- the version that a new item is being made of
    edits_since timestamptz,  -- when the oldest edit that is kept was made; NULL where none is
    fields bytea STORAGE EXTERNAL NOT NULL,
    PRIMARY KEY (tenant_id, id)
) WITH (fillfactor = 70);  -- changed by every edit: room for heap-only updates
CREATE INDEX shared_document_by_edits ON aeterna.shared_document (edits_since) WHERE edits_since IS NOT NULL;
SELECT aeterna.protect('aeterna.shared_document');

CREATE TABLE aeterna.shared_document_snapshot (
    tenant_id text COLLATE "C" NOT NULL,
    document_id uuid NOT NULL,
    version bigint NOT NULL,
    id uuid NOT NULL,
    content bytea STORAGE EXTERNAL NOT NULL,
    PRIMARY KEY (tenant_id, document_id, version)
);
SELECT aeterna.protect('aeterna.shared_document_snapshot', 'SELECT, INSERT, DELETE');

CREATE TABLE aeterna.shared_document_edit (
    tenant_id text COLLATE "C" NOT NULL,
    document_id uuid NOT NULL,
    version bigint NOT NULL,  -- that it made
    id uuid NOT NULL,
    number bigint NOT NULL,  -- of its change
    person text COLLATE "C" NOT NULL,
    edited_at timestamptz NOT NULL,
    origin text NOT NULL,
    takes_back bigint NOT NULL,  -- of an undo or a redo: the version of the edit that it takes back
    request_id uuid,
    inserted int NOT NULL,  -- code points
    deleted int NOT NULL,
    content bytea STORAGE EXTERNAL NOT NULL,
    PRIMARY KEY (tenant_id, document_id, version)
);
SELECT aeterna.protect('aeterna.shared_document_edit', 'SELECT, INSERT, DELETE');
GRANT UPDATE (person) ON aeterna.shared_document_edit TO aeterna_control;  -- who is erased becomes a pseudonym

-- Which tenants have documents with edits that need not be kept: older than `p_old`, or more than `p_most`, of which
-- those that are younger than `p_young` do not count. It spans tenants, so it is answered by the role that may see
-- nothing but such questions.
GRANT SELECT (tenant_id, version, oldest_version, edits_since) ON aeterna.shared_document TO aeterna_projector;
CREATE POLICY projector_read ON aeterna.shared_document FOR SELECT TO aeterna_projector USING (true);
CREATE FUNCTION aeterna.tenants_with_old_edits(p_old timestamptz, p_young timestamptz, p_most bigint)
    RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT tenant_id FROM aeterna.shared_document
    WHERE edits_since < p_young AND (edits_since < p_old OR version - oldest_version > p_most)
$$;
REVOKE EXECUTE ON FUNCTION aeterna.tenants_with_old_edits FROM PUBLIC;
GRANT EXECUTE ON FUNCTION aeterna.tenants_with_old_edits TO aeterna_app;
GRANT CREATE ON SCHEMA aeterna TO aeterna_projector;  -- needed to own a function, for a moment
ALTER FUNCTION aeterna.tenants_with_old_edits OWNER TO aeterna_projector;
REVOKE CREATE ON SCHEMA aeterna FROM aeterna_projector;
