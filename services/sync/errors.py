"""What the sync service refuses, and why."""

from libs.errors import AppError, Kind


class NumberNotReached(AppError):
    """The caller has seen a number that the log does not have: the tenant's data was restored to
    an earlier point. What the caller learned after `head` may be void; it starts anew."""

    kind, reason = Kind.PRECONDITION, "NUMBER_NOT_REACHED"

    def __init__(self, since: int, head: int) -> None:
        super().__init__(
            f"The change log ends at {head}, before {since}: start anew.",
            since=str(since),
            head=str(head),
        )


class ChangesMissing(AppError):
    """The log has a hole after a number: nobody is told that there is nothing."""

    kind, reason = Kind.PRECONDITION, "CHANGES_MISSING"

    def __init__(self, since: int) -> None:
        super().__init__(f"The changes after {since} are not in the log.", since=str(since))


class ChangesPruned(AppError):
    """The changes after a number are in archives only: the caller lists what it follows once more
    (a snapshot) and goes on from `head`."""

    kind, reason = Kind.PRECONDITION, "CHANGES_PRUNED"

    def __init__(self, since: int, floor: int, head: int) -> None:
        super().__init__(
            f"The changes up to {floor} were pruned. List the resources anew, then go on from"
            f" {head}.",
            since=str(since),
            floor=str(floor),
            head=str(head),
        )


class TooManySubscriptions(AppError):
    """The tenant has as many subscriptions at this replica as it may have."""

    kind, reason = Kind.EXHAUSTED, "TOO_MANY_SUBSCRIPTIONS"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The tenant has {limit} subscriptions here already.", limit=str(limit))


class ServerStopping(AppError):
    """This replica is going away; another one goes on."""

    kind, reason = Kind.UNAVAILABLE, "SERVER_STOPPING"

    def __init__(self) -> None:
        super().__init__("The server is stopping; resume at another one.")
