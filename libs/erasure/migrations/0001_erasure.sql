-- Erasure: who may not be written about any more, which erasures a shard knows of; and, in the control
-- database, which outlives a shard's backups: the ledger, the shares of keys, pseudonyms.

-- What the digests of erased people are salted with; made with a tenant's first erasure.
CREATE TABLE aeterna.erasure_salt (
    tenant_id text COLLATE "C" PRIMARY KEY,
    salt bytea NOT NULL
);
SELECT aeterna.protect('aeterna.erasure_salt', 'SELECT, INSERT');

-- Who was erased, as SHA-256 of salt and id: enough to refuse what is written, not to say who it was.
CREATE TABLE aeterna.erased_subject (
    tenant_id text COLLATE "C" NOT NULL,
    digest bytea NOT NULL,
    PRIMARY KEY (tenant_id, digest)
);
SELECT aeterna.protect('aeterna.erased_subject', 'SELECT, INSERT, DELETE');

-- Erasures that are complete in this shard. One that the ledger has and the shard has not is done again.
CREATE TABLE aeterna.erasure (
    tenant_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    completed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);
SELECT aeterna.protect('aeterna.erasure', 'SELECT, INSERT');

-- Whether any of these people is erased in the tenant of the transaction.
CREATE FUNCTION aeterna.any_erased(p_subjects text[]) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM aeterna.erasure_salt AS s, unnest(p_subjects) AS p (subject), aeterna.erased_subject AS e
        WHERE s.tenant_id = aeterna.current_tenant() AND e.tenant_id = s.tenant_id
          AND e.digest = sha256(s.salt || convert_to(p.subject, 'UTF8'))
    )
$$;

-- The person at the end of an actor: `agent:planner for user:ann`; see libs.auth.identity.
CREATE FUNCTION aeterna.person(p_actor text) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN replace(replace(
        regexp_replace(p_actor, '^(.* for )?user:', ''), '%20', ' '), '%25', '%');

-- Every write of a tenant appends changes: none is about an erased person or in their name (AE006). The
-- tenant's lock orders writers and the erasure, so none that began before it slips through after it.
CREATE FUNCTION aeterna.refuse_erased() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM aeterna.erased_subject WHERE tenant_id = aeterna.current_tenant())
        AND aeterna.any_erased(ARRAY(
            SELECT subject FROM added WHERE subject <> ''
            UNION SELECT aeterna.person(actor) FROM added)) THEN
        RAISE EXCEPTION 'a person was erased' USING ERRCODE = 'AE006';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER refuse_erased AFTER INSERT ON aeterna.change
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION aeterna.refuse_erased();

-- Keys are made before the write that needs them: an erased person gets none.
CREATE FUNCTION aeterna.refuse_key_of_erased() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF aeterna.any_erased(ARRAY[NEW.subject_id]) THEN
        RAISE EXCEPTION 'a person was erased' USING ERRCODE = 'AE006';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse_erased BEFORE INSERT ON aeterna.subject_key
    FOR EACH ROW EXECUTE FUNCTION aeterna.refuse_key_of_erased();

-- A row of the change log whose people became pseudonyms. Its hash stays that of the row as it was, so that
-- the chain goes on; the signature of the platform vouches for the row as it is.
ALTER TABLE aeterna.change ADD COLUMN amendment bytea;

-- Only these fields may change, only with a signature, only by governance and under the tenant's lock.
-- What it is worth is said by who verifies the signature.
CREATE FUNCTION aeterna.amend_changes(
    p_numbers bigint[], p_actors text[], p_subjects text[], p_resources text[], p_details jsonb[],
    p_amendments bytea[]
) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_tenant text := aeterna.writing_tenant();
    v_count bigint;
BEGIN
    IF v_tenant IS NULL THEN
        RAISE EXCEPTION 'not inside begin_write' USING ERRCODE = 'AE004';
    END IF;
    UPDATE aeterna.change AS c
        SET actor = a.actor, subject = a.subject, resource = a.resource, details = a.details,
            amendment = a.amendment
        FROM unnest(p_numbers, p_actors, p_subjects, p_resources, p_details, p_amendments)
            AS a (number, actor, subject, resource, details, amendment)
        WHERE c.tenant_id = v_tenant AND c.number = a.number AND a.amendment IS NOT NULL;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END $$;
REVOKE EXECUTE ON FUNCTION aeterna.amend_changes FROM PUBLIC;
GRANT EXECUTE ON FUNCTION aeterna.amend_changes TO aeterna_control;

-- The ledger. `request` says who it was, sealed under a key that the KMS wrapped for this row alone; both go
-- when no backup is older than the erasure any more. `pseudonym` is there while the erasure is under way.
CREATE TABLE control.erasure (
    tenant_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    strategy text NOT NULL CHECK (strategy IN ('delete', 'anonymize', 'pseudonymize', 'redact')),
    reference text NOT NULL,
    actor text NOT NULL,
    pseudonym text NOT NULL,
    kms_key_id text NOT NULL,
    wrapped bytea,
    request bytea,
    key_ids uuid[] NOT NULL DEFAULT '{}',
    lifted boolean NOT NULL DEFAULT false,
    operation uuid,
    report jsonb,
    certificate text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
GRANT SELECT ON control.erasure TO aeterna_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON control.erasure TO aeterna_control;

-- The other half of every key of a person: what wraps the key in the shard once more. Destroyed with the
-- person's erasure; a backup of the shard alone opens nothing of that person then.
CREATE TABLE control.key_share (
    tenant_id text COLLATE "C" NOT NULL,
    key_id uuid NOT NULL,
    share bytea NOT NULL,
    PRIMARY KEY (tenant_id, key_id)
);
GRANT SELECT, INSERT ON control.key_share TO aeterna_app;
GRANT SELECT, INSERT, DELETE ON control.key_share TO aeterna_control;

-- Who a reversible pseudonym stands for, sealed under a key of its own.
CREATE TABLE control.pseudonym (
    tenant_id text COLLATE "C" NOT NULL,
    pseudonym text NOT NULL,
    kms_key_id text NOT NULL,
    wrapped bytea NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, pseudonym)
);
GRANT SELECT, INSERT, DELETE ON control.pseudonym TO aeterna_control;
