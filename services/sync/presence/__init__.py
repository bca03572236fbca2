"""Who is in a room, and what they do. It may be lost at any time, and is then put together anew."""
