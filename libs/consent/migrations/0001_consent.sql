-- What people allow, by purpose: what a tenant asks for, the last word of each person, and all that was said.

-- `number` is the newest change of the policy or of any consent: what is kept in memory goes by it.
CREATE TABLE aeterna.consent_policy (
    tenant_id text COLLATE "C" PRIMARY KEY,
    purposes text[] NOT NULL,
    required_to_store text[] NOT NULL,
    required_to_retrieve text[] NOT NULL,
    knowledge_authors boolean NOT NULL,
    version bigint NOT NULL,
    number bigint NOT NULL,
    updated_at timestamptz
);
SELECT aeterna.protect('aeterna.consent_policy');

CREATE TABLE aeterna.consent (
    tenant_id text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    purpose text COLLATE "C" NOT NULL,
    granted boolean NOT NULL,
    expires_at timestamptz,
    number bigint NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, subject, purpose)
);
SELECT aeterna.protect('aeterna.consent');

CREATE TABLE aeterna.consent_event (
    tenant_id text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    purpose text COLLATE "C" NOT NULL,
    granted boolean NOT NULL,
    expires_at timestamptz,
    actor text NOT NULL,
    happened_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, subject, number)
);
SELECT aeterna.protect('aeterna.consent_event');
