"""docs/mutants.md: what was planted, what caught it, and what waits. Written by `raclette mutants --page`."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from raclette.lab.mutants.registry import MUTANTS
from raclette.lab.mutants.waiting import WAITING

HEAD = """# Mutants

A mutant is the real system with one known, published bug planted in it. `raclette hunt PROTOCOL --mutant ID` must
catch it with what guards the engine without the bug: nothing in the hunt knows which mutant it hunts.
`raclette mutants` hunts all of them in turn; with `--page docs/mutants.md` it writes what came of it into this page.

Ids: P PBFT and its kin, I IBFT, Z Zyzzyva and FaB, T Tendermint, H HotStuff, A asynchronous agreement, S committees
drawn by lot, N longest chains and their ledgers, C the ledger of outputs, E elections, F finality gadgets, R ours. A
letter behind the number (P1b) is another form of the same bug. Where a bug was published about another protocol, its
counterpart here is planted.

## Planted

*Invariant*: the checker that fired first. *Seed*: the schedule that shows it (`--replay SEED`). *Tried*: seeds until
then, from 0 on. *Seconds*: of wall-clock time, on two cores that others used as well. A seed that fails without the bug
too is no catch. Which seed it is changes whenever the hunt learns something new; "-" has not been measured yet.

"""
COLUMNS = ("protocol", "id", "bug", "published", "planted in", "invariant", "seed", "tried", "seconds")
# What a run measures; the other columns follow from the registry.
MEASURED = ("invariant", "seed", "seeds", "seconds")
MISSING = "not caught"
UNKNOWN = "-"


def measured_in(page: str) -> dict[tuple[str, str], dict[str, str]]:
    """The results in a page, by (protocol, id)."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| ") and len(cells) == len(COLUMNS) and cells[0] != COLUMNS[0]:
            found[cells[0], cells[1]] = dict(zip(MEASURED, cells[-len(MEASURED) :], strict=True))
    return found


def render(measured: Mapping[tuple[str, str], Mapping[str, str]]) -> str:
    """The whole page."""
    return (
        HEAD
        + _table(COLUMNS, _planted(measured))
        + "\n## Waiting\n\n"
        + _table(
            ("id", "bug", "published", "why it is not planted"),
            ([bug.id, bug.title, bug.source, bug.reason] for bug in WAITING),
        )
    )


def _planted(measured: Mapping[tuple[str, str], Mapping[str, str]]) -> Iterable[list[str]]:
    for mutant in MUTANTS:
        result = measured.get((mutant.protocol, mutant.id), {})
        where = ", ".join(f"`{path}`" for path in mutant.where)
        results = [result.get(key, UNKNOWN) for key in MEASURED]
        yield [mutant.protocol, mutant.id, mutant.title, mutant.source, where, *results]


def _table(columns: Iterable[str], rows: Iterable[list[str]]) -> str:
    names = list(columns)
    lines = [names, ["---"] * len(names), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |\n" for line in lines)


def update(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write the page with these results of `hunt_all`; mutants not among them keep what the page says of them."""
    measured = measured_in(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for row in rows:
        caught = bool(row["caught"])
        measured[row["protocol"], row["id"]] = {
            "invariant": str(row["invariant"]) if caught else MISSING,
            "seed": str(row["seed"]) if caught else UNKNOWN,
            "seeds": str(row["seeds"]),
            "seconds": f"{row['seconds']:.1f}",
        }
    path.write_text(render(measured), encoding="utf-8")
