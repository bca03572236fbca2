"""A server on 127.0.0.1 that answers a few of Qdrant's REST calls from the client's own engine.

For small sets only: the engine compares with every point. Payload indexes are noted, not used.
"""

import json
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, TypeAdapter
from qdrant_client import QdrantClient, models

from tests.servers import free_ports

_SCHEMA: TypeAdapter[models.PayloadSchemaParams] = TypeAdapter(models.PayloadSchemaParams)
_SELECTOR: TypeAdapter[models.PointsSelector] = TypeAdapter(models.PointsSelector)
_DONE = models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)
_LATE = models.UpdateResult(operation_id=0, status=models.UpdateStatus.WAIT_TIMEOUT)


class QdrantServer:
    """A test takes it away and brings it back: same address, same data."""

    def __init__(self) -> None:
        self._collections = Collections()
        self._port = free_ports(1)[0]
        self._listener: _Listener | None = None

    @property
    def url(self) -> str:
        """Also valid while the server is stopped."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        assert self._listener is None, "started already"
        self._listener = _Listener(self._port, self._collections)
        Thread(target=self._listener.serve_forever, args=(0.01,), daemon=True).start()

    def lag(self) -> None:
        """Answer updates, from now on, before anyone can see them."""
        self._collections.lags = True

    def lose(self) -> None:
        """Its data is gone; whoever is connected hears nothing of it."""
        self._collections.lose()

    def dump(self) -> bytes:
        """All that it holds, and every update and query that it was sent, as text."""
        return self._collections.dump()

    def stop(self) -> None:
        """Refuse connections from now on; nothing happens when it is stopped."""
        if self._listener:
            self._listener.shutdown()
            self._listener.server_close()
            self._listener = None


class Refusal(Exception):
    """What is wrong with a request, as Qdrant would say it."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class Collections:
    """The data, and what each call does with it."""

    def __init__(self) -> None:
        self._engine = QdrantClient(":memory:")
        self._indexes: dict[str, dict[str, models.PayloadIndexInfo]] = {}
        self.lags = False
        self._received: list[bytes] = []
        self._lock = Lock()  # the engine is not made for threads

    def lose(self) -> None:
        with self._lock:
            self._engine = QdrantClient(":memory:")
            self._indexes.clear()

    def answer(self, method: str, path: str, body: bytes) -> object:
        """The result of a call; raises Refusal, or ValueError for what the engine refuses."""
        _, _, *rest = unquote(path).split("/")
        with self._lock:
            self._received += [path.encode(), body]
            if not rest:
                return self._engine.get_collections()
            name, action = rest[0], "/".join(rest[1:])
            if (method, action) == ("PUT", ""):
                return self._create(name, body)
            if not self._engine.collection_exists(name):
                message = f"Not found: Collection `{name}` doesn't exist!"
                raise Refusal(HTTPStatus.NOT_FOUND, message)
            return self._call(method, action)(name, body)

    def dump(self) -> bytes:
        with self._lock:
            names = [each.name for each in self._engine.get_collections().collections]
            points = [
                point.model_dump_json().encode()
                for name in names
                for point in self._engine.scroll(
                    name, limit=1_000_000, with_payload=True, with_vectors=True
                )[0]
            ]
            return b"\n".join(points + self._received)

    def _call(self, method: str, action: str) -> Callable[[str, bytes], object]:
        calls = {
            ("GET", ""): self._info,
            ("DELETE", ""): self._delete,
            ("PUT", "index"): self._index,
            ("POST", "points/batch"): self._update,
            ("POST", "points/query"): self._query,
            ("POST", "points"): self._retrieve,
            ("POST", "points/count"): self._count,
            ("POST", "points/delete"): self._remove,
        }
        if (method, action) not in calls:
            raise Refusal(HTTPStatus.NOT_IMPLEMENTED, f"The fake lacks {method} {action}")
        return calls[method, action]

    def _create(self, name: str, body: bytes) -> object:
        if self._engine.collection_exists(name):
            message = f"Wrong input: Collection `{name}` already exists!"
            raise Refusal(HTTPStatus.CONFLICT, message)
        vectors = models.CreateCollection.model_validate_json(body).vectors
        self._indexes[name] = {}
        return self._engine.create_collection(name, vectors)

    def _delete(self, name: str, _: bytes) -> object:
        return self._engine.delete_collection(name)

    def _info(self, name: str, _: bytes) -> object:
        info = self._engine.get_collection(name)
        return info.model_copy(update={"payload_schema": self._indexes[name]})

    def _index(self, name: str, body: bytes) -> object:
        wanted = json.loads(body)
        params = _SCHEMA.validate_python(wanted["field_schema"])
        info = models.PayloadIndexInfo(data_type=params.type.value, params=params, points=0)
        self._indexes[name][wanted["field_name"]] = info
        return _DONE

    def _update(self, name: str, body: bytes) -> object:
        operations = models.UpdateOperations.model_validate_json(body).operations
        self._engine.batch_update_points(name, operations)
        return [_LATE if self.lags else _DONE] * len(operations)

    def _query(self, name: str, body: bytes) -> object:
        request = models.QueryRequest.model_validate_json(body)
        return self._engine.query_points(
            name,
            query=request.query,
            using=request.using,
            prefetch=request.prefetch,
            query_filter=request.filter,
            limit=request.limit or 10,
            with_payload=request.with_payload or False,
        )

    def _retrieve(self, name: str, body: bytes) -> object:
        request = models.PointRequest.model_validate_json(body)
        return self._engine.retrieve(
            name,
            request.ids,
            with_payload=request.with_payload or False,
            with_vectors=request.with_vector or False,
        )

    def _count(self, name: str, body: bytes) -> object:
        request = models.CountRequest.model_validate_json(body)
        return self._engine.count(name, count_filter=request.filter)

    def _remove(self, name: str, body: bytes) -> object:
        chosen = _SELECTOR.validate_json(body)
        self._engine.delete(name, chosen)
        return _DONE


class _Listener(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for the answers under way

    def __init__(self, port: int, collections: Collections) -> None:
        self.collections = collections
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    timeout = 5  # seconds for a client to send its request

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            result = self.server.collections.answer(self.command, urlsplit(self.path).path, body)
        except Refusal as exc:
            self._send(exc.status, {"status": {"error": str(exc)}})
        except ValueError as exc:
            self._send(HTTPStatus.BAD_REQUEST, {"status": {"error": f"Wrong input: {exc}"}})
        else:
            self._send(HTTPStatus.OK, {"result": result, "status": "ok", "time": 0.0})

    do_GET = do_PUT = do_POST = do_DELETE = _handle

    def _send(self, status: HTTPStatus, answer: object) -> None:
        body = json.dumps(answer, default=_plain).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keeps quiet."""


def _plain(value: object) -> object:
    assert isinstance(value, BaseModel)
    return value.model_dump(mode="json")
