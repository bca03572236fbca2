-- Decisions that were made, so that policies can be tried on them before they hold: which question, how it was
-- answered, how often in an hour. Names and ids, no content; kept for two weeks, and no more than so many of a tenant.

CREATE TABLE aeterna.decision (
    tenant_id text COLLATE "C" NOT NULL,
    hour timestamptz NOT NULL,
    id uuid NOT NULL,  -- made of the question and its answer
    person text COLLATE "C" NOT NULL,
    agent text COLLATE "C" NOT NULL,  -- '' for none
    action text NOT NULL,
    question jsonb NOT NULL,
    allowed boolean NOT NULL,
    policies text[] NOT NULL,
    asked bigint NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, hour, id)
);
SELECT aeterna.protect('aeterna.decision');
