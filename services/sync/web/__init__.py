"""WebSockets and the console's files: one port, HTTP/1.1 (RFC 9112) and RFC 6455.

Frames are those of the sans-I/O `websockets.server.ServerProtocol`; what is in messages is the
business of `services.sync.live`.
"""
