"""What commands print: tables for people, the proto JSON of the contract for programs."""

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from cli.options import Output
from cli.views import COLUMNS

Shown = Message | Sequence[Message] | str  # one resource, a list of them, or a remark
_WIDE = 200  # columns, when standard output is not a terminal


def show(result: Shown | None, output: Output | None) -> None:
    """Prints a result; None has printed itself."""
    if result is None:
        return
    if output is Output.JSON:
        print(to_json(result))
    elif isinstance(result, str):
        print(result)
    elif isinstance(result, Message):
        _details(result)
    else:
        _table(result)


def to_json(result: Shown, indent: int | None = 2) -> str:
    """One object, a list of objects, or `{}` for a remark."""
    if isinstance(result, str):
        return "{}"
    value: Any = (
        MessageToDict(result)
        if isinstance(result, Message)
        else [MessageToDict(each) for each in result]
    )
    return json.dumps(value, ensure_ascii=False, indent=indent)


def plain(text: str) -> str:
    """The text without what could steer a terminal: other people wrote it."""
    return "".join(
        each if each.isprintable() or each in "\n\t" else "\N{REPLACEMENT CHARACTER}"
        for each in text
    )


def _details(message: Message) -> None:
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    for name, value in MessageToDict(message, preserving_proto_field_name=True).items():
        grid.add_row(Text(name, style="bold"), Text(plain(_readable(value))))
    console().print(grid)


def _readable(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={_readable(each)}" for key, each in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _table(messages: Sequence[Message]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    if not messages:
        print("none", file=sys.stderr)
        return
    columns = COLUMNS[messages[0].DESCRIPTOR.full_name]
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title, cell in columns.items():
        # A name is there to be copied: the other columns give way.
        needed = max(len(cell(message)) for message in messages) if title == "NAME" else None
        table.add_column(title, no_wrap=True, overflow="ellipsis", min_width=needed)
    for message in messages:
        table.add_row(*(Text(_on_one_line(cell(message))) for cell in columns.values()))
    console().print(table)


def _on_one_line(text: str) -> str:
    return plain(" ".join(text.split()))


def console(columns: int = _WIDE) -> Any:
    """Standard output: as wide as the terminal, or `columns` wide for a file or pipe."""
    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else columns
    return Console(width=width, highlight=False)
