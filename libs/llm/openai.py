"""Any server that speaks OpenAI's `POST /chat/completions` with structured outputs.

The HTTP client comes with the address and the key: this module never sees, and so never logs, the
key. No error or log holds text of either side.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import httpx
from pydantic import BaseModel, ValidationError

from libs.llm import Completion, M, ModelAnswerInvalid, ModelRefused, ModelUnavailable
from libs.usage import Payer

_TRY_LATER = frozenset({408, 429})
LONGEST = 1024  # tokens of an answer


class _Message(BaseModel):
    content: str | None = None  # None when the model refuses


class _Choice(BaseModel):
    message: _Message


class _Usage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Answer(BaseModel):
    choices: list[_Choice]
    usage: _Usage = _Usage()


@dataclass(frozen=True)
class OpenAIModel:
    """`LanguageModel` over HTTP; `timeout` is for the whole call, which is not repeated."""

    client: httpx.AsyncClient
    name: str
    timeout: timedelta

    async def ask(
        self, payer: Payer, instructions: str, text: str, shape: type[M]
    ) -> Completion[M]:
        """As the port says, but for budgets, of which it knows nothing."""
        return self._read(await self._send(self._body(instructions, text, shape)), shape)

    def _body(self, instructions: str, text: str, shape: type[BaseModel]) -> dict[str, object]:
        schema = {
            "name": shape.__name__.strip("_"),
            "strict": True,
            "schema": shape.model_json_schema(),
        }
        return {
            "model": self.name,
            "messages": [
                {"role": "system", "content": instructions},
                {"role": "user", "content": text},
            ],
            "temperature": 0,
            "max_tokens": LONGEST,
            "response_format": {"type": "json_schema", "json_schema": schema},
        }

    async def _send(self, body: dict[str, object]) -> bytes:
        try:
            async with asyncio.timeout(self.timeout.total_seconds()):
                response = await self.client.post("chat/completions", json=body)
        except TimeoutError:
            raise ModelUnavailable(self.name, "no answer in time") from None
        except httpx.RequestError as error:
            raise ModelUnavailable(self.name, type(error).__name__) from None
        status = response.status_code
        if status in _TRY_LATER or response.is_server_error:
            raise ModelUnavailable(self.name, f"HTTP status {status}")
        if not response.is_success:
            raise ModelRefused(self.name, status)
        return response.content

    def _read(self, content: bytes, shape: type[M]) -> Completion[M]:
        try:
            answer = _Answer.model_validate_json(content)
            value = shape.model_validate_json(answer.choices[0].message.content or "")
        except (ValidationError, IndexError):  # a message would quote the answer
            raise ModelAnswerInvalid(self.name) from None
        return Completion(value, answer.usage.prompt_tokens, answer.usage.completion_tokens)
