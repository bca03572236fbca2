-- Requests for approval: who may decide and by when was settled when a request was opened. Title, description
-- and comments are sealed. A person decides once, and a right to decide is used once: two unique keys.

CREATE TABLE aeterna.approval_request (
    tenant_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    year int NOT NULL,
    serial int NOT NULL CHECK (serial > 0),  -- REQ-2026-0007: year and serial
    kind text NOT NULL CHECK (kind IN ('policy', 'knowledge', 'memory', 'role', 'config')),
    target text COLLATE "C" NOT NULL,  -- a resource name
    target_version bigint NOT NULL,
    org_id text COLLATE "C" NOT NULL,
    team_id text COLLATE "C" NOT NULL,
    project_id text COLLATE "C" NOT NULL,
    risk text NOT NULL CHECK (risk IN ('low', 'medium', 'high', 'critical')),
    requester text COLLATE "C" NOT NULL,
    agent text COLLATE "C" NOT NULL,  -- that asked in the requester's name
    payload_digest text NOT NULL,  -- SHA-256 in hexadecimal digits, or empty
    excluded text[] NOT NULL,  -- who may not decide: the requester, and who wrote the target
    mode text NOT NULL CHECK (mode IN ('single', 'quorum', 'unanimous')),
    needed int NOT NULL CHECK (needed > 0),
    approvers text[] NOT NULL,  -- by name; empty: whoever has one of the roles
    roles text[] NOT NULL,
    escalation_roles text[] NOT NULL,  -- who may decide, too, once it is escalated
    escalated boolean NOT NULL,
    state text NOT NULL CHECK (state IN
        ('pending', 'approved', 'applied', 'rejected', 'withdrawn', 'expired', 'failed')),
    error text NOT NULL,  -- the reason why it could not be applied
    title bytea STORAGE EXTERNAL NOT NULL,
    description bytea STORAGE EXTERNAL NOT NULL,
    escalates_at timestamptz,
    expires_at timestamptz NOT NULL,
    due_at timestamptz,  -- when time changes it next; NULL: no more
    apply_at timestamptz,  -- since when its service may apply it; NULL: it has, or others do
    number bigint NOT NULL,  -- of the newest change
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    ended_at timestamptz,  -- when it was decided or ended otherwise
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, year, serial)
);
CREATE UNIQUE INDEX approval_request_once
    ON aeterna.approval_request (tenant_id, kind, target, target_version) WHERE state = 'pending';
CREATE INDEX approval_request_approved
    ON aeterna.approval_request (tenant_id, target) WHERE state = 'approved';
CREATE INDEX approval_request_due ON aeterna.approval_request (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX approval_request_apply ON aeterna.approval_request (apply_at) WHERE apply_at IS NOT NULL;
SELECT aeterna.protect('aeterna.approval_request', 'SELECT, INSERT, UPDATE');

CREATE TABLE aeterna.approval_decision (
    tenant_id text COLLATE "C" NOT NULL,
    request_id uuid NOT NULL,
    approver text COLLATE "C" NOT NULL,
    holder text COLLATE "C" NOT NULL,  -- whose right it was: the approver's own, or one delegated
    id uuid NOT NULL,  -- what the comment is sealed to
    approves boolean NOT NULL,
    comment bytea STORAGE EXTERNAL NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, request_id, approver),
    UNIQUE (tenant_id, request_id, holder),
    FOREIGN KEY (tenant_id, request_id) REFERENCES aeterna.approval_request (tenant_id, id)
);
SELECT aeterna.protect('aeterna.approval_decision', 'SELECT, INSERT');

CREATE TABLE aeterna.approval_counter (
    tenant_id text COLLATE "C" NOT NULL,
    year int NOT NULL,
    serial int NOT NULL,  -- of the newest request of the year
    PRIMARY KEY (tenant_id, year)
);
SELECT aeterna.protect('aeterna.approval_counter', 'SELECT, INSERT, UPDATE');

-- Rights to decide that were passed on, with the roles that their holder had then.
CREATE TABLE aeterna.approval_delegation (
    tenant_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    holder text COLLATE "C" NOT NULL,
    delegate text COLLATE "C" NOT NULL,
    roles text[] NOT NULL,
    kinds text[] NOT NULL,  -- of requests; empty: all
    org_id text COLLATE "C" NOT NULL,
    team_id text COLLATE "C" NOT NULL,
    project_id text COLLATE "C" NOT NULL,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
SELECT aeterna.protect('aeterna.approval_delegation', 'SELECT, INSERT, DELETE');

-- How requests are decided in a scope; the nearest one counts.
CREATE TABLE aeterna.approval_config (
    tenant_id text COLLATE "C" NOT NULL,
    org_id text COLLATE "C" NOT NULL,
    team_id text COLLATE "C" NOT NULL,
    project_id text COLLATE "C" NOT NULL,
    config jsonb NOT NULL,
    version bigint NOT NULL,
    number bigint NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, org_id, team_id, project_id)
);
SELECT aeterna.protect('aeterna.approval_config');

-- Which tenants have requests that time changes, or that a service may apply. They span tenants, so they are
-- answered by the role that may see nothing but such queues.
GRANT SELECT (tenant_id, kind, due_at, apply_at) ON aeterna.approval_request TO aeterna_projector;
CREATE POLICY projector_read ON aeterna.approval_request FOR SELECT TO aeterna_projector USING (true);
CREATE FUNCTION aeterna.tenants_with_due_approvals() RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT tenant_id FROM aeterna.approval_request WHERE due_at <= now()
$$;
CREATE FUNCTION aeterna.tenants_with_approvals(p_kinds text[]) RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT tenant_id FROM aeterna.approval_request WHERE apply_at <= now() AND kind = ANY(p_kinds)
$$;
REVOKE EXECUTE ON FUNCTION aeterna.tenants_with_due_approvals FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION aeterna.tenants_with_approvals FROM PUBLIC;
GRANT EXECUTE ON FUNCTION aeterna.tenants_with_due_approvals TO aeterna_app;
GRANT EXECUTE ON FUNCTION aeterna.tenants_with_approvals TO aeterna_app;
GRANT CREATE ON SCHEMA aeterna TO aeterna_projector;  -- needed to own a function, for a moment
ALTER FUNCTION aeterna.tenants_with_due_approvals OWNER TO aeterna_projector;
ALTER FUNCTION aeterna.tenants_with_approvals OWNER TO aeterna_projector;
REVOKE CREATE ON SCHEMA aeterna FROM aeterna_projector;
