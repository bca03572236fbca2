"""Stores that run privately under one folder, for a machine without a cluster."""
