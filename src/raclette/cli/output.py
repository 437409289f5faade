"""What people and programs see: one console, one JSON form, one table of exit codes."""

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, NoReturn, ParamSpec, TypeVar

import orjson
import typer
from rich.console import Console
from rich.table import Table

from raclette.cli.client import RpcError, Unreachable
from raclette.primitives.errors import (
    InvariantBroken,
    Misuse,
    PeerFault,
    RacletteError,
    Refused,
    StoreDamaged,
    StoreRefused,
)

P = ParamSpec("P")
R = TypeVar("R")

OK = 0
VERDICT_FAILED = 1  # the command ran, and what it checked does not hold
USAGE = 2  # arguments, configuration, keys
STORE = 3  # the database cannot be used
UNREACHABLE = 4  # no node or tracker answers
REFUSED = 5  # the node or ledger said no

_EXIT_CODES: tuple[tuple[type[RacletteError], int], ...] = (
    (StoreDamaged, STORE),
    (StoreRefused, STORE),
    (Unreachable, UNREACHABLE),
    (Refused, REFUSED),
    (RpcError, REFUSED),
    (PeerFault, REFUSED),
    (Misuse, USAGE),
    (InvariantBroken, VERDICT_FAILED),
)

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

Json = typer.Option(False, "--json", help="One JSON object on standard output, for programs.")


def print_json(value: Any) -> None:
    """One line of JSON on standard output; bytes as 0x-hex."""
    sys.stdout.write(orjson.dumps(value, default=_encode).decode() + "\n")
    sys.stdout.flush()


def _encode(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return "0x" + value.hex()
    raise TypeError(f"no JSON form of {type(value).__name__}")


def print_table(title: str, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """A table for a person."""
    table = Table(title=title or None, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    console.print(table)


def print_pairs(title: str, pairs: Mapping[str, Any]) -> None:
    """Names and values, one a line."""
    print_table(title, ("", ""), pairs.items())


def fail(message: str, code: int = VERDICT_FAILED) -> NoReturn:
    """One line on standard error, and out."""
    errors.print(f"[red]error:[/red] {message}", soft_wrap=True)
    raise typer.Exit(code)


def exit_code(error: RacletteError) -> int:
    """The exit code that this kind of error ends a command with."""
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), VERDICT_FAILED)


def one_line_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn our own errors into one line and an exit code; others are bugs and keep their traceback."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except RacletteError as error:
            fail(str(error), exit_code(error))

    return wrapped
