"""The rights of access and of portability: gathers, keeps and streams a person's data."""
