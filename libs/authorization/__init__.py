"""Who may do what: the rules of each tenant, as every service asks them."""
