-- Sets the tenant for row-level security, and settings (name and value in turn) with it, until the end of
-- the transaction: what a single statement begins with that is its own transaction (libs.spine.read). Like
-- any setting it lets nobody write: see aeterna.writing_tenant.
CREATE FUNCTION aeterna.enter(p_tenant text, p_settings text[] DEFAULT '{}') RETURNS text
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $$
BEGIN
    PERFORM set_config('aeterna.tenant', p_tenant, true);
    FOR i IN 1 .. cardinality(p_settings) BY 2 LOOP
        PERFORM set_config(p_settings[i], p_settings[i + 1], true);
    END LOOP;
    RETURN p_tenant;
END $$;
