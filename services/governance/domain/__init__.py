"""What a tenant is and what an intact trail is. Pure: no I/O, no clock, no randomness."""
