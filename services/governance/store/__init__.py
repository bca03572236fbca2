"""Tenants and trails in PostgreSQL."""
