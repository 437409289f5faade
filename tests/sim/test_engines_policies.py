"""What an engine hears of votes (each, or a quorum at once) changes its work and not its decisions."""

from collections.abc import Iterator
from typing import Any

import pytest

from raclette.engine.contract import Engine
from raclette.engine.effects import Broadcast, Effect
from raclette.engine.events import Event
from raclette.primitives.errors import ConfigError
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols.pbft.engine import PbftEngine
from raclette.protocols.pbft.messages import Prepare
from raclette.sim.engines import EnginesReport, run_engines
from raclette.sim.faults import Crash, Impair, Pause

QUICK = {"view_timeout_ms": 400, "checkpoint_interval": 4, "window": 16}


def both(**arguments: Any) -> tuple[EnginesReport, EnginesReport]:
    """The same run under EVERY and under QUORUM."""
    every = run_engines(policy="every", kernel="reference", **arguments)
    quorum = run_engines(policy="quorum", kernel="reference", **arguments)
    assert every.complete
    assert quorum.complete
    return every, quorum


@pytest.mark.parametrize(
    "arguments",
    [
        {"nodes": 4, "blocks": 20},
        {"nodes": 7, "blocks": 20, "network": "wan", "pace": 10 * MILLISECOND},
        {"nodes": 31, "blocks": 4},
        {"nodes": 13, "blocks": 12, "network": "internet-2019", "pace": 100 * MILLISECOND, "observers": 2},
        {"nodes": 7, "blocks": 20, "pace": 3 * MILLISECOND, "faults": (Crash(SECOND + 2 * MILLISECOND, 0),)},
        {"nodes": 7, "blocks": 12, "loss_ppm": 100_000, "duplicate_ppm": 100_000},
    ],
    ids=["four", "wide", "thirty-one", "world", "crashed-primary", "lossy"],
)
def test_the_same_blocks_are_decided_at_the_same_moments(arguments: dict[str, Any]) -> None:
    every, quorum = both(parameters=QUICK, **arguments)
    assert every.decisions == quorum.decisions
    assert quorum.told["Received"] < every.told["Received"]
    assert quorum.told["Gathered"] > 0
    assert "Gathered" not in every.told


def test_a_quorum_wakes_each_replica_twice_a_block() -> None:
    """Prepared and committed; without checkpoints and loss there is no other reason."""
    parameters = {"checkpoint_interval": 4096, "window": 8192, "view_timeout_ms": 60_000, "view_timeout_cap_ms": 60_000}
    report = run_engines(nodes=13, blocks=10, policy="quorum", parameters=parameters)
    assert report.told["Gathered"] == 2 * 13 * 10


def test_a_crashed_primary_is_replaced_under_either_policy() -> None:
    faults = (Crash(SECOND + 2 * MILLISECOND, 0),)
    for report in both(nodes=7, blocks=20, pace=3 * MILLISECOND, parameters=QUICK, faults=faults):
        assert set(report.views[1:]) == {1}
        assert report.sent["view-change"] > 0
        assert report.sent["new-view"] > 0


def test_work_goes_on_through_heavy_loss_and_reordering() -> None:
    """Here the two policies may differ by microseconds, and so in what a block contains; both decide everything."""
    noise = Impair(SECOND, lasting=SECOND, loss_ppm=200_000, duplicate_ppm=100_000, reorder_ppm=300_000)
    for report in both(nodes=7, blocks=15, pace=50 * MILLISECOND, network="wan", parameters=QUICK, faults=(noise,)):
        assert sum(decision.items for decision in report.decisions) == 15
        assert report.lost["loss"] > 100


class TwoFaced:
    """Says another PREPARE after each of its own."""

    def __init__(self, engine: PbftEngine) -> None:
        self.engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def handle(self, event: Event) -> tuple[Effect, ...]:
        return tuple(self._twist(self.engine.handle(event)))

    def _twist(self, effects: tuple[Effect, ...]) -> Iterator[Effect]:
        for effect in effects:
            yield effect
            if isinstance(effect, Broadcast) and isinstance(effect.message, Prepare):
                vote = effect.message
                yield Broadcast(self.engine.core.own_prepare(vote.view, vote.height, bytes(32), vote.sender))


def lie(index: int, engine: Engine) -> Engine:
    return TwoFaced(engine) if index == 3 and isinstance(engine, PbftEngine) else engine


@pytest.mark.parametrize("kernel", ["reference", "fast"])
def test_whoever_contradicts_itself_is_accused_by_all_though_votes_are_counted(kernel: str) -> None:
    arguments: dict[str, Any] = {"nodes": 7, "blocks": 5, "wrap": lie, "parameters": QUICK}
    every = run_engines(policy="every", **arguments)
    quorum = run_engines(policy="quorum", kernel=kernel, **arguments)
    assert quorum.accusations == every.accusations == {"equivocation-prepare": 6 * 5}
    assert quorum.decisions == every.decisions


def test_an_engine_without_votes_runs_the_same_under_quorum() -> None:
    runs = [run_engines(protocol="nakamoto", nodes=10, blocks=5, degree=4, policy=p) for p in ("every", "quorum")]
    assert runs[0].digest == runs[1].digest


def test_nakamoto_mines_a_chain_on_which_all_agree_though_some_announcements_are_lost() -> None:
    report = run_engines(protocol="nakamoto", nodes=20, blocks=10, degree=4, loss_ppm=50_000, deadline=1_000 * SECOND)
    assert report.complete
    assert sum(decision.items for decision in report.decisions) >= 9
    assert report.told["Sealed"] >= 10
    assert report.lost["loss"] > 0


def test_gossip_reaches_everybody_along_a_graph_and_engines_hear_it_once() -> None:
    report = run_engines(protocol="nakamoto", nodes=20, blocks=5, degree=4)
    assert report.told["Received"] == 19 * report.told["Sealed"]
    assert report.delivered["block"] > report.told["Received"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"policy": "some"}, "policy: 'some' is unknown; accepted are every, quorum"),
        ({"policy": {"prepare": "some"}}, "policy.prepare: 'some' is unknown; accepted are every, first, quorum"),
        ({"nodes": 0}, "nodes: 0; accepted are 1 to 1000"),
        ({"observers": 4}, "observers: 4; accepted are 0 to 3"),
        ({"blocks": 0}, "blocks: 0; accepted are 1 and more"),
        ({"kernel": "quick"}, "kernel: 'quick' is unknown"),
        ({"loss_ppm": -1}, "loss_ppm: -1; accepted are 0 to 1000000"),
        ({"faults": (Crash(0, 9),)}, "faults.0: there is no node 9; accepted are 0 to 3"),
        ({"faults": (Pause(0, 1, SECOND),)}, "faults.0: engine fidelity has no Pause"),
        ({"faults": (Crash(5, 1), Crash(9, 1))}, "faults: node 1 crashes at 9 ns while it is still down"),
        ({"parameters": {"windw": 3}}, "config.protocol.windw"),
    ],
)
def test_what_cannot_be_run_is_refused_with_what_could(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        run_engines(**arguments)
    assert message in str(error.value)
