"""Documents in PostgreSQL, those in use in memory, and the knowledge service."""
