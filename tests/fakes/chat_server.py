"""A server on 127.0.0.1 that speaks the chat completions protocol, well or, when told, badly."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.provider_http import Reply, answer, listening, read

SILENT = -1  # in place of a status: no answer ever


@dataclass
class ChatServer:
    """Answers with the next of `replies`, (status, content); with nothing to add when there is
    none."""

    url: str = ""
    replies: deque[tuple[int, str]] = field(default_factory=deque)
    requests: list[Any] = field(default_factory=list)  # bodies
    keys: list[str] = field(default_factory=list)  # Authorization headers

    def will_say(self, **value: Any) -> None:
        """Queues an answer."""
        self.replies.append((200, json.dumps(value)))

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read(reader)
        self.keys.append(request.headers.get("authorization", ""))
        self.requests.append(request.body)
        nothing = (200, json.dumps({"missing": [], "queries": []}))
        status, content = self.replies.popleft() if self.replies else nothing
        reply = Reply(silent=True) if status == SILENT else Reply(status, _body(content))
        await answer(reader, writer, reply)


def _body(content: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}}
    usage = {"prompt_tokens": 200, "completion_tokens": 50, "total_tokens": 250}
    completion = {"object": "chat.completion", "choices": [choice], "usage": usage}
    return json.dumps(completion).encode()


@asynccontextmanager
async def chat_server() -> AsyncIterator[ChatServer]:
    """Listens on a free port while the block runs."""
    fake = ChatServer()
    async with listening(fake.handle) as fake.url:
        yield fake
