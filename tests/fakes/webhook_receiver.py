"""A server on 127.0.0.1 that receives webhooks, and checks signatures as any receiver would."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.provider_http import Reply, answer, listening, read


@dataclass
class Receiver:
    """Answers with the next of `replies`, and 200 when there is none."""

    url: str = ""
    replies: deque[Reply] = field(default_factory=deque)
    received: list[dict[str, str]] = field(default_factory=list)  # headers, and the body as text
    arrived: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read(reader)
        text = json.dumps(request.body, ensure_ascii=False, separators=(",", ":"))
        self.received.append({**request.headers, "body": text})
        self.arrived.release()
        reply = self.replies.popleft() if self.replies else Reply(body=b"{}")
        await answer(reader, writer, reply)

    def message(self, place: int = -1) -> Any:
        return json.loads(self.received[place]["body"])


def genuine(headers: dict[str, str], secret: str) -> bool:
    """Whether a message was signed with the secret: Standard Webhooks, v1."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{headers['body']}"
    digest = hmac.new(key, signed.encode(), hashlib.sha256).digest()
    return headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


@asynccontextmanager
async def webhook_receiver() -> AsyncIterator[Receiver]:
    """Listens on a free port while the block runs."""
    receiver = Receiver()
    async with listening(receiver.handle) as receiver.url:
        yield receiver
