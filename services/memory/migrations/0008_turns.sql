-- Turns of a session in the order in which they were said, which need not be that in which they were stored: to find
-- those before and after one. The release before this one goes by memory_by_session.

CREATE INDEX memory_by_turn ON aeterna.memory
    (tenant_id, user_id, session_id, (coalesce(event_at, created_at)), id) WHERE layer = 'session';
