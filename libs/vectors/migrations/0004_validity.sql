-- How many points are valid at a time, which every search of memories asks for: without it the planner would take
-- a third of them for each end and leave the graph. The expressions are those of libs/vectors/conditions.py.

DO $$
DECLARE
    v_dimensions int;
BEGIN
    FOREACH v_dimensions IN ARRAY ARRAY[64, 128, 256, 384, 512, 768, 1024, 1536, 3072] LOOP
        EXECUTE format('CREATE STATISTICS aeterna.vector_%1$s_valid_from
            ON (coalesce(payload ->> ''valid_from'', '''') COLLATE "C") FROM aeterna.vector_%1$s',
            v_dimensions);
        EXECUTE format('CREATE STATISTICS aeterna.vector_%1$s_valid_until
            ON (coalesce(payload ->> ''valid_until'', ''~'') COLLATE "C") FROM aeterna.vector_%1$s',
            v_dimensions);
    END LOOP;
END $$;
