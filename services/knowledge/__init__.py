"""The knowledge service: what a tenant has decided."""
