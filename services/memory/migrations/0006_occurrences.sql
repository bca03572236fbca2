-- How often a memory was said. The release before this one leaves it alone; a version that it keeps says 1.

ALTER TABLE aeterna.memory ADD COLUMN occurrences bigint NOT NULL DEFAULT 1;
ALTER TABLE aeterna.memory_version ADD COLUMN occurrences bigint NOT NULL DEFAULT 1;
