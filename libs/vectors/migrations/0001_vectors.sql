-- The vector index inside a shard. A projection of encrypted rows: it can always be derived again. One
-- table, and so one HNSW graph, for each dimension, whatever the number of tenants. Needs the extension
-- pgvector: see libs.postgres.bootstrap.

DO $$
DECLARE
    v_dimensions int;
BEGIN
    FOREACH v_dimensions IN ARRAY ARRAY[64, 128, 256, 384, 768, 1536] LOOP
        EXECUTE format('CREATE TABLE aeterna.vector_%1$s (
            tenant_id text COLLATE "C" NOT NULL,
            collection text COLLATE "C" NOT NULL,
            entity_id uuid NOT NULL,
            space text NOT NULL,  -- identity of the embedder: other spaces do not compare
            payload jsonb NOT NULL,  -- ids to filter by, never content
            embedding halfvec(%1$s) NOT NULL,
            PRIMARY KEY (tenant_id, collection, entity_id)
        )', v_dimensions);
        EXECUTE format('CREATE INDEX vector_%1$s_graph ON aeterna.vector_%1$s
            USING hnsw (embedding halfvec_ip_ops) WITH (m = 16, ef_construction = 64)', v_dimensions);
        EXECUTE format('SELECT aeterna.protect(%L)', 'aeterna.vector_' || v_dimensions);
    END LOOP;
END $$;
