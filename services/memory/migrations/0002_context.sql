-- Who said a memory and when, and its place in its session. The release before this one leaves them out:
-- a missing time is that of the creation.

DO $$
DECLARE
    v_table regclass;
BEGIN
    FOREACH v_table IN ARRAY ARRAY['aeterna.memory', 'aeterna.memory_version']::regclass[] LOOP
        EXECUTE format('ALTER TABLE %s
            ADD COLUMN author bytea NOT NULL DEFAULT '''',  -- sealed; empty for nobody
            ADD COLUMN event_at timestamptz', v_table);
    END LOOP;
END $$;
CREATE INDEX memory_by_session ON aeterna.memory (tenant_id, user_id, session_id, id) WHERE layer = 'session';
