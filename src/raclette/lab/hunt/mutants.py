"""Every mutant in turn: is it caught, by which invariant, after how many seeds."""

from collections.abc import Iterator, Sequence
from typing import Any

from raclette.lab.hunt.hunter import HuntConfig, hunt
from raclette.lab.mutants import mutants_of


def hunt_all(
    protocols: Sequence[str], only: Sequence[str], *, seeds: int, seconds: float, first: int, jobs: int
) -> Iterator[dict[str, Any]]:
    """A row for each mutant, as it is done; `only` are ids in lower case (empty: all). `expected` says whether the
    invariant that fired is among those that the mutant names. Raises ConfigError."""
    for protocol in protocols:
        for mutant in mutants_of(protocol):
            if only and mutant.id.lower() not in only:
                continue
            config = HuntConfig(
                protocol, seeds=seeds, seconds=seconds, first=first, mutant=mutant.id, jobs=jobs, dissect=False
            )
            found = hunt(config).to_json()
            yield {
                "protocol": protocol,
                "id": mutant.id,
                "title": mutant.title,
                "source": mutant.source,
                "caught": found["caught"],
                "invariant": found["invariant"],
                "expected": found["invariant"] in mutant.invariants,
                "seed": found["seed"],
                "seeds": found["seeds_tried"],
                "seconds": found["seconds"],
                "replay": found["replay"],
            }
