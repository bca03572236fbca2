"""A server on 127.0.0.1 that speaks the chat completions protocol, well or, when told, badly."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

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
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        self.keys.append(headers.get("authorization", ""))
        self.requests.append(json.loads(await reader.readexactly(int(headers["content-length"]))))
        nothing = (200, json.dumps({"missing": [], "queries": []}))
        status, content = self.replies.popleft() if self.replies else nothing
        if status == SILENT:
            await reader.read()  # until the client gives up
        else:
            writer.write(_response(status, content))
            await writer.drain()
        writer.close()


def _response(status: int, content: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}}
    usage = {"prompt_tokens": 200, "completion_tokens": 50, "total_tokens": 250}
    body = json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage}).encode()
    head = f"HTTP/1.1 {status} Said\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


@asynccontextmanager
async def chat_server() -> AsyncIterator[ChatServer]:
    """Listens on a free port while the block runs."""
    fake = ChatServer()
    listener = await asyncio.start_server(fake.handle, "127.0.0.1", 0)
    async with listener:
        fake.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
        yield fake
