-- The keys with which the suite signs what has to be proved outside of it. In the control database, apart
-- from the shards; wrapped by the key management service. Governance alone may read them. Public keys of
-- older ones are kept: what they signed stays provable.
CREATE TABLE control.signing_key (
    id text PRIMARY KEY,  -- the first 16 hexadecimal digits of SHA-256 of the public key
    public_key bytea NOT NULL,
    kms_key_id text,  -- NULL with `wrapped` when the key came from a setting
    wrapped bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((kms_key_id IS NULL) = (wrapped IS NULL))
);
GRANT SELECT, INSERT ON control.signing_key TO aeterna_control;
GRANT UPDATE (kms_key_id, wrapped) ON control.signing_key TO aeterna_control;
