"""Running a sweep's cells on dask.distributed: a cluster of this machine's cores, or one that is there already.

A worker is given its next cell when the row of its last one is here: a million cells need no million futures, each row
is on disk as soon as its run has ended, and a run that takes its worker with it takes nobody else's row. It is a row
that says so, as is one that raises, and is never repeated behind the user's back (on a scheduler of your own,
`distributed.scheduler.allowed-failures: 0` does the same for workers).
"""

import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any

from raclette.lab.sweep.plan import Cell, Plan
from raclette.lab.sweep.results import Journal, Row
from raclette.primitives.errors import ConfigError

# Seconds until a scheduler that does not answer is given up, and a worker that a run has killed.
CONNECT_S = 20

RunCell = Callable[[Mapping[str, Any], tuple[tuple[str, Any], ...], int], Row]
"""`run(scenario, values, seed)` gives the row of that run. It travels to the workers, so it is a module's function."""


@contextmanager
def cluster(scheduler: str | None, workers: int) -> Iterator[Any]:
    """A client of the scheduler at that address, or of a local cluster with `workers` processes of one thread each.

    Raises ConfigError if there is no scheduler at the address."""
    import dask
    from distributed import Client, LocalCluster

    if scheduler is None:
        with (
            dask.config.set({"distributed.scheduler.allowed-failures": 0}),
            LocalCluster(
                n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=40
            ) as local,
            Client(local) as client,
        ):
            yield client
        return
    try:
        client = Client(scheduler, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--scheduler {scheduler}: {error}") from None
    with client:
        yield client


def run_sweep(
    plan: Plan,
    journal: Journal,
    run: RunCell,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    progress: Callable[[Row], None] | None = None,
) -> None:
    """Run what the journal does not hold yet; `progress` hears of each row as it is kept. `workers` = 0 runs all
    in this process."""
    missing = [cell for cell in plan.cells if cell.name not in journal.rows]

    def keep(row: Row) -> None:
        journal.add(row)
        if progress is not None:
            progress(row)

    if not missing:
        return
    if workers == 0 and scheduler is None:
        for cell in missing:
            keep(run_cell(run, plan.scenario, cell))
        return
    with cluster(scheduler, workers or os.cpu_count() or 1) as client:
        _run_on(client, plan, missing, run, keep)


def _run_on(client: Any, plan: Plan, missing: list[Cell], run: RunCell, keep: Callable[[Row], None]) -> None:
    from distributed import KilledWorker, as_completed

    scenario = dict(plan.scenario)
    waiting = iter(missing)
    cells: dict[str, Cell] = {}
    finished = as_completed()

    def submit_next() -> None:
        for cell in islice(waiting, 1):
            future = client.submit(run_cell, run, scenario, cell, key=f"cell-{cell.name}", retries=0, pure=False)
            cells[future.key] = cell
            finished.add(future)

    workers = len(client.nthreads())
    for _ in range(sum(client.nthreads().values()) or 1):
        submit_next()
    for future in finished:
        cell = cells.pop(future.key)
        error = future.exception()
        keep(future.result() if error is None else _failed(cell, f"{type(error).__name__}: {error}"))
        if isinstance(error, KilledWorker):
            # Its next cell is not to stand in line behind another worker's, which may die as well.
            with suppress(TimeoutError):
                client.wait_for_workers(workers, timeout=CONNECT_S)
        submit_next()


def run_cell(run: RunCell, scenario: Mapping[str, Any], cell: Cell) -> Row:
    """One run as a row: its cell, its values, its seed, how it ended, and what it gave."""
    try:
        found = run(scenario, cell.values, cell.seed)
    except Exception:
        return _failed(cell, traceback.format_exc())
    return _head(cell) | {"error": ""} | found


def _head(cell: Cell) -> Row:
    return {"cell": cell.name, **dict(cell.values), "seed": cell.seed}


def _failed(cell: Cell, why: str) -> Row:
    return _head(cell) | {"error": why, "agreed": False}
