"""What the memory service does about people: erases them, and gathers what it knows of them."""
