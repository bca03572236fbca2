"""What tenants use and what that costs: added up, compared and foreseen."""
