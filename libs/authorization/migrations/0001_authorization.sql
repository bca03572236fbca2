-- Who may do what in a tenant. Written by governance alone, read by every service at every change: nothing here
-- is sealed but descriptions, which no service needs for a decision.

-- The newest change of any of it.
CREATE TABLE aeterna.authorization_state (
    tenant_id text COLLATE "C" PRIMARY KEY,
    number bigint NOT NULL
);
SELECT aeterna.protect('aeterna.authorization_state');

-- Roles that hold inside a scope; '' for an id: all of them.
CREATE TABLE aeterna.role_binding (
    tenant_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    role text NOT NULL
        CHECK (role IN ('viewer', 'developer', 'tech_lead', 'architect', 'admin', 'tenant_admin')),
    org_id text COLLATE "C" NOT NULL,
    team_id text COLLATE "C" NOT NULL,
    project_id text COLLATE "C" NOT NULL,
    expires_at timestamptz,
    actor text NOT NULL,  -- who granted it
    number bigint NOT NULL,  -- the change that made it what it is
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX role_binding_once
    ON aeterna.role_binding (tenant_id, user_id, role, org_id, team_id, project_id);
CREATE INDEX role_binding_by_end
    ON aeterna.role_binding (tenant_id, expires_at) WHERE expires_at IS NOT NULL;
SELECT aeterna.protect('aeterna.role_binding');

CREATE TABLE aeterna.agent (
    tenant_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,  -- as tokens name it
    owner text COLLATE "C" NOT NULL,
    capabilities text[] NOT NULL,
    max_depth smallint NOT NULL CHECK (max_depth BETWEEN 0 AND 3),
    state text NOT NULL CHECK (state IN ('active', 'suspended', 'revoked')),
    expires_at timestamptz,
    version bigint NOT NULL,
    number bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
SELECT aeterna.protect('aeterna.agent');

CREATE TABLE aeterna.suspended_user (
    tenant_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    actor text NOT NULL,
    number bigint NOT NULL,
    suspended_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id)
);
SELECT aeterna.protect('aeterna.suspended_user');

-- The tenant's own policies. A version, once written, stays as it is; which one holds is said by its policy.
CREATE TABLE aeterna.authorization_policy (
    tenant_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    latest_version int NOT NULL,
    active_version int,  -- NULL: none holds
    revision bigint NOT NULL,  -- of the policy itself, whatever of it changed
    number bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
SELECT aeterna.protect('aeterna.authorization_policy');

CREATE TABLE aeterna.authorization_policy_version (
    tenant_id text COLLATE "C" NOT NULL,
    policy_id text COLLATE "C" NOT NULL,
    version int NOT NULL,
    id uuid NOT NULL,  -- what the description is sealed to
    text text NOT NULL,  -- one statement of Cedar
    description bytea NOT NULL,  -- sealed
    actor text NOT NULL,
    number bigint NOT NULL,
    created_at timestamptz NOT NULL,
    activated_at timestamptz,  -- first; NULL: it is still a draft
    PRIMARY KEY (tenant_id, policy_id, version)
);
SELECT aeterna.protect('aeterna.authorization_policy_version');
