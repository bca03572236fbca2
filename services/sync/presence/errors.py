"""What presence refuses, and why."""

from libs.errors import AppError, Kind


class NotInRoom(AppError):
    """The connection has not entered the room with `presence`."""

    kind, reason = Kind.PRECONDITION, "NOT_IN_ROOM"

    def __init__(self, room: str) -> None:
        super().__init__(f"Enter {room} with presence first.", room=room)
