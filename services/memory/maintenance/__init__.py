"""Work on all memories of a tenant, as long-running operations."""
