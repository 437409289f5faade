"""Workers: processes that run seeds and say what came of each, and a parent that notices when one dies.

A seed whose worker dies (killed, out of memory, crashed in native code) is that seed's failure, not the hunt's: it is
reported and never tried again, and a new worker takes the next seed.
"""

import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from raclette.lab.hunt.outcome import DIED, Breach, Outcome
from raclette.lab.hunt.tactics import tactic_of
from raclette.lab.hunt.trial import TRIAL_SECONDS_MAX, run_seed

# Seeds handed to a worker at a time: the pipe costs a tenth of a millisecond, a seed some tens.
BATCH = 4
# Wall-clock seconds of silence after which workers are given up: ten trials' CPU time, for a machine shared by many.
SILENCE_SECONDS_MAX = 10 * TRIAL_SECONDS_MAX


def work(pipe: Connection, protocol: str, mutant: str) -> None:
    """A worker: receives lists of seeds, sends an outcome for each, ends with the pipe."""
    while True:
        try:
            seeds = pipe.recv()
            for seed in seeds:
                pipe.send(run_seed(protocol, seed, mutant))
        except (EOFError, OSError, KeyboardInterrupt):
            return


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    seeds: list[int]


class Pool:
    """`jobs` workers. Use as a context; `run` may be left early."""

    def __init__(self, protocol: str, mutant: str, jobs: int, target: Any = work) -> None:
        self._protocol, self._mutant, self._target = protocol, mutant, target
        self._context = multiprocessing.get_context("spawn")
        self._workers = [self._new() for _ in range(jobs)]

    def _new(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=self._target, args=(theirs, self._protocol, self._mutant), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours, [])

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.pipe.close()
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join()

    def run(self, seeds: Iterator[int]) -> Iterator[Outcome]:
        """Outcomes as they come, for seeds taken as they are needed."""
        for worker in self._workers:
            self._feed(worker, seeds)
        while busy := {worker.pipe: worker for worker in self._workers if worker.seeds}:
            ready = wait(list(busy), timeout=SILENCE_SECONDS_MAX)
            # Nobody has said anything for so long: all that is under way hangs.
            silent = ready or list(busy)
            for pipe in silent:
                worker = busy[pipe]  # type: ignore[index]
                yield self._take(worker, dead=not ready)
                if not worker.seeds:
                    self._feed(worker, seeds)

    def _feed(self, worker: _Worker, seeds: Iterator[int]) -> None:
        batch = [seed for _, seed in zip(range(BATCH), seeds, strict=False)]
        if batch:
            worker.seeds = batch
            try:
                worker.pipe.send(batch)
            except OSError:
                return  # it is dead; the next `wait` finds out

    def _take(self, worker: _Worker, *, dead: bool) -> Outcome:
        try:
            if dead:
                raise EOFError
            outcome: Outcome = worker.pipe.recv()
        except (EOFError, OSError):
            return self._bury(worker)
        worker.seeds.remove(outcome.seed)
        return outcome

    def _bury(self, worker: _Worker) -> Outcome:
        """The worker died in its first unanswered seed; the others of its batch go to a new one."""
        worker.process.terminate()
        worker.process.join()
        seed, *others = worker.seeds
        detail = f"the process running this seed ended with code {worker.process.exitcode}"
        fresh = self._new()
        worker.process, worker.pipe, worker.seeds = fresh.process, fresh.pipe, others
        if others:
            worker.pipe.send(others)
        return Outcome(seed, tactic_of(self._protocol, seed).name, (Breach(DIED, detail),))


def run_here(protocol: str, mutant: str, seeds: Iterator[int]) -> Iterator[Outcome]:
    """The same in this process."""
    for seed in seeds:
        yield run_seed(protocol, seed, mutant)


__all__ = ["Pool", "run_here", "work"]
