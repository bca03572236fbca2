"""What the rules say, and what may be changed in them. Pure."""
