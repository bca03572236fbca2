"""The governance service: which tenants there are, and what happened in each."""
