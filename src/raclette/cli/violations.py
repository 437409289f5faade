"""What checkers found, for a person."""

from collections.abc import Mapping, Sequence
from typing import Any

from raclette.cli.output import console, print_table


def show_violations(found: Sequence[Mapping[str, Any]]) -> None:
    """A table of them, with the seed where there are several runs. Nothing if there are none."""
    if not found:
        return
    from raclette.lab.report.violations import first_of_each

    shown, more = first_of_each(found)
    rows: list[list[Any]] = []
    with_seed = any("seed" in each for each in found)
    for each in shown:
        where = "-" if each["node"] < 0 else f"n{each['node']:02}"
        when = "-" if each["time_ms"] < 0 else f"{each['time_ms']:,}"
        seed = [each.get("seed", "-")] if with_seed else []
        rows.append([*seed, each["checker"], when, where, each["detail"]])
    columns = [*(["seed"] if with_seed else []), "violation", "at (ms)", "node", "what"]
    print_table("", columns, rows, numbers=("seed", "at (ms)"))
    for checker, count in more.items():
        console.print(f"  and {count} more of {checker} (--json has all)", markup=False)


def show_blame(verdict: str) -> None:
    """Who is to blame for a fork, if there was one."""
    if verdict:
        console.print(f"[yellow]blame[/yellow] {verdict}", soft_wrap=True)
