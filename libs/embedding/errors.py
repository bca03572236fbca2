"""What can go wrong between a text and its vector; no message holds any of the text."""

from datetime import timedelta

from libs.errors import AppError, Kind


class EmbedderUnavailable(AppError):
    """The provider does not answer, or asks us to wait longer than a caller would."""

    kind, reason = Kind.UNAVAILABLE, "EMBEDDER_UNAVAILABLE"

    def __init__(self, model: str, problem: str) -> None:
        message = f"Embedder {model} is unavailable: {problem}."
        super().__init__(message, model=model, problem=problem)


class EmbedderRefused(AppError):
    """The provider does not accept our key, model or address: the configuration must change."""

    kind, reason = Kind.PRECONDITION, "EMBEDDER_REFUSED"

    def __init__(self, model: str, status: int) -> None:
        message = f"Embedder {model} refused the request with HTTP status {status}."
        super().__init__(message, model=model, status=str(status))


class TextRefused(AppError):
    """The provider does not accept the input, such as a text with too many tokens."""

    kind, reason = Kind.INVALID, "EMBEDDER_TEXT_REFUSED"

    def __init__(self, model: str, status: int) -> None:
        message = f"Embedder {model} refused the text with HTTP status {status}."
        super().__init__(message, model=model, status=str(status))


class EmbedderAnswerInvalid(AppError):
    """The provider's answer breaks the protocol: its operator must look at it."""

    kind, reason = Kind.PRECONDITION, "EMBEDDER_ANSWER_INVALID"

    def __init__(self, model: str, problem: str) -> None:
        message = f"Embedder {model} sent an invalid answer: {problem}."
        super().__init__(message, model=model, problem=problem)


class EmbeddingRateLimited(AppError):
    """The tenant has had its share of the provider; `retry_after` says when there is more."""

    kind, reason = Kind.EXHAUSTED, "EMBEDDING_RATE_LIMITED"

    def __init__(self, texts_per_minute: int, wait: timedelta) -> None:
        message = f"The tenant may have {texts_per_minute} texts a minute embedded."
        super().__init__(message, textsPerMinute=str(texts_per_minute))
        self.retry_after = wait


class EmbeddingModelMissing(AppError):
    """The files of the offline model are not installed."""

    kind, reason = Kind.PRECONDITION, "EMBEDDING_MODEL_MISSING"

    def __init__(self, package: str) -> None:
        message = f"The local embedder needs the Python package {package}."
        super().__init__(message, package=package)
