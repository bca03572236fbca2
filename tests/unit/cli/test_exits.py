import grpc
import pytest
import typer

from cli.exits import Exit, exit_code, exits
from libs.clients import ClientError
from libs.errors import AppError, FieldViolation, Kind, invalid


class Refused(AppError):
    kind, reason = Kind.DENIED, "REFUSED"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, 2),
        (grpc.StatusCode.NOT_FOUND, 3),
        (grpc.StatusCode.UNAUTHENTICATED, 4),
        (grpc.StatusCode.PERMISSION_DENIED, 4),
        (grpc.StatusCode.ALREADY_EXISTS, 5),
        (grpc.StatusCode.ABORTED, 5),
        (grpc.StatusCode.FAILED_PRECONDITION, 5),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 6),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 6),
        (grpc.StatusCode.UNAVAILABLE, 6),
        (grpc.StatusCode.INTERNAL, 1),
    ],
)
def test_answers_of_servers_have_exit_codes(code: grpc.StatusCode, expected: int) -> None:
    assert exit_code(ClientError(code, "no")) == expected


@pytest.mark.parametrize("kind", list(Kind))
def test_every_own_error_has_an_exit_code(kind: Kind) -> None:
    error = type("Error", (AppError,), {"kind": kind, "reason": "SOME_REASON"})("no")

    assert exit_code(error) in set(Exit) - {Exit.OK, Exit.UNEXPECTED, Exit.FOLDER_IN_USE}


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (Refused("Not today."), "error: REFUSED: Not today."),
        (invalid("tenant", "is required"), "error: INVALID_REQUEST: tenant: is required"),
        (
            ClientError(
                grpc.StatusCode.INVALID_ARGUMENT,
                "Invalid request: a, b.",
                "INVALID_REQUEST",
                violations=(FieldViolation("a", "is required"), FieldViolation("b", "is odd")),
            ),
            "error: INVALID_REQUEST: a: is required; b: is odd",
        ),
        (
            ClientError(grpc.StatusCode.ABORTED, "It has version 3, not 1.", "VERSION_MISMATCH"),
            "error: VERSION_MISMATCH: It has version 3, not 1.",
        ),
    ],
)
def test_errors_are_one_line(
    capsys: pytest.CaptureFixture[str], error: Exception, line: str
) -> None:
    with pytest.raises(typer.Exit), exits():
        raise error

    assert capsys.readouterr() == ("", line + "\n")


def test_a_server_that_does_not_answer_comes_with_a_hint(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(typer.Exit), exits():
        raise ClientError(grpc.StatusCode.UNAVAILABLE, "failed to connect\nto all addresses")

    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "aeterna serve all" in line


def test_a_bug_shows_its_place_but_no_values(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, exits():
        raise KeyError("the secret")

    line = capsys.readouterr().err
    assert caught.value.exit_code == Exit.UNEXPECTED
    assert "KeyError" in line
    assert "secret" not in line


def test_usage_errors_are_left_to_typer() -> None:
    with pytest.raises(typer.BadParameter), exits():
        raise typer.BadParameter("no")
