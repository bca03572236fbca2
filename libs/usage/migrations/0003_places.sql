-- Erasing a person replaces the id wherever it stands, also where a team is called like the person.
GRANT UPDATE (org_id, team_id, project_id) ON aeterna.usage_event TO aeterna_control;
