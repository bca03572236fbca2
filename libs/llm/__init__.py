"""The port to a language model that answers in a given shape.

Knows no provider: `openai` is an adapter, `guard` keeps a failing one from being waited for,
`settings.open_model` puts them together.
"""

from typing import Generic, NamedTuple, Protocol, TypeVar

from pydantic import BaseModel

from libs.errors import AppError, Kind
from libs.usage import Payer

M = TypeVar("M", bound=BaseModel)


class Completion(NamedTuple, Generic[M]):
    """What a model said, and the tokens that it took, as the server counts them."""

    value: M
    read: int
    written: int


class LanguageModel(Protocol):
    """Answers in the shape that is asked for."""

    @property
    def name(self) -> str: ...

    async def ask(
        self, payer: Payer, instructions: str, text: str, shape: type[M]
    ) -> Completion[M]:
        """What the model makes of `text`; every field of `shape` is required, none is extra.

        Args:
            payer: In whose name it is asked.
        Raises:
            SpendingRefused: A budget of the payer does not allow it.
            ModelUnavailable: No answer now; the same call may succeed later.
            ModelRefused: The server does not accept our key, model, address or request.
            ModelAnswerInvalid: The answer has another shape.
        """
        ...


class ModelUnavailable(AppError):
    """The server of the model does not answer, or not in time."""

    kind, reason = Kind.UNAVAILABLE, "MODEL_UNAVAILABLE"

    def __init__(self, model: str, problem: str) -> None:
        message = f"Language model {model} is unavailable: {problem}."
        super().__init__(message, model=model, problem=problem)


class ModelRefused(AppError):
    """The server does not accept what was asked: the configuration must change."""

    kind, reason = Kind.PRECONDITION, "MODEL_REFUSED"

    def __init__(self, model: str, status: int) -> None:
        message = f"Language model {model} refused the request with HTTP status {status}."
        super().__init__(message, model=model, status=str(status))


class ModelAnswerInvalid(AppError):
    """The model did not keep to the shape."""

    kind, reason = Kind.PRECONDITION, "MODEL_ANSWER_INVALID"

    def __init__(self, model: str) -> None:
        super().__init__(f"Language model {model} sent an invalid answer.", model=model)
