"""What people and programs see: one console, one JSON form, one table of exit codes."""

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import wraps
from typing import Any, NoReturn, ParamSpec, TypeVar

import orjson
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

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
VERDICT_FAILED = 1
USAGE = 2
STORE = 3
UNREACHABLE = 4
REFUSED = 5
EXIT_CODES: Mapping[int, str] = {
    OK: "done, and what was checked holds",
    VERDICT_FAILED: "the command ran, and what it checked does not hold; or it was interrupted",
    USAGE: "arguments, configuration, keys or files cannot be used",
    STORE: "the database is damaged, locked, or another chain's",
    UNREACHABLE: "no node answers there",
    REFUSED: "the node or the ledger said no",
}
# Largest integer that every reader of JSON holds exactly: 2**53 - 1, as RFC 8259, section 6, recommends.
INTEGER_MAX = 2**53 - 1
# Hexadecimal digits of a hash or id that tables show; --json always has all of them.
SHORT_DIGITS = 12
# Letters of a first column that is not folded.
SHORT_NAME = 24
# Invisible but needed to join emoji.
_INVISIBLE_ALLOWED = "\u200d"

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
    """One line of JSON on standard output; bytes as 0x-hex, integers above INTEGER_MAX as decimal text."""
    sys.stdout.write(orjson.dumps(_portable(value)).decode() + "\n")
    sys.stdout.flush()


def _portable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _portable(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_portable(entry) for entry in value]
    if isinstance(value, (bytes, bytearray)):
        return "0x" + value.hex()
    if isinstance(value, int) and abs(value) > INTEGER_MAX:
        return str(value)
    return value


def readable(value: Any) -> str:
    """Text that is safe to show: what strangers wrote (memos, names) must not steer the terminal, so control characters
    and invisible ones become escapes. None is a dash, truth is yes or no."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in _INVISIBLE_ALLOWED else c.encode("unicode_escape").decode() for c in text
    )


def print_table(
    title: str, columns: Iterable[str], rows: Iterable[Iterable[Any]], *, numbers: Collection[str] = ()
) -> None:
    """A table for a person; the columns named in `numbers` stand to the right. Long cells fold, nothing is cut; short
    names in the first column stay whole."""
    if title:
        console.print(Text(title, style="italic"))
    table = Table(header_style="bold", box=SIMPLE_HEAD, show_edge=False)
    cells = [[readable(cell) for cell in row] for row in rows]
    widest = max((len(row[0]) for row in cells), default=0)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    if widest <= SHORT_NAME:
        table.columns[0].no_wrap = True
    for row in cells:
        table.add_row(*map(Text, row))
    console.print(table)


def print_pairs(title: str, pairs: Mapping[str, Any]) -> None:
    """Names and values, one a line, never folded so that they can be copied; what is inside a value has names with
    dots."""
    if title:
        console.print(Text(title, style="italic"))
    rows = list(flattened(pairs))
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        console.print(Text(f"{name:<{width}}", style="bold"), Text(readable(value)), sep="  ", soft_wrap=True)


def flattened(pairs: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested mappings by dotted name; a list is one leaf for each entry, or a dash if empty."""
    for name, value in pairs.items():
        path = f"{prefix}{name}"
        if isinstance(value, (list, tuple)):
            value = {str(index): entry for index, entry in enumerate(value)}
        if isinstance(value, Mapping) and value:
            yield from flattened(value, f"{path}.")
        else:
            yield path, None if isinstance(value, Mapping) else value


def short(identifier: str) -> str:
    """The beginning of a long 0x-text, for tables."""
    return identifier if len(identifier) <= SHORT_DIGITS + 3 else identifier[: SHORT_DIGITS + 2] + "…"


def fail(message: str, code: int = VERDICT_FAILED) -> NoReturn:
    """One line on standard error, and out."""
    errors.print("[red]error:[/red]", Text(_readable_lines(message)), soft_wrap=True)
    raise typer.Exit(code)


def _readable_lines(message: str) -> str:
    return "\n".join(readable(line) for line in message.splitlines())


def exit_code(error: RacletteError) -> int:
    """The exit code that this kind of error ends a command with."""
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), VERDICT_FAILED)


def one_line_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn our own errors, and files that cannot be used, into one line and an exit code; others are bugs and keep
    their traceback."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except RacletteError as error:
            fail(str(error), exit_code(error))
        except OSError as error:
            if error.filename is None:
                raise
            fail(f"{error.filename}: {error.strerror}", USAGE)

    return wrapped
