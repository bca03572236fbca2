"""Encryption keys of tenants and of the key management service: shown, rotated, retired."""
