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

-- How a tenant wants a series watched; a series without a row is watched as usual.
CREATE TABLE aeterna.anomaly_detector (
    tenant_id text COLLATE "C" NOT NULL,
    metric text NOT NULL,
    rule jsonb NOT NULL,  -- the kind of detector and its numbers
    muted boolean NOT NULL,
    version bigint NOT NULL,
    number bigint NOT NULL,  -- of the change that made this version
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, metric)
);
SELECT aeterna.protect('aeterna.anomaly_detector');

-- What the detector of a series knows, and up to where it has looked.
CREATE TABLE aeterna.anomaly_series (
    tenant_id text COLLATE "C" NOT NULL,
    metric text NOT NULL,
    rule jsonb NOT NULL,  -- that the state belongs to
    state jsonb NOT NULL,
    seen_until timestamptz NOT NULL,  -- the end of the last period
    PRIMARY KEY (tenant_id, metric)
);
SELECT aeterna.protect('aeterna.anomaly_series');

-- What calls cost is looked up by the time of usage.
CREATE INDEX usage_event_by_time ON aeterna.usage_event (tenant_id, used_at);

-- What was found.
CREATE TABLE aeterna.anomaly (
    tenant_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    metric text NOT NULL,
    kind text NOT NULL,
    severity text NOT NULL,
    value double precision NOT NULL,
    expected double precision NOT NULL,
    score double precision NOT NULL,
    since timestamptz NOT NULL,
    period timestamptz NOT NULL,
    rule jsonb NOT NULL,
    number bigint NOT NULL,  -- of the change that tells of it
    PRIMARY KEY (tenant_id, id)
);
SELECT aeterna.protect('aeterna.anomaly', 'SELECT, INSERT, DELETE');
