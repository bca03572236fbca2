"""The audit trail: recording, reading, proving, copying and pruning it."""
