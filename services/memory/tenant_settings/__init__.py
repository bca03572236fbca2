"""How the memory service works for each tenant, as its administrators want it."""
