"""What checkers found, for a person: the first few of each kind say what went wrong, the rest repeat it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from raclette.cli.output import console, print_table

# Of one checker; `--json` has all.
SHOWN_MAX = 3


def show_violations(found: Sequence[Mapping[str, Any]]) -> None:
    """A table of them, with the seed where there are several runs. Nothing if there are none."""
    if not found:
        return
    counted: Counter[str] = Counter()
    rows: list[list[Any]] = []
    with_seed = any("seed" in each for each in found)
    for each in found:
        counted[each["checker"]] += 1
        if counted[each["checker"]] <= SHOWN_MAX:
            where = "-" if each["node"] < 0 else f"n{each['node']:02}"
            when = "-" if each["time_ms"] < 0 else f"{each['time_ms']:,}"
            seed = [each.get("seed", "-")] if with_seed else []
            rows.append([*seed, each["checker"], when, where, each["detail"]])
    columns = [*(["seed"] if with_seed else []), "violation", "at (ms)", "node", "what"]
    print_table("", columns, rows, numbers=("seed", "at (ms)"))
    for checker, count in counted.items():
        if count > SHOWN_MAX:
            console.print(f"  and {count - SHOWN_MAX} more of {checker} (--json has all)", markup=False)


def show_blame(verdict: str) -> None:
    """Who is to blame for a fork, if there was one."""
    if verdict:
        console.print(f"[yellow]blame[/yellow] {verdict}", soft_wrap=True)
