"""Documents: texts that several people write at the same time."""
