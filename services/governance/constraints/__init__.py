"""What policies demand: keeping them, resolving them, checking change sets, measuring drift."""
