-- Details of a change: a few short texts beside what every row has, never content. A row without them is
-- hashed as before, so that older chains stay as they are; with them the array that is hashed is longer.
ALTER TABLE aeterna.change ADD COLUMN details jsonb CHECK (jsonb_typeof(details) = 'object');

-- As before; the details, an object of texts, come last. Its text is canonical, too: keys in order of
-- length in bytes, then of their bytes.
DROP FUNCTION aeterna.chain(bytea, bigint, text, text, text, text, text, text, text, text, timestamptz);
CREATE FUNCTION aeterna.chain(
    p_previous bytea, p_number bigint, p_resource text, p_operation text, p_actor text, p_subject text,
    p_layer text, p_trace text, p_request text, p_event text, p_at timestamptz, p_details jsonb DEFAULT NULL
) RETURNS bytea LANGUAGE sql IMMUTABLE
    RETURN sha256(p_previous || convert_to(CASE WHEN p_details IS NULL
        THEN jsonb_build_array(
            p_number, p_resource, p_operation, p_actor, p_subject, p_layer, p_trace, p_request, p_event,
            (extract(epoch FROM p_at) * 1000000)::bigint)
        ELSE jsonb_build_array(
            p_number, p_resource, p_operation, p_actor, p_subject, p_layer, p_trace, p_request, p_event,
            (extract(epoch FROM p_at) * 1000000)::bigint, p_details)
        END::text, 'UTF8'));

-- As before; p_details is NULL where no row has any. A release that does not know it calls it as ever.
DROP FUNCTION aeterna.append_changes(text[], text[], text[], text[], text[], text[], text[], text[]);
CREATE FUNCTION aeterna.append_changes(
    p_resources text[], p_operations text[], p_actors text[], p_subjects text[], p_layers text[],
    p_traces text[], p_requests text[], p_events text[], p_details jsonb[] DEFAULT NULL
) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_tenant text := aeterna.writing_tenant();
    v_count int := cardinality(p_resources);
    v_base bigint;
    v_hash bytea;
    v_hashes bytea[] := '{}';
    v_at timestamptz := clock_timestamp();
BEGIN
    IF v_tenant IS NULL THEN
        RAISE EXCEPTION 'not inside begin_write' USING ERRCODE = 'AE004';
    END IF;
    UPDATE aeterna.tenant_state SET seq = seq + v_count
        WHERE tenant_id = v_tenant RETURNING seq - v_count INTO v_base;
    SELECT hash INTO v_hash FROM aeterna.change WHERE tenant_id = v_tenant AND number = v_base;
    v_hash := coalesce(v_hash, sha256(convert_to(v_tenant, 'UTF8')));
    FOR i IN 1 .. v_count LOOP
        v_hash := aeterna.chain(v_hash, v_base + i, p_resources[i], p_operations[i], p_actors[i],
            p_subjects[i], p_layers[i], p_traces[i], p_requests[i], p_events[i], v_at, p_details[i]);
        v_hashes := v_hashes || v_hash;
    END LOOP;
    INSERT INTO aeterna.change
        SELECT v_tenant, v_base + c.place, c.resource, c.operation, c.actor, c.subject, c.layer,
            c.trace, c.request, c.event, v_at, c.hash, c.details
        FROM unnest(p_resources, p_operations, p_actors, p_subjects, p_layers, p_traces, p_requests,
            p_events, v_hashes, p_details) WITH ORDINALITY
            AS c (resource, operation, actor, subject, layer, trace, request, event, hash, details, place);
    RETURN v_base + 1;
END $$;
