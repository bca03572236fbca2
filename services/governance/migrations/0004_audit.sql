-- Signed checkpoints of the tenants' audit trails: in the control database, outside of the shards, so that
-- whoever rewrites a shard's log leaves a signed witness. Rows are only ever added.
CREATE TABLE control.audit_checkpoint (
    tenant_id text COLLATE "C" NOT NULL,
    number bigint NOT NULL CHECK (number > 0),
    hash bytea NOT NULL,
    statement text NOT NULL,  -- what was signed
    key_id text NOT NULL REFERENCES control.signing_key (id),
    signature bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, number)
);
GRANT SELECT, INSERT ON control.audit_checkpoint TO aeterna_control;
