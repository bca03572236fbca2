"""Rules of documents: what an edit makes of a text. Pure."""
