"""Anomalies in the series of a tenant: cost, latency, error rate and volume."""
