-- Memories. Content and metadata are sealed; a version row keeps the sealed bytes of its memory as they were,
-- so both are opened with the same associated data.

CREATE TABLE aeterna.memory (
    tenant_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    layer text NOT NULL,
    org_id text COLLATE "C" NOT NULL,
    team_id text COLLATE "C" NOT NULL,
    project_id text COLLATE "C" NOT NULL,
    session_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    importance double precision NOT NULL,
    version bigint NOT NULL,
    number bigint NOT NULL,  -- of the change that made this version
    content bytea STORAGE EXTERNAL NOT NULL,
    metadata bytea STORAGE EXTERNAL NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX memory_by_user ON aeterna.memory (tenant_id, user_id, id) WHERE user_id <> '';
SELECT aeterna.protect('aeterna.memory');

CREATE TABLE aeterna.memory_version (LIKE aeterna.memory INCLUDING STORAGE);
ALTER TABLE aeterna.memory_version ADD PRIMARY KEY (tenant_id, id, version);
SELECT aeterna.protect('aeterna.memory_version', 'SELECT, INSERT, DELETE');
