"""Adapters of the sync service."""
