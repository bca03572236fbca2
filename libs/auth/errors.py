"""Errors of authentication. None holds a token or tells anything about keys."""

from pathlib import Path

from libs.errors import AppError, Kind


class TokenMissing(AppError):
    """The request carries no token."""

    kind, reason = Kind.UNAUTHENTICATED, "TOKEN_MISSING"

    def __init__(self) -> None:
        super().__init__("A bearer token is required.")


class TokenInvalid(AppError):
    """The token proves nothing. Only one whose signature holds is told which claim is at fault."""

    kind, reason = Kind.UNAUTHENTICATED, "TOKEN_INVALID"

    def __init__(self, problem: str = "cannot be verified") -> None:
        super().__init__(f"The bearer token is not valid: {problem}.", problem=problem)


class TokenExpired(AppError):
    """The token was valid once."""

    kind, reason = Kind.UNAUTHENTICATED, "TOKEN_EXPIRED"

    def __init__(self) -> None:
        super().__init__("The bearer token has expired.")


class IssuerUnknown(AppError):
    """The token says that it is from an issuer that is not configured here."""

    kind, reason = Kind.UNAUTHENTICATED, "ISSUER_UNKNOWN"

    def __init__(self) -> None:
        super().__init__("The bearer token is from an issuer that is not trusted here.")


class KeysUnavailable(AppError):
    """The token can be neither accepted nor refused: its issuer cannot be asked at the moment."""

    kind, reason = Kind.UNAVAILABLE, "KEYS_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("The issuer of the bearer token cannot be reached; retry.")


class LocalIssuerInProduction(AppError):
    """Production mode trusts no issuer whose private key lies in a folder beside the server."""

    kind, reason = Kind.PRECONDITION, "LOCAL_ISSUER_IN_PRODUCTION"

    def __init__(self) -> None:
        super().__init__("The local issuer cannot be used in production mode.")


class InsecureKeysInProduction(AppError):
    """Production mode fetches keys over HTTPS only: whoever alters them becomes anyone."""

    kind, reason = Kind.PRECONDITION, "INSECURE_KEYS_IN_PRODUCTION"

    def __init__(self, issuer: str) -> None:
        super().__init__(f"The keys of issuer {issuer} must come over HTTPS.", issuer=issuer)


class LocalIssuerUnusable(AppError):
    """The file of the local issuer's key cannot be trusted or read."""

    kind, reason = Kind.PRECONDITION, "LOCAL_ISSUER_UNUSABLE"

    def __init__(self, path: Path, why: str) -> None:
        message = f"The key of the local issuer in {path} is unusable: {why}."
        super().__init__(message, path=str(path), why=why)
