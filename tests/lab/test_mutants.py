"""The registry of known bugs: what is planted comes out again, and everything named exists."""

from contextlib import suppress
from importlib import import_module
from typing import Any

import pytest

from raclette.lab.mutants import Mutant, find_mutant, mutants_of
from raclette.lab.mutants.planting import Swap, swapped
from raclette.lab.mutants.registry import MUTANTS
from raclette.primitives.errors import ConfigError
from raclette.primitives.units import SECOND
from raclette.protocols.nakamoto import rules
from raclette.protocols.pbft.quorum import Committee
from raclette.sim.config import SimConfig, Workload
from raclette.sim.simulate import simulate

IDS = [f"{mutant.protocol}-{mutant.id}" for mutant in MUTANTS]


def found(path: str) -> Any:
    """What stands at "room.module.Class.name" now."""
    module, names = f"raclette.{path}", []
    while True:
        module, _, name = module.rpartition(".")
        names.append(name)
        with suppress(ImportError):
            place: Any = import_module(module)
            break
    for name in reversed(names):
        place = vars(place)[name]
    return place


def test_an_id_names_one_mutant_of_a_protocol() -> None:
    assert len(set(IDS)) == len(IDS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=IDS)
def test_every_mutant_says_what_it_is(mutant: Mutant) -> None:
    assert mutant.title
    assert mutant.source
    assert mutant.invariants
    assert mutant.where


@pytest.mark.parametrize("mutant", MUTANTS, ids=IDS)
def test_what_is_planted_comes_out_again(mutant: Mutant) -> None:
    before = [found(path) for path in mutant.where]
    with mutant.plant():
        assert all(found(path) is not honest for path, honest in zip(mutant.where, before, strict=True))
    assert all(found(path) is honest for path, honest in zip(mutant.where, before, strict=True))


@pytest.mark.parametrize("mutant", MUTANTS, ids=IDS)
def test_a_quiet_network_runs_with_the_bug(mutant: Mutant) -> None:
    """A mutant that does not fit the code it is planted in would be caught by its own mistake."""
    parameters = {"block_interval_s": 1} if mutant.protocol == "nakamoto" else {}
    config = SimConfig(
        protocol=mutant.protocol,
        parameters=parameters,
        workload=Workload(count=3),
        accounts=3,
        duration=2 * SECOND,
        settle=0,
    )
    with mutant.plant():
        assert simulate(config).events > 0


def test_a_planted_bug_is_gone_after_an_exception() -> None:
    honest = Committee.__init__
    ids = tuple(bytes([i]) * 32 for i in range(4))

    def fail_with_the_bug() -> None:
        with find_mutant("pbft", "P1").plant():
            assert Committee(ids, 1).quorum == 2
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_with_the_bug()
    assert Committee.__init__ is honest
    assert Committee(ids, 1).quorum == 3


def test_nothing_computed_with_a_bug_is_remembered_without_it() -> None:
    rules._medians[b"a block"] = 1
    with find_mutant("pbft", "P1").plant():
        assert b"a block" not in rules._medians
        rules._medians[b"another"] = 2
    assert b"another" not in rules._medians


def test_a_mutant_of_code_that_has_gone_is_refused() -> None:
    with pytest.raises(AttributeError, match="does not exist"), swapped(Swap(Committee, "gone", None)):
        pass


def test_a_clean_run_is_the_same_after_a_planted_one() -> None:
    config = SimConfig(seed=3, workload=Workload(count=5), accounts=5)
    before = simulate(config)
    with find_mutant("pbft", "P5").plant():
        simulate(config)
    assert simulate(config) == before


def test_an_unknown_mutant_is_answered_with_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"'P99' is unknown for pbft; accepted are P1, "):
        find_mutant("pbft", "P99")
    with pytest.raises(ConfigError, match="unknown protocol"):
        mutants_of("raft")
    assert find_mutant("pbft", "p1").id == "P1"
