"""An open WebSocket: a `Peer` to the hub, a protocol to the event loop.

What ten thousand of need memory for is kept small: a parser, a task and a buffer are there only
while a message is on its way.
"""

import asyncio
import random
import socket
from collections.abc import Callable, Sequence

import structlog
from websockets.frames import CloseCode, Opcode
from websockets.frames import Frame as WebFrame
from websockets.protocol import OPEN

from aeterna.sync.v1 import live_pb2 as pb
from libs.buckets import Pace
from libs.metrics import SOCKET_ENDINGS
from libs.service.errors import expected
from services.sync.live.domain.endings import GOING_AWAY, Ending
from services.sync.live.ports import Frame
from services.sync.web.assembly import DATA, Assembly, WrongKind, whole
from services.sync.web.frames import Frames
from services.sync.web.messages import Coding
from services.sync.web.shared import Session, Shared

log = structlog.get_logger(__name__)

_ESTABLISHED = b"\x01"  # the state of a connection in struct tcp_info: both sides are there
_PIECE = 64  # bytes that are parsed at once,
_INSIDE = 16 * 1024  # or so many within a frame, which takes no longer,
_SMALL = 256  # and so many without waiting for a turn
_AHEAD, _AHEAD_BYTES = 32, 256 * 1024  # that wait for the hub before no more is read
_STRANGER = 32 * 1024  # bytes of a message of somebody who is not known yet
# Frames that are no message (pings, fragments): so many a second, and so many at once.
_FRAMES_PER_SECOND, _FRAMES_AT_ONCE = 50, 500
_PAUSE = 0.5  # seconds, more or less, in which nothing is read of a client that sends more


class Socket(asyncio.Protocol):
    """One connection after its opening handshake."""

    __slots__ = (
        "_assembly",
        "_coding",
        "_encode",
        "_ended",
        "_failed",
        "_frames",
        "_inside",
        "_parser",
        "_paused",
        "_pending",
        "_queued",
        "_reading",
        "_rest",
        "_session",
        "_shared",
        "_timer",
        "_transport",
        "_work",
        "_write",
        "address",
    )

    def __init__(
        self, shared: Shared, transport: asyncio.Transport, coding: Coding, address: str
    ) -> None:
        self._shared, self._transport, self._coding = shared, transport, coding
        self.address = address
        self._session: Session | None = None
        self._parser: Frames | None = None  # while it is in the middle of something
        self._assembly: Assembly | None = None
        self._pending: list[bytes | pb.ConnectRequest] = []
        self._work: asyncio.Task[None] | None = None
        self._rest: memoryview | None = None  # received and not parsed yet
        self._write: Callable[[bytes], None] = transport.write
        self._encode = coding.encode
        self._reading, self._queued = True, False
        self._paused: asyncio.TimerHandle | None = None
        self._failed = self._ended = self._inside = False
        self._timer: asyncio.TimerHandle | None = None
        self._frames = Pace()

    def begin(self, first: Sequence[pb.ConnectRequest]) -> None:
        """Tells the hub; `first` is what the opening said already."""
        # Before the hub finds that too much waits: it is to hear when that was taken.
        self._transport.set_write_buffer_limits(self._shared.limits.waiting_bytes // 2)
        self._pending += first
        self._work_on()

    # What the hub does with it.

    def send(self, frame: Frame) -> None:
        self._write(self._encode(frame))  # ten thousand times for one event

    def end(self, ending: Ending) -> None:
        if self._ended:
            return
        self._pending.clear()
        parser = self._own_parser()
        if parser.state is not OPEN:
            pass  # the other side was first
        elif ending.code == GOING_AWAY:
            parser.send_close(ending.code, ending.text)
        else:  # whatever still comes is not read
            parser.fail(ending.code, ending.text)
        self._write_out(parser)

    @property
    def waiting(self) -> int:
        return self._transport.get_write_buffer_size()

    def look(self) -> None:
        """What the client said before it closed lies before the end, which is not read either."""
        if self._transport.is_closing():
            return
        connection = self._transport.get_extra_info("socket")
        state = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        if state != _ESTABLISHED:
            self.abort()

    def abort(self) -> None:
        """Ends it at once, without a word."""
        self._transport.abort()

    # What the event loop does with it.

    def data_received(self, data: bytes) -> None:
        if self._rest is not None or len(data) > (_INSIDE if self._inside else _SMALL):
            self._rest = memoryview(bytes(self._rest or b"") + data)
            self._balance()
        else:
            self._parse(memoryview(data), len(data))

    def pause_writing(self) -> None:
        if not self._ended:
            self._write = self._write_more

    def resume_writing(self) -> None:
        if not self._ended:
            self._write = self._transport.write
        if self._session:
            self._session.drained()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended:
            SOCKET_ENDINGS.labels("0").inc()
        self._ended, self._write, self._rest = True, _nothing, None
        self._pending.clear()
        if self._timer:
            self._timer.cancel()
        if self._paused:
            self._paused.cancel()
        self._shared.guests.leave(self)
        if self._session:
            self._session.close()
        if not (self._session and self._session.identity):
            self._shared.doorway.was(somebody=False)

    def _write_more(self, data: bytes) -> None:
        """To a client that has not taken what there was. The hub has cut it off before, as far as
        events go; answers are the client's own doing."""
        self._transport.write(data)
        if self.waiting > self._shared.settings.buffered_bytes:
            self.abort()

    # Bytes to frames, frames to messages.

    def _parse(self, data: memoryview, size: int) -> None:
        """Takes so much; what is left has its turn later."""
        self._rest = data[size:] if len(data) > size else None
        parser = self._own_parser()
        parser.receive_data(bytes(data[:size]))
        frames = parser.events_received()
        for frame in frames:
            assert isinstance(frame, WebFrame)
            if not (self._failed or self._ended):
                self._take(frame)
        self._inside = not frames and not parser.between_messages
        self._flush()
        if parser.between_messages:
            self._parser = None
            self._shared.parsers.give(parser)
        self._balance()

    def _parse_rest(self) -> None:
        self._queued = False
        if self._rest is not None:
            self._parse(self._rest, _INSIDE if self._inside else _PIECE)

    def _take(self, frame: WebFrame) -> None:
        try:
            if frame.opcode not in (Opcode.TEXT, Opcode.BINARY):
                self._count_frame()
            if frame.opcode is Opcode.PING and self._session:
                self._session.heard()
            if frame.opcode in DATA and (content := self._message(frame)) is not None:
                self._pending.append(content)
                self._work_on()
        except WrongKind:
            kind = "text" if self._coding.text else "binary"
            self._fail(CloseCode.UNSUPPORTED_DATA, f"{kind} messages only")
        except UnicodeDecodeError:
            self._fail(CloseCode.INVALID_DATA, "not UTF-8")

    def _message(self, frame: WebFrame) -> bytes | None:
        """The message that a frame completes, if it does."""
        if frame.opcode is not Opcode.CONT:
            content = whole(frame, self._coding.text)
            if content is not None:
                return content
            self._assembly = Assembly(self._coding.text)
        assert self._assembly  # the parser sees to the order of fragments
        content = self._assembly.add(bytes(frame.data), frame.fin)
        if frame.fin:
            self._assembly = None
        return content

    def _count_frame(self) -> None:
        loop = asyncio.get_running_loop()
        wait = self._frames.take(1, _FRAMES_PER_SECOND, _FRAMES_AT_ONCE, loop.time())
        if wait and not self._paused:
            self._paused = loop.call_later(_PAUSE * random.uniform(0.5, 1.5), self._go_on)

    def _go_on(self) -> None:
        self._paused = None
        self.look()
        self._balance()

    def _fail(self, code: CloseCode, why: str) -> None:
        self._failed = True
        parser = self._own_parser()
        if parser.state is OPEN:
            parser.fail(code, why)

    def _own_parser(self) -> Frames:
        if self._parser is None:
            self._parser = self._shared.parsers.take()
            known = self._session is not None and self._session.identity is not None
            most = self._shared.limits.max_message_bytes
            self._parser.max_message_size = most if known else min(most, _STRANGER)
        return self._parser

    # Messages to the hub.

    def _work_on(self) -> None:
        if self._work is None:
            self._work = asyncio.get_running_loop().create_task(self._deliver_all())

    async def _deliver_all(self) -> None:
        """Gives the session what has come, one message after the other."""
        try:
            session = self._session or await self._connect()
            while self._pending:
                await self._deliver(session, self._pending.pop(0))
                if self._pending and session.identity:
                    await self._shared.turns.mine()
                self._balance()
        except Exception as exc:
            self.end(Ending(expected(exc)))
        finally:
            self._work = None
            self._flush()

    async def _deliver(self, session: Session, content: bytes | pb.ConnectRequest) -> None:
        stranger = session.identity is None
        if stranger:
            await self._shared.doorway.mine()
        decode = self._coding.decode
        await session.receive(decode(content) if isinstance(content, bytes) else content)
        if stranger and session.identity:
            self._shared.doorway.was(somebody=True)

    async def _connect(self) -> Session:
        self._session = session = await self._shared.live.connect(self, None)
        if self._transport.is_closing():
            session.close()
        return session

    def _balance(self) -> None:
        """Reads and parses as fast as the hub takes what comes."""
        if self._transport.is_closing():
            return
        waiting = sum(len(each) for each in self._pending if isinstance(each, bytes))
        room = len(self._pending) < _AHEAD and waiting < _AHEAD_BYTES and not self._paused
        if self._rest is not None and room and not self._queued:
            self._queued = True
            self._shared.turns.call(self._parse_rest)
        reads = room and self._rest is None
        if reads is not self._reading:
            self._reading = reads
            self._transport.resume_reading() if reads else self._transport.pause_reading()

    # Frames to bytes.

    def _flush(self) -> None:
        """Sends what RFC 6455 has to say; the last word only after answers to what came before."""
        if self._parser and (self._parser.state is OPEN or not self._work):
            self._write_out(self._parser)

    def _write_out(self, parser: Frames) -> None:
        if parser.state is not OPEN and not self._ended:
            self._close_soon(parser)
        for data in parser.data_to_send():
            if self._transport.is_closing():
                return
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()
            else:
                self._transport.close()

    def _close_soon(self, parser: Frames) -> None:
        """Nothing more is sent, and the other side has a moment to close."""
        self._ended, self._write = True, _nothing
        SOCKET_ENDINGS.labels(str(parser.close_sent.code if parser.close_sent else 0)).inc()
        seconds = self._shared.settings.closing_timeout.total_seconds()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._transport.abort)


def _nothing(data: bytes) -> None:
    """Of one that has ended."""
