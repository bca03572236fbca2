"""What callers of the services need beyond the generated stubs. Knows contracts, no service.

Generated stubs work on a channel of `open_channel` as they are; `client_errors` is the border where
gRPC's errors stop.
"""

from libs.clients.channel import Tls, open_channel
from libs.clients.errors import ClientError, client_errors

__all__ = ["ClientError", "Tls", "client_errors", "open_channel"]
