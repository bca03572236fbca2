-- Rotation: keys that are about to be retired, how often a tenant's keys have changed, and the guard of tables with
-- sealed values, by which no value can name a key that is gone.

ALTER TABLE aeterna.subject_key ADD COLUMN retiring uuid;  -- the scan that has found no value of it so far
CREATE INDEX subject_key_retiring ON aeterna.subject_key (tenant_id, retiring) WHERE retiring IS NOT NULL;

CREATE TABLE aeterna.key_revision (
    tenant_id text COLLATE "C" PRIMARY KEY,
    revision bigint NOT NULL
);
SELECT aeterna.protect('aeterna.key_revision');

-- Guards the sealed columns of a table: bytea, empty for nothing. What a process sealed before it heard that a key was
-- destroyed must not be stored, since nobody could read it (AE005); and a key that is named again while a scan looks for
-- its values is not retired. Services may seal these columns anew, also where they may change nothing else. Called after
-- each migration with what libs.encryption.registry names; does nothing when all is as it was.
CREATE FUNCTION aeterna.guard_sealed(p_table regclass, VARIADIC p_columns text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_name text := (SELECT relname FROM pg_class WHERE oid = p_table);
    v_values text := (SELECT string_agg(format('(w.%I)', name), ', ') FROM unnest(p_columns) AS name);
    v_event text;
    v_guarded oid := to_regproc(format('aeterna.%I', v_name || '_sealed'));
BEGIN
    IF obj_description(v_guarded, 'pg_proc') = v_values THEN
        RETURN;
    END IF;
    EXECUTE format($f$
        CREATE OR REPLACE FUNCTION aeterna.%I() RETURNS trigger LANGUAGE plpgsql AS $t$
        DECLARE
            v_gone boolean;
            v_retiring uuid[];
        BEGIN
            SELECT bool_or(k.id IS NULL), array_agg(k.id) FILTER (WHERE k.retiring IS NOT NULL)
                INTO v_gone, v_retiring
                FROM (
                    SELECT DISTINCT w.tenant_id, encode(substring(v.sealed FROM 2 FOR 16), 'hex')::uuid AS id
                    FROM written AS w, LATERAL (VALUES %s) AS v (sealed) WHERE v.sealed <> ''
                ) AS named
                LEFT JOIN aeterna.subject_key AS k ON k.tenant_id = named.tenant_id AND k.id = named.id;
            IF v_gone THEN
                RAISE EXCEPTION 'a key is gone' USING ERRCODE = 'AE005';
            END IF;
            IF v_retiring IS NOT NULL THEN
                UPDATE aeterna.subject_key SET retiring = NULL WHERE id = ANY (v_retiring);
            END IF;
            RETURN NULL;
        END $t$
    $f$, v_name || '_sealed', v_values);
    FOREACH v_event IN ARRAY ARRAY['INSERT', 'UPDATE'] LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I AFTER %s ON %s REFERENCING NEW TABLE AS written
            FOR EACH STATEMENT EXECUTE FUNCTION aeterna.%I()',
            'sealed_' || lower(v_event), v_event, p_table, v_name || '_sealed');
    END LOOP;
    EXECUTE format('COMMENT ON FUNCTION aeterna.%I() IS %L', v_name || '_sealed', v_values);
    EXECUTE format('GRANT UPDATE (%s) ON %s TO aeterna_app',
        (SELECT string_agg(quote_ident(name), ', ') FROM unnest(p_columns) AS name), p_table);
END $$;
REVOKE EXECUTE ON FUNCTION aeterna.guard_sealed FROM PUBLIC;
