-- What each request that changed a tenant was answered with, so that a repeat gets the first answer. Rows
-- are kept for a day; the rest of an answer never changes and is in control.tenant. `fingerprint` is a hash
-- of the request.

CREATE TABLE control.request (
    request_id uuid PRIMARY KEY,
    method text NOT NULL,
    fingerprint bytea NOT NULL,
    tenant_id text COLLATE "C" NOT NULL REFERENCES control.tenant (id),
    state text NOT NULL,
    shard_id text NOT NULL,
    epoch bigint NOT NULL,
    updated_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, DELETE ON control.request TO aeterna_control;
