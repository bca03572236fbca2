-- Knowledge items and the relations between them. Title and content are sealed; a version row keeps the
-- sealed bytes of its item as they were, so both are opened with the same associated data.

CREATE TABLE aeterna.knowledge_item (
    tenant_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    layer text NOT NULL,
    org_id text COLLATE "C" NOT NULL,
    team_id text COLLATE "C" NOT NULL,
    project_id text COLLATE "C" NOT NULL,
    status text NOT NULL,
    author text COLLATE "C" NOT NULL,
    proposer text COLLATE "C" NOT NULL,  -- empty for a draft
    version bigint NOT NULL,
    number bigint NOT NULL,  -- of the change that made this version
    title bytea STORAGE EXTERNAL NOT NULL,
    content bytea STORAGE EXTERNAL NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX knowledge_item_by_status ON aeterna.knowledge_item (tenant_id, status, id);
SELECT aeterna.protect('aeterna.knowledge_item');

CREATE TABLE aeterna.knowledge_version (LIKE aeterna.knowledge_item INCLUDING STORAGE);
ALTER TABLE aeterna.knowledge_version ADD PRIMARY KEY (tenant_id, id, version);
SELECT aeterna.protect('aeterna.knowledge_version', 'SELECT, INSERT, DELETE');

CREATE TABLE aeterna.knowledge_relation (
    tenant_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    source uuid NOT NULL,
    target uuid NOT NULL,
    kind text NOT NULL,
    number bigint NOT NULL,  -- of the change that made it
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, source, target, kind)
);
CREATE INDEX knowledge_relation_by_target ON aeterna.knowledge_relation (tenant_id, target);
SELECT aeterna.protect('aeterna.knowledge_relation', 'SELECT, INSERT, DELETE');
