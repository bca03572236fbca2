-- How common each value of the ids is that searches filter by, so that the planner walks the graph only
-- where enough of what it meets will pass. The expressions are those of libs/vectors/pgvector.py.

DO $$
DECLARE
    v_dimensions int;
    v_key text;
BEGIN
    FOREACH v_dimensions IN ARRAY ARRAY[64, 128, 256, 384, 768, 1536] LOOP
        FOREACH v_key IN ARRAY ARRAY['layer', 'org_id', 'team_id', 'project_id', 'session_id',
            'user_id', 'agent_id', 'kind', 'status'] LOOP
            EXECUTE format('CREATE STATISTICS aeterna.vector_%1$s_%2$s
                ON (coalesce(payload ->> %2$L, '''')) FROM aeterna.vector_%1$s',
                v_dimensions, v_key);
        END LOOP;
    END LOOP;
END $$;
