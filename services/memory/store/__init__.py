"""Adapters of the memory service."""
