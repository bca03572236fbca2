-- What erasure rewrites in tables that nobody else may change.
GRANT UPDATE (author, proposer) ON aeterna.knowledge_version TO aeterna_control;
