"""`aeterna demo`: a working day of two tenants, played through gRPC against a real suite."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from cli.exits import Exit, exits


def demo(
    data: Annotated[
        Path | None,
        typer.Option(help="A data folder to play in; it is kept.", show_default="a temporary one"),
    ] = None,
) -> None:
    """Play a working day of two tenants against a suite of its own, and check every step.

    Exit code 1 when a step gives another result than it should.
    """
    from cli.demo.day import play
    from cli.demo.process import SuiteFailed
    from cli.demo.stage import DemoFailed

    with exits():
        try:
            asyncio.run(play(data))
        except DemoFailed as error:
            print(f"\nThe demo found something wrong: {error}")
            raise typer.Exit(Exit.UNEXPECTED) from error
        except SuiteFailed as error:
            print(f"\n{error}")
            raise typer.Exit(error.code) from error
