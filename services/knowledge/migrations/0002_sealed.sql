-- Sealed values name keys that exist, and may be sealed anew under newer keys: in versions, too, which else stay as
-- they are.

SELECT aeterna.guard_sealed('aeterna.knowledge_item', 'title', 'content');
SELECT aeterna.guard_sealed('aeterna.knowledge_version', 'title', 'content');
GRANT UPDATE (title, content) ON aeterna.knowledge_version TO aeterna_app;
