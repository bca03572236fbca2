"""The memory service: what agents and people of a tenant remember."""
