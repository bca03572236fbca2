"""Where erasure reads and rewrites."""
