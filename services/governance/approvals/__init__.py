"""Approvals: who asks, who decides, by when, and what comes of it."""
