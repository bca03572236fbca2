"""Files of what a tenant keeps of a person: gathered in pieces by each service, kept sealed for a
while.

A service gives a `Source` for each of its files; `Gathering` is the step of the operation that
fills them. Knows nothing of what lines say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID, uuid5

from libs.encryption.keyring import Keyring, Plain, Sealed
from libs.encryption.registry import EXPORT_PART_DATA
from libs.operations import Fields, Progress
from libs.spine import read, writing
from libs.tenancy import Route

# Kinds of the operations that gather in the services that keep texts.
EXPORT_MEMORIES = "ExportMemories"
EXPORT_KNOWLEDGE = "ExportKnowledge"
EXPORT_DOCUMENTS = "ExportDocuments"
KINDS = (EXPORT_MEMORIES, EXPORT_KNOWLEDGE, EXPORT_DOCUMENTS)

_PUT = """
    INSERT INTO aeterna.export_part
        (tenant_id, id, export_id, subject, file, place, records, data, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (tenant_id, id) DO UPDATE SET records = excluded.records, data = excluded.data
"""
_NEXT = """
    SELECT id, file, place, records, data FROM aeterna.export_part
    WHERE tenant_id = $1 AND export_id = $2 AND (file, place) > ($3, $4) AND expires_at > now()
    ORDER BY file, place LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Export:
    """One export, as the parameters of its operations name it."""

    id: UUID
    subject: str
    expires_at: datetime

    def parameters(self) -> Fields:
        """For an operation."""
        return {
            "export": str(self.id),
            "subject": self.subject,
            "expires_at": self.expires_at.isoformat(),
        }

    @classmethod
    def of(cls, parameters: Fields) -> "Export":
        """Back from `parameters`."""
        expires_at = datetime.fromisoformat(parameters["expires_at"])
        return cls(UUID(parameters["export"]), parameters["subject"], expires_at)


class Piece(NamedTuple):
    """A piece of a file, opened."""

    file: str
    place: int
    records: int
    data: bytes


class Page(NamedTuple):
    """Lines of a file, each with its end; `after` is where the next page begins, "" at the end."""

    lines: Sequence[bytes]
    after: str


class Source(Protocol):
    """What a file is made of."""

    @property
    def file(self) -> str:
        """Its name."""

    async def page(self, route: Route, subject: str, after: str) -> Page:
        """The next lines."""


@dataclass(frozen=True)
class Parts:
    """Pieces of files in the shard. Every method raises StoreUnavailable when it cannot be
    reached."""

    keyring: Keyring

    async def put(
        self, route: Route, export: Export, file: str, place: int, lines: Sequence[bytes]
    ) -> None:
        """Keeps a piece; once, however often it is called."""
        identity = uuid5(export.id, f"{file}/{place}")
        plain = Plain(export.subject, EXPORT_PART_DATA, identity, b"".join(lines))
        (data,) = await self.keyring.seal(route, [plain])
        values = (identity, export.id, export.subject, file, place, len(lines), data)
        async with writing(route) as write:
            write.add(_PUT, *values, export.expires_at)

    async def next(self, route: Route, export: UUID, file: str, place: int) -> Piece | None:
        """The piece after this one; None at the end, or when its time is over."""
        rows = await read(route, _NEXT, export, file, place)
        if not rows:
            return None
        row = rows[0]
        sealed = Sealed(EXPORT_PART_DATA, row["id"], row["data"])
        (data,) = await self.keyring.open(route, [sealed])
        return Piece(row["file"], row["place"], row["records"], data)


@dataclass(frozen=True)
class Gathering:
    """`libs.operations.Step`: fills the files of sources, one after the other."""

    parts: Parts
    sources: Sequence[Source]

    async def __call__(self, route: Route, parameters: Fields, progress: Progress) -> Progress:
        export = Export.of(parameters)
        at, place = progress.cursor.get("source", 0), progress.cursor.get("place", 0)
        source = self.sources[at]
        page = await source.page(route, export.subject, progress.cursor.get("after", ""))
        if page.lines or place == 0:
            await self.parts.put(route, export, source.file, place, page.lines)
        done, finished = at, False
        if page.after:
            cursor = {"source": at, "place": place + 1, "after": page.after}
        else:
            done, finished = at + 1, at + 1 == len(self.sources)
            cursor = {"source": at + 1}
        return Progress(done, len(self.sources), finished, cursor)
