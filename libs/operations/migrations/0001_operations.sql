-- Long-running operations of a shard: what was asked for, how far it is, and who may go on with it.

CREATE TABLE aeterna.operation (
    tenant_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,  -- the method that began it
    parameters jsonb NOT NULL,  -- of the request, never content
    actor text NOT NULL,
    trace_id text NOT NULL,
    state text NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'running', 'succeeded', 'failed', 'cancelled')),
    progress jsonb NOT NULL DEFAULT '{}',  -- where the next step begins; ids and numbers, never content
    cancel_requested boolean NOT NULL DEFAULT false,
    failures int NOT NULL DEFAULT 0,  -- since the last step that went well
    error jsonb,  -- google.rpc.Status
    holder uuid,  -- who has it now; whoever lost it cannot write any more
    due_at timestamptz DEFAULT now(),  -- when a worker may take it: the end of a lease or a pause; NULL at the end
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX operation_due ON aeterna.operation (due_at) WHERE due_at IS NOT NULL;
SELECT aeterna.protect('aeterna.operation');

-- Which tenants have operations that a worker may take. It spans tenants, so it is answered by the role that
-- may see nothing but such queues, and no more of this one than is needed.
GRANT SELECT (tenant_id, kind, due_at) ON aeterna.operation TO aeterna_projector;
CREATE POLICY projector_read ON aeterna.operation FOR SELECT TO aeterna_projector USING (true);
CREATE FUNCTION aeterna.tenants_with_operations(p_kinds text[]) RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT tenant_id FROM aeterna.operation WHERE due_at <= now() AND kind = ANY(p_kinds)
$$;
REVOKE EXECUTE ON FUNCTION aeterna.tenants_with_operations FROM PUBLIC;
GRANT EXECUTE ON FUNCTION aeterna.tenants_with_operations TO aeterna_app;
GRANT CREATE ON SCHEMA aeterna TO aeterna_projector;  -- needed to own a function, for a moment
ALTER FUNCTION aeterna.tenants_with_operations OWNER TO aeterna_projector;
REVOKE CREATE ON SCHEMA aeterna FROM aeterna_projector;
