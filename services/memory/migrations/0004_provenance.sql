-- Where a memory came from, how far that is trusted, when it is true, and what corrects it. The release before
-- this one leaves them out: from nowhere, trusted, always true. A time that is missing is open.

DO $$
DECLARE
    v_table regclass;
BEGIN
    FOREACH v_table IN ARRAY ARRAY['aeterna.memory', 'aeterna.memory_version']::regclass[] LOOP
        EXECUTE format('ALTER TABLE %s
            ADD COLUMN source bytea NOT NULL DEFAULT '''',  -- sealed; empty for none
            ADD COLUMN trust double precision NOT NULL DEFAULT 1,
            ADD COLUMN valid_from timestamptz,
            ADD COLUMN valid_until timestamptz,  -- exclusive
            ADD COLUMN supersedes uuid,
            ADD COLUMN superseded_by uuid', v_table);
    END LOOP;
END $$;
