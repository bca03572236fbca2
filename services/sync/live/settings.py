"""Settings of live connections: SYNC_LIVE__HEARTBEAT and so on."""

from datetime import timedelta

from pydantic import BaseModel, Field, NonNegativeFloat, PositiveFloat, PositiveInt


class LiveSettings(BaseModel, frozen=True):
    """What connections may do, and how long they have for it. Numbers are of one process."""

    authenticate_within: timedelta = timedelta(seconds=10)  # of a connection without a token
    heartbeat: timedelta = timedelta(seconds=30)  # clients are asked to send something as often
    silence: timedelta = timedelta(seconds=90)  # then a connection is given up
    connections_per_tenant: PositiveInt = 2000
    rooms_per_connection: PositiveInt = 100
    # A message for which something stored is asked counts as five. Who sends more is read later.
    messages_per_second: PositiveFloat = 100  # of one connection
    messages_at_once: PositiveInt = 500
    tenant_messages_per_second: NonNegativeFloat = 1000  # of all connections; 0: no limit
    tenant_messages_at_once: PositiveInt = 10_000
    tenant_bytes_per_second: PositiveInt = 256 * 1024  # likewise
    tenant_bytes_at_once: PositiveInt = 8 * 1024 * 1024
    max_message_bytes: int = Field(2 * 1024 * 1024, ge=1024)
    waiting_bytes: int = Field(64 * 1024, ge=1024)  # a client that takes less gets no events
    patience: timedelta = timedelta(seconds=10)  # and is cut off then
    drain: timedelta = timedelta(seconds=5)  # over which clients leave when the server stops
