"""The rules in the shard."""
