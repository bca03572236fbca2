"""What is refused, and why. No message holds a URL or a secret."""

from uuid import UUID

from libs.errors import AppError, Kind


class WebhookNotFound(AppError):
    """There is no such webhook."""

    kind, reason = Kind.NOT_FOUND, "WEBHOOK_NOT_FOUND"

    def __init__(self, webhook: str) -> None:
        super().__init__(f"There is no webhooks/{webhook}.", webhook=f"webhooks/{webhook}")


class WebhookAlreadyExists(AppError):
    """The id is taken."""

    kind, reason = Kind.ALREADY_EXISTS, "WEBHOOK_ALREADY_EXISTS"

    def __init__(self, webhook: str) -> None:
        name = f"webhooks/{webhook}"
        super().__init__(f"{name} exists already.", webhook=name)


class TooManyWebhooks(AppError):
    """Every alert is sent to each of them."""

    kind, reason = Kind.PRECONDITION, "TOO_MANY_WEBHOOKS"

    def __init__(self, most: int) -> None:
        super().__init__(f"A tenant has {most} webhooks at most.", most=str(most))


class WebhookVersionMismatch(AppError):
    """The webhook has changed since the version that the caller saw."""

    kind, reason = Kind.CONFLICT, "VERSION_MISMATCH"

    def __init__(self, webhook: str, expected: int, current: int) -> None:
        name = f"webhooks/{webhook}"
        super().__init__(
            f"{name} has version {current}, not {expected}.",
            webhook=name,
            expectedVersion=str(expected),
            currentVersion=str(current),
        )


class DeliveryNotFound(AppError):
    """There is no such delivery."""

    kind, reason = Kind.NOT_FOUND, "WEBHOOK_DELIVERY_NOT_FOUND"

    def __init__(self, delivery: UUID) -> None:
        name = f"webhookDeliveries/{delivery}"
        super().__init__(f"There is no {name}.", delivery=name)
