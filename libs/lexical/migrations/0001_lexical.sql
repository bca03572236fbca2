-- The lexical index of a shard: which entities hold which terms, as keyed hashes under a key of their
-- tenant. Written in the transaction of the rows that it is made from, so it never differs from them.

-- One entry for each entity: what is needed to filter by, and to take it out again.
CREATE TABLE aeterna.document (
    tenant_id text COLLATE "C" NOT NULL,
    collection text COLLATE "C" NOT NULL,
    entity_id uuid NOT NULL,
    length int NOT NULL,  -- terms, repeats included
    terms bigint[] NOT NULL,  -- distinct
    payload jsonb NOT NULL,  -- ids to filter by, never content
    PRIMARY KEY (tenant_id, collection, entity_id)
);
SELECT aeterna.protect('aeterna.document');

-- A search reads the postings of its terms from the index alone.
CREATE TABLE aeterna.posting (
    tenant_id text COLLATE "C" NOT NULL,
    collection text COLLATE "C" NOT NULL,
    term bigint NOT NULL,
    entity_id uuid NOT NULL,
    frequency int NOT NULL,
    length int NOT NULL,  -- of the document
    PRIMARY KEY (tenant_id, collection, term, entity_id) INCLUDE (frequency, length)
);
SELECT aeterna.protect('aeterna.posting');

-- How many documents there are, and how long they are together: what BM25 measures against.
CREATE TABLE aeterna.lexicon (
    tenant_id text COLLATE "C" NOT NULL,
    collection text COLLATE "C" NOT NULL,
    documents bigint NOT NULL,
    length bigint NOT NULL,
    PRIMARY KEY (tenant_id, collection)
) WITH (fillfactor = 20);  -- updated by every write: room for heap-only updates
SELECT aeterna.protect('aeterna.lexicon');
