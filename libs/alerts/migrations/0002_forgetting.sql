-- As before; and forgets the oldest alerts of the tenant once they are older than 90 days, a few at a time: their ids
-- grow with the time. So they are bounded for tenants without webhooks, too.
CREATE OR REPLACE FUNCTION aeterna.raise_alert(
    p_id uuid, p_kind text, p_severity text, p_resource text, p_facts jsonb, p_actor text, p_trace text
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_tenant text := aeterna.writing_tenant();
    v_number bigint;
    v_now timestamptz := clock_timestamp();
BEGIN
    v_number := aeterna.append_changes(ARRAY['alerts/' || p_id], ARRAY['recorded'], ARRAY[p_actor], ARRAY[''],
        ARRAY[''], ARRAY[p_trace], ARRAY[''], ARRAY[p_kind]);
    DELETE FROM aeterna.alert WHERE tenant_id = v_tenant AND id IN (
        SELECT o.id FROM (
            SELECT id, raised_at FROM aeterna.alert WHERE tenant_id = v_tenant ORDER BY id LIMIT 100
        ) AS o WHERE o.raised_at < v_now - interval '90 days');
    INSERT INTO aeterna.alert (tenant_id, id, number, kind, severity, resource, facts, raised_at)
        VALUES (v_tenant, p_id, v_number, p_kind, p_severity, p_resource, p_facts, v_now);
    INSERT INTO aeterna.webhook_delivery
            (tenant_id, id, webhook, alert, due_at, retry_until, created_at, updated_at)
        SELECT v_tenant, uuidv7(), w.id, p_id, v_now, v_now + interval '1 day', v_now, v_now
        FROM aeterna.webhook AS w
        WHERE w.tenant_id = v_tenant AND w.enabled AND (w.kinds = '{}' OR EXISTS (
            SELECT FROM unnest(w.kinds) AS k (kind)
            WHERE p_kind = k.kind OR starts_with(p_kind, k.kind || '.')));
    RETURN v_number;
END $$;
