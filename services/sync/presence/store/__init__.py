"""What replicas know of each other's members: in this process, or in Redis."""
