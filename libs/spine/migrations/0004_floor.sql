-- Where a change log begins after older entries were archived elsewhere and pruned: the number and the hash
-- of the last one that is gone. Without a row it begins with number 1.
CREATE TABLE aeterna.change_floor (
    tenant_id text COLLATE "C" PRIMARY KEY,
    number bigint NOT NULL CHECK (number > 0),
    hash bytea NOT NULL,
    pruned_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
SELECT aeterna.protect('aeterna.change_floor', 'SELECT');

-- Prunes entries up to p_until and returns the new floor. The newest entry always
-- stays: the next one is chained to it. Only inside a transaction that passed begin_write (else AE004), and
-- by governance, which has a signed checkpoint of p_until elsewhere.
CREATE FUNCTION aeterna.prune_changes(p_until bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_tenant text := aeterna.writing_tenant();
    v_floor bigint;
    v_until bigint;
BEGIN
    IF v_tenant IS NULL THEN
        RAISE EXCEPTION 'not inside begin_write' USING ERRCODE = 'AE004';
    END IF;
    SELECT coalesce(max(number), 0) INTO v_floor FROM aeterna.change_floor WHERE tenant_id = v_tenant;
    SELECT least(p_until, seq - 1) INTO v_until FROM aeterna.tenant_state WHERE tenant_id = v_tenant;
    IF v_until <= v_floor THEN
        RETURN v_floor;
    END IF;
    INSERT INTO aeterna.change_floor (tenant_id, number, hash)
        SELECT v_tenant, number, hash FROM aeterna.change WHERE tenant_id = v_tenant AND number = v_until
        ON CONFLICT (tenant_id) DO UPDATE
            SET number = excluded.number, hash = excluded.hash, pruned_at = excluded.pruned_at;
    DELETE FROM aeterna.change WHERE tenant_id = v_tenant AND number <= v_until;
    RETURN v_until;
END $$;
REVOKE EXECUTE ON FUNCTION aeterna.prune_changes FROM PUBLIC;
GRANT EXECUTE ON FUNCTION aeterna.prune_changes TO aeterna_control;

-- How long the log of every tenant of the shard is: the one question of the checkpoints that spans tenants.
-- It is answered by the role that may see nothing but such numbers.
GRANT SELECT (tenant_id, seq, state) ON aeterna.tenant_state TO aeterna_projector;
CREATE POLICY projector_read ON aeterna.tenant_state FOR SELECT TO aeterna_projector USING (true);
CREATE FUNCTION aeterna.log_lengths() RETURNS TABLE (tenant_id text, seq bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.tenant_id, s.seq FROM aeterna.tenant_state AS s WHERE s.state = 'active' AND s.seq > 0
$$;
REVOKE EXECUTE ON FUNCTION aeterna.log_lengths FROM PUBLIC;
GRANT EXECUTE ON FUNCTION aeterna.log_lengths TO aeterna_control;
GRANT CREATE ON SCHEMA aeterna TO aeterna_projector;  -- needed to own a function, for a moment
ALTER FUNCTION aeterna.log_lengths OWNER TO aeterna_projector;
REVOKE CREATE ON SCHEMA aeterna FROM aeterna_projector;
