-- Rotation: keys that are about to be retired, how often a tenant's keys have changed, and the guard of tables with
-- sealed values, by which no value can name a key that is gone.

ALTER TABLE aeterna.subject_key ADD COLUMN retiring uuid;  -- the scan that has found no value of it so far
CREATE INDEX subject_key_retiring ON aeterna.subject_key (tenant_id, retiring) WHERE retiring IS NOT NULL;

CREATE TABLE aeterna.key_revision (
    tenant_id text COLLATE "C" PRIMARY KEY,
    revision bigint NOT NULL
);
SELECT aeterna.protect('aeterna.key_revision');

-- Ids of people's keys that were retired: what such a key sealed is still in old backups, and has to go with the person.
CREATE TABLE aeterna.retired_key (
    tenant_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    subject_id text NOT NULL,
    retired_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX retired_key_by_subject ON aeterna.retired_key (tenant_id, subject_id);
SELECT aeterna.protect('aeterna.retired_key', 'SELECT, INSERT, DELETE');

-- Guards the sealed columns of a table: bytea, empty for nothing. What a process sealed before it heard that a key was
-- destroyed must not be stored, since nobody could read it (AE005); and a key that is named again while a scan looks for
-- its values is not retired. Of an update, only keys count that none of its rows named before: rows whose values were
-- erased may change otherwise, and a scan meets a value where it stays. Services may seal these columns anew, also where
-- they may change nothing else. Called after each migration with what libs.encryption.registry names; does nothing when
-- all is as it was.
CREATE FUNCTION aeterna.guard_sealed(p_table regclass, VARIADIC p_columns text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_name text := (SELECT relname FROM pg_class WHERE oid = p_table);
    v_columns text := (SELECT string_agg(quote_ident(name), ', ') FROM unnest(p_columns) AS name);
    v_values text := (SELECT string_agg(format('(r.%I)', name), ', ') FROM unnest(p_columns) AS name);
    v_named text := $n$SELECT r.tenant_id, encode(substring(v.sealed FROM 2 FOR 16), 'hex')::uuid AS id
        FROM %s AS r, LATERAL (VALUES %s) AS v (sealed) WHERE v.sealed <> ''$n$;
    v_event text;
    v_function text;
BEGIN
    FOREACH v_event IN ARRAY ARRAY['insert', 'update'] LOOP
        v_function := format('aeterna.%I', v_name || '_sealed_' || v_event);
        CONTINUE WHEN obj_description(to_regproc(v_function), 'pg_proc') = v_columns;
        EXECUTE format($f$
            CREATE OR REPLACE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql AS $t$
            DECLARE
                v_gone boolean;
                v_retiring uuid[];
            BEGIN
                SELECT bool_or(k.id IS NULL), array_agg(k.id) FILTER (WHERE k.retiring IS NOT NULL)
                    INTO v_gone, v_retiring
                    FROM (%s %s) AS named
                    LEFT JOIN aeterna.subject_key AS k ON k.tenant_id = named.tenant_id AND k.id = named.id;
                IF v_gone THEN
                    RAISE EXCEPTION 'a key is gone' USING ERRCODE = 'AE005';
                END IF;
                IF v_retiring IS NOT NULL THEN
                    UPDATE aeterna.subject_key SET retiring = NULL WHERE id = ANY (v_retiring);
                END IF;
                RETURN NULL;
            END $t$
        $f$, v_function, format(v_named, 'written', v_values), CASE v_event
            WHEN 'insert' THEN 'GROUP BY 1, 2'
            ELSE 'EXCEPT ' || format(v_named, 'replaced', v_values) END);
        EXECUTE format('CREATE OR REPLACE TRIGGER sealed_%s AFTER %s ON %s REFERENCING %s NEW TABLE AS written
            FOR EACH STATEMENT EXECUTE FUNCTION %s()', v_event, v_event, p_table,
            CASE v_event WHEN 'update' THEN 'OLD TABLE AS replaced' ELSE '' END, v_function);
        EXECUTE format('COMMENT ON FUNCTION %s() IS %L', v_function, v_columns);
    END LOOP;
    EXECUTE format('GRANT UPDATE (%s) ON %s TO aeterna_app', v_columns, p_table);
END $$;
REVOKE EXECUTE ON FUNCTION aeterna.guard_sealed FROM PUBLIC;
