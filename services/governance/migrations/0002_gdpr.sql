-- What erasure rewrites in tables that nobody else may change.
GRANT UPDATE (author, proposer) ON aeterna.knowledge_version TO aeterna_control;
GRANT UPDATE (approver, holder, comment) ON aeterna.approval_decision TO aeterna_control;
GRANT UPDATE (author, document) ON aeterna.constraint_policy_version TO aeterna_control;
GRANT UPDATE (report) ON aeterna.drift_report TO aeterna_control;
GRANT UPDATE (author, document) ON aeterna.drift_suppression TO aeterna_control;
