"""What live connections refuse, and why."""

from libs.errors import AppError, Kind


class RoomNotFound(AppError):
    """There is no such room, or the caller may not know what is in it: nobody is told which."""

    kind, reason = Kind.NOT_FOUND, "ROOM_NOT_FOUND"

    def __init__(self, room: str) -> None:
        super().__init__(f"There is no room {room} that you may enter.", room=room)


class NotInRoom(AppError):
    """The connection is not in the room that a message names."""

    kind, reason = Kind.PRECONDITION, "NOT_IN_ROOM"

    def __init__(self, room: str) -> None:
        super().__init__(f"The connection is not in {room}.", room=room)


class TooManyRooms(AppError):
    """The connection is in as many rooms as it may be."""

    kind, reason = Kind.EXHAUSTED, "TOO_MANY_ROOMS"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The connection is in {limit} rooms already.", limit=str(limit))


class TooManyConnections(AppError):
    """The tenant has as many connections to this replica as it may have."""

    kind, reason = Kind.EXHAUSTED, "TOO_MANY_CONNECTIONS"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The tenant has {limit} connections here already.", limit=str(limit))


class MessageTooLarge(AppError):
    """A message of the client is larger than `Welcome.max_message_bytes`."""

    kind, reason = Kind.INVALID, "MESSAGE_TOO_LARGE"

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"The message has {size} bytes, more than {limit}.", bytes=str(size), limit=str(limit)
        )


class NotAuthenticated(AppError):
    """Something was asked for before it was said who asks."""

    kind, reason = Kind.UNAUTHENTICATED, "NOT_AUTHENTICATED"

    def __init__(self) -> None:
        super().__init__("Send `authenticate` first.")


class AuthenticationLate(AppError):
    """The client did not say in time who it is."""

    kind, reason = Kind.TIMEOUT, "AUTHENTICATION_LATE"

    def __init__(self) -> None:
        super().__init__("No token came in time.")


class SomebodyElse(AppError):
    """A new token must be for the same tenant and person, through the same agents."""

    kind, reason = Kind.DENIED, "SOMEBODY_ELSE"

    def __init__(self) -> None:
        super().__init__("The token is for somebody else; open another connection.")


class HeartbeatMissed(AppError):
    """Nothing came from the client for too long."""

    kind, reason = Kind.TIMEOUT, "HEARTBEAT_MISSED"

    def __init__(self) -> None:
        super().__init__("Nothing was heard for too long; connect again and resume.")


class LogChanged(AppError):
    """The log is not what it was: the tenant was restored to another point. Whoever resumes is told
    what that means for each room."""

    kind, reason = Kind.UNAVAILABLE, "LOG_CHANGED"

    def __init__(self) -> None:
        super().__init__("The change log is not what it was; connect again and resume.")


class SnapshotUnavailable(AppError):
    """What there is in a room cannot be told from the log alone: changes up to `floor` are in
    archives only. The client lists what it follows at its services, then enters the room with
    `since` = `head`."""

    kind, reason = Kind.PRECONDITION, "SNAPSHOT_UNAVAILABLE"

    def __init__(self, room: str, floor: int, head: int) -> None:
        super().__init__(
            f"The changes up to {floor} were pruned: list what is in {room}, then go on from"
            f" {head}.",
            room=room,
            floor=str(floor),
            head=str(head),
        )


class PresenceUnavailable(AppError):
    """This service tells nobody who is where."""

    kind, reason = Kind.PRECONDITION, "PRESENCE_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("This server has no presence.")


class DocumentsUnavailable(AppError):
    """This service keeps no documents."""

    kind, reason = Kind.PRECONDITION, "DOCUMENTS_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("This server has no documents.")
