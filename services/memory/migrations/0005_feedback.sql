-- What people say of memories: the last word of each person, and of each version of a memory how many say what. The
-- release before this one leaves it alone; a version that it keeps has no counts.

CREATE TABLE aeterna.memory_feedback (
    tenant_id text COLLATE "C" NOT NULL,
    memory_id uuid NOT NULL,
    person text COLLATE "C" NOT NULL,  -- user:ann, as in actors of changes
    feedback text NOT NULL,
    PRIMARY KEY (tenant_id, memory_id, person)
);
SELECT aeterna.protect('aeterna.memory_feedback');

ALTER TABLE aeterna.memory ADD COLUMN feedback jsonb NOT NULL DEFAULT '{}';
ALTER TABLE aeterna.memory_version ADD COLUMN feedback jsonb NOT NULL DEFAULT '{}';
