-- Sealed values name keys that exist, and may be sealed anew under newer keys: in versions, too, which else stay as
-- they are.

SELECT aeterna.guard_sealed('aeterna.memory', 'content', 'metadata', 'author', 'source');
SELECT aeterna.guard_sealed('aeterna.memory_version', 'content', 'metadata', 'author', 'source');
GRANT UPDATE (content, metadata, author, source) ON aeterna.memory_version TO aeterna_app;
