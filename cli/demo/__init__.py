"""`aeterna demo`."""


def demo() -> None:
    """Play a working day."""
