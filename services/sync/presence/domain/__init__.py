"""Rules of presence. Pure."""
