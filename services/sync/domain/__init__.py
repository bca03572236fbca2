"""Rules of following a change log. Pure."""
