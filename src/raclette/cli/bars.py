"""Progress of what takes long, for the person who waits: on standard error, and only if that is a terminal, so that no
file and no program sees it. `--json` does not silence it, for it is standard output that programs read."""

from typing import TYPE_CHECKING

from raclette.cli.output import errors

if TYPE_CHECKING:
    from rich.progress import Progress


def progress_bar(*, elapsed: bool = False, wanted: bool = True) -> "Progress":
    """Words, a bar, how many of how many, and the time left (or `elapsed`, where no end is known). It is gone when it
    ends."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    clock = TimeElapsedColumn() if elapsed else TimeRemainingColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), clock)
    return Progress(*columns, console=errors, transient=True, disable=not wanted or not errors.is_terminal)
