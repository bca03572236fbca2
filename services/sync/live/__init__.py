"""Live connections: who is connected, the rooms that they are in, and what is sent to whom.

Knows nothing of what carries a connection: gRPC and WebSocket are peers.
"""
