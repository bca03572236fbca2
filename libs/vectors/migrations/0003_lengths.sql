-- Vectors may be searched by a shorter prefix than they have. Beside the graph of the prefix the whole vector is
-- kept in a table of its own, without a graph: what is searched stays small, and what is found is scored on it.
-- The release before this one knows neither the new tables nor layouts; both are empty until a tenant's settings
-- ask for a shorter index.

DO $$
DECLARE
    v_dimensions int;
    v_key text;
BEGIN
    FOREACH v_dimensions IN ARRAY ARRAY[512, 1024, 3072] LOOP
        EXECUTE format('CREATE TABLE aeterna.vector_%1$s (
            tenant_id text COLLATE "C" NOT NULL,
            collection text COLLATE "C" NOT NULL,
            entity_id uuid NOT NULL,
            space text NOT NULL,
            payload jsonb NOT NULL,
            embedding halfvec(%1$s) NOT NULL,
            PRIMARY KEY (tenant_id, collection, entity_id)
        )', v_dimensions);
        EXECUTE format('CREATE INDEX vector_%1$s_graph ON aeterna.vector_%1$s
            USING hnsw (embedding halfvec_ip_ops) WITH (m = 16, ef_construction = 64)', v_dimensions);
        EXECUTE format('SELECT aeterna.protect(%L)', 'aeterna.vector_' || v_dimensions);
        FOREACH v_key IN ARRAY ARRAY['layer', 'org_id', 'team_id', 'project_id', 'session_id',
            'user_id', 'agent_id', 'kind', 'status'] LOOP
            EXECUTE format('CREATE STATISTICS aeterna.vector_%1$s_%2$s
                ON (coalesce(payload ->> %2$L, '''')) FROM aeterna.vector_%1$s',
                v_dimensions, v_key);
        END LOOP;
    END LOOP;
END $$;

CREATE TABLE aeterna.vector_whole (
    tenant_id text COLLATE "C" NOT NULL,
    collection text COLLATE "C" NOT NULL,
    entity_id uuid NOT NULL,
    space text NOT NULL,
    embedding halfvec STORAGE PLAIN NOT NULL,  -- beside its key: one page to read, and it does not compress
    PRIMARY KEY (tenant_id, collection, entity_id)
);
SELECT aeterna.protect('aeterna.vector_whole');

-- Which lengths are kept of a tenant's vectors, where it is not the whole one alone: searches use one, and while
-- the index moves from one length to another every write goes to both.
CREATE TABLE aeterna.vector_layout (
    tenant_id text COLLATE "C" NOT NULL,
    collection text COLLATE "C" NOT NULL,
    space text COLLATE "C" NOT NULL,
    searched int NOT NULL,
    other int,  -- is being filled, or no longer searched and not yet given up
    switched_at timestamptz,  -- when `searched` took the place of `other`
    filled uuid,  -- entities from here on are in `other`
    done bigint NOT NULL DEFAULT 0,  -- entities that were brought there
    total bigint NOT NULL DEFAULT 0,  -- and that there were at the beginning
    PRIMARY KEY (tenant_id, collection, space)
);
SELECT aeterna.protect('aeterna.vector_layout');
