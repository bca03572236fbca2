"""What is refused, and why."""

from uuid import UUID

from libs.errors import AppError, Kind


class DocumentNotFound(AppError):
    """There is no such document in the tenant."""

    kind, reason = Kind.NOT_FOUND, "DOCUMENT_NOT_FOUND"

    def __init__(self, document: UUID) -> None:
        super().__init__(f"Document {document} does not exist.", documentId=str(document))


class BaseNotReached(AppError):
    """An edit was made on a version that there is not yet: the caller has seen another history."""

    kind, reason = Kind.PRECONDITION, "BASE_NOT_REACHED"

    def __init__(self, base: int, version: int) -> None:
        super().__init__(
            f"The document is at version {version}, before {base}: read it anew.",
            baseVersion=str(base),
            version=str(version),
        )


class VersionNotReached(AppError):
    """There is no such version yet."""

    kind, reason = Kind.PRECONDITION, "VERSION_NOT_REACHED"

    def __init__(self, wanted: int, version: int) -> None:
        super().__init__(
            f"The document is at version {version}, before {wanted}.",
            wantedVersion=str(wanted),
            version=str(version),
        )


class HistoryCompacted(AppError):
    """What is kept of edits begins later: the caller reads the document anew."""

    kind, reason = Kind.PRECONDITION, "HISTORY_COMPACTED"

    def __init__(self, wanted: int, oldest: int) -> None:
        super().__init__(
            f"Edits before version {oldest} are not kept; {wanted} is before it.",
            wantedVersion=str(wanted),
            oldestVersion=str(oldest),
        )


class DocumentTooLarge(AppError):
    """The text would be larger than a document may be."""

    kind, reason = Kind.PRECONDITION, "DOCUMENT_TOO_LARGE"

    def __init__(self, limit: int) -> None:
        super().__init__(f"A text has at most {limit} bytes.", limitBytes=str(limit))


class TooManyFields(AppError):
    """The document would have more fields than it may."""

    kind, reason = Kind.PRECONDITION, "TOO_MANY_FIELDS"

    def __init__(self, limit: int) -> None:
        super().__init__(f"A document has at most {limit} fields.", limit=str(limit))


class NothingToUndo(AppError):
    """The caller has no edit of late that is not undone."""

    kind, reason = Kind.PRECONDITION, "NOTHING_TO_UNDO"

    def __init__(self) -> None:
        super().__init__("There is no edit of the caller's own to take back.")


class NothingToRedo(AppError):
    """The caller has undone nothing since the last edit of their own."""

    kind, reason = Kind.PRECONDITION, "NOTHING_TO_REDO"

    def __init__(self) -> None:
        super().__init__("There is no undone edit of the caller's own to make again.")


class NothingToSave(AppError):
    """A text without words becomes no knowledge."""

    kind, reason = Kind.PRECONDITION, "NOTHING_TO_SAVE"

    def __init__(self) -> None:
        super().__init__("The text of the document is blank.")


class TooLargeToSave(AppError):
    """A knowledge item holds less than a document."""

    kind, reason = Kind.PRECONDITION, "TOO_LARGE_TO_SAVE"

    def __init__(self, limit: int) -> None:
        super().__init__(f"A knowledge item has at most {limit} bytes.", limitBytes=str(limit))


class SavingNotConfigured(AppError):
    """This deployment does not say where the knowledge service is."""

    kind, reason = Kind.PRECONDITION, "SAVING_NOT_CONFIGURED"

    def __init__(self) -> None:
        super().__init__("The sync service does not know where the knowledge service is.")


class KnowledgeUnavailable(AppError):
    """The knowledge service does not answer, or not as it should."""

    kind, reason = Kind.UNAVAILABLE, "KNOWLEDGE_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("The knowledge service is not available at the moment; retry.")


class DocumentBusy(AppError):
    """Others wrote so much in between that the edit could not be placed."""

    kind, reason = Kind.CONFLICT, "DOCUMENT_BUSY"

    def __init__(self) -> None:
        super().__init__("The document changes too fast at the moment; retry.")


class Behind(DocumentBusy):
    """More of the history is needed than is in memory: edits after this version. Whoever asked
    reads them and asks again."""

    def __init__(self, version: int) -> None:
        super().__init__()
        self.version = version
