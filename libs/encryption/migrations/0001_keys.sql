-- Wrapped keys: KMS key > tenant key > subject key. Deleting a subject's keys erases what they sealed.

CREATE TABLE aeterna.tenant_key (
    tenant_id text COLLATE "C" NOT NULL,
    version int NOT NULL CHECK (version > 0),
    kms_key_id text NOT NULL,
    wrapped bytea NOT NULL,
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'retired')),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, version)
);

-- The subject '' is the tenant itself; uses counts the encryptions that processes have reserved.
CREATE TABLE aeterna.subject_key (
    tenant_id text COLLATE "C" NOT NULL,
    subject_id text NOT NULL,
    version int NOT NULL CHECK (version > 0),
    id uuid NOT NULL,
    tenant_key_version int NOT NULL,
    wrapped bytea NOT NULL,
    uses bigint NOT NULL DEFAULT 0 CHECK (uses BETWEEN 0 AND 4294967296),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, subject_id, version),
    UNIQUE (tenant_id, id)
);

SELECT aeterna.protect('aeterna.tenant_key');
SELECT aeterna.protect('aeterna.subject_key');
