"""What tenants may spend: budgets, and reservations for users outside the suite."""
