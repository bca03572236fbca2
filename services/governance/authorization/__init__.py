"""Who may do what in a tenant: roles of people, agents, and the tenant's own policies."""
