-- The settings of a tenant: those that were ever changed, by name; the rest have their defaults. Names that a
-- release does not know are left alone, so that another one may run beside it.

CREATE TABLE aeterna.memory_settings (
    tenant_id text COLLATE "C" PRIMARY KEY,
    settings jsonb NOT NULL,
    version bigint NOT NULL,
    number bigint NOT NULL,  -- of the change that made this version
    updated_at timestamptz NOT NULL
);
SELECT aeterna.protect('aeterna.memory_settings');
