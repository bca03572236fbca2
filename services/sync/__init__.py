"""The sync service: the change log of a tenant, as it grows and from any point of it."""
