-- Reports of how far scopes are from their policies, and findings that do not count for a while. What was found,
-- and why it does not count, is sealed.

CREATE TABLE aeterna.drift_report (
    tenant_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    org_id text COLLATE "C" NOT NULL,
    team_id text COLLATE "C" NOT NULL,
    project_id text COLLATE "C" NOT NULL,
    report bytea STORAGE EXTERNAL NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX drift_report_by_scope ON aeterna.drift_report (tenant_id, org_id, team_id, project_id, id);
SELECT aeterna.protect('aeterna.drift_report', 'SELECT, INSERT, DELETE');

CREATE TABLE aeterna.drift_suppression (
    tenant_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    policy uuid,  -- NULL: of any
    author text COLLATE "C" NOT NULL,
    document bytea STORAGE EXTERNAL NOT NULL,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
SELECT aeterna.protect('aeterna.drift_suppression', 'SELECT, INSERT, DELETE');
