"""Alerts of tenants, and the webhooks that hear of them."""
