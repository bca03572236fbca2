"""Rules of live connections: rooms, kinds of events, how a connection ends. Pure."""
