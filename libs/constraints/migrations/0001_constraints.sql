-- Policies and the versions that were replaced. The document holds title and rules, sealed; the rest is what
-- they are found and resolved by. `source` is the knowledge item that says what a policy is: then the two have
-- the same id.

CREATE TABLE aeterna.constraint_policy (
    tenant_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    key text COLLATE "C" NOT NULL,
    layer text NOT NULL,
    org_id text COLLATE "C" NOT NULL,
    team_id text COLLATE "C" NOT NULL,
    project_id text COLLATE "C" NOT NULL,
    mode text NOT NULL,
    merge text NOT NULL,
    source uuid,
    rules int NOT NULL,  -- how many
    author text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    number bigint NOT NULL,  -- of the change that made this version
    document bytea STORAGE EXTERNAL NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
SELECT aeterna.protect('aeterna.constraint_policy');

CREATE TABLE aeterna.constraint_policy_version (LIKE aeterna.constraint_policy INCLUDING STORAGE);
ALTER TABLE aeterna.constraint_policy_version ADD PRIMARY KEY (tenant_id, id, version);
SELECT aeterna.protect('aeterna.constraint_policy_version', 'SELECT, INSERT, DELETE');
