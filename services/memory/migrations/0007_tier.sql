-- How a memory is found, and since when its importance fades. The release before this one leaves both out: what it
-- stores is hot, and what was never confirmed by this release fades since it last changed.

DO $$
DECLARE
    v_table regclass;
BEGIN
    FOREACH v_table IN ARRAY ARRAY['aeterna.memory', 'aeterna.memory_version']::regclass[] LOOP
        EXECUTE format('ALTER TABLE %s
            ADD COLUMN tier text NOT NULL DEFAULT ''hot'',
            ADD COLUMN confirmed_at timestamptz', v_table);
    END LOOP;
END $$;
