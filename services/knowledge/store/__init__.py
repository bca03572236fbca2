"""Adapters of the knowledge service."""
