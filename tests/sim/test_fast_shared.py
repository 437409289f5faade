"""Engines that are alike are asked once: the same run, fewer questions, and nobody is left out in the end."""

from collections.abc import Hashable
from typing import Any

import pytest

pytest.importorskip("numba")

from raclette.engine.effects import Effect
from raclette.engine.events import BlockReceived, Event
from raclette.primitives.errors import InvariantBroken
from raclette.primitives.units import SECOND
from raclette.protocols.nakamoto import Nakamoto
from raclette.sim.fast.relay import FastWires
from raclette.sim.fast.shared import SharedRelay
from raclette.sim.miners import draw_power, make_miners
from raclette.sim.pow import make_wiring
from raclette.sim.relay import Relay, Relayed
from raclette.sim.wires import ReferenceWires

NODES = 50


def shared(interval_ms: int, seed: int, parameters: dict[str, Any] | None = None, **network: Any) -> SharedRelay:
    wiring = make_wiring(NODES, seed=seed, **network)
    relay = make_miners(wiring, draw_power(NODES, seed), interval_ms, kernel="fast", parameters=parameters)
    assert isinstance(relay, SharedRelay)
    return relay


def one_by_one(interval_ms: int, seed: int, parameters: dict[str, Any] | None = None, **network: Any) -> Relay:
    wiring = make_wiring(NODES, seed=seed, **network)
    wires = ReferenceWires(wiring) if seed % 2 else FastWires(wiring)
    relay = make_miners(wiring, draw_power(NODES, seed), interval_ms, wires=wires, parameters=parameters)
    assert isinstance(relay, Relay)
    return relay


def facts(relay: Relayed) -> dict[str, Any]:
    return {
        "digest": relay.digest(),
        "heads": relay.heads(),
        "events": relay.events,
        "happened": relay.happened,
        "now": relay.now,
        "miners": relay.miners,
        "spreads": relay.spreads,
    }


WORLDS: dict[str, tuple[int, dict[str, Any], dict[str, Any]]] = {
    "calm": (60_000, {}, {}),
    "hours without a block": (9_000_000, {}, {}),
    "many branches": (1_500, {}, {}),
    "heaviest subtree": (4_000, {"fork_choice": "ghost"}, {}),
    "changing difficulty": (12_000, {"difficulty_rule": "asert", "block_interval_s": 12}, {}),
    "blocks before their time": (300, {"future_limit_s": 3}, {}),
    "candidates renewed often": (5_000, {"time_refresh_ms": 700}, {}),
    "orphans": (2_000, {}, {"loss_ppm": 90_000, "retry": 12 * SECOND, "serial": True}),
}


@pytest.mark.parametrize("world", WORLDS)
def test_what_engines_are_spared_changes_nothing(world: str) -> None:
    interval_ms, parameters, network = WORLDS[world]
    for seed in (1, 2):
        few, all_ = (make(interval_ms, seed, parameters, **network) for make in (shared, one_by_one))
        for relay in (few, all_):
            relay.run(25)
        assert facts(few) == facts(all_)
        assert few.calls <= all_.calls == all_.happened


def test_a_calm_world_asks_a_few_and_tells_the_others_in_the_end() -> None:
    relay = shared(600_000, 3)
    relay.run(10)
    assert relay.calls < relay.happened / 3
    relay.catch_up()
    assert relay.calls == relay.happened
    relay.catch_up()
    assert relay.calls == relay.happened


def sometimes_different(monkeypatch: pytest.MonkeyPatch, *, says_so: bool) -> None:
    """Engines of an odd key do not move to a new head; that they differ shows in their likeness, or does not."""
    handle, likeness = Nakamoto.handle, Nakamoto.likeness

    def is_odd(engine: Nakamoto) -> bool:
        return engine._mining is not None and engine._mining._tag[0] % 2 == 1

    def stubborn(engine: Nakamoto, event: Event) -> tuple[Effect, ...]:
        effects = handle(engine, event)
        return () if isinstance(event, BlockReceived) and is_odd(engine) else effects

    def honest(engine: Nakamoto) -> Hashable | None:
        return likeness(engine), is_odd(engine)

    monkeypatch.setattr(Nakamoto, "handle", stubborn)
    if says_so:
        monkeypatch.setattr(Nakamoto, "likeness", honest)


def test_engines_that_differ_are_told_apart_if_they_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    sometimes_different(monkeypatch, says_so=True)
    few, all_ = shared(60_000, 1), one_by_one(60_000, 1)
    for relay in (few, all_):
        relay.run(8)
    assert facts(few) == facts(all_)
    assert few.calls < all_.calls
    few.catch_up()


def test_a_likeness_that_promises_too_much_comes_to_light(monkeypatch: pytest.MonkeyPatch) -> None:
    sometimes_different(monkeypatch, says_so=False)
    relay = shared(60_000, 1)
    relay.run(1)
    with pytest.raises(InvariantBroken, match="thought to be like others"):
        relay.catch_up()


def test_engines_of_no_likeness_are_asked_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Nakamoto, "likeness", lambda engine: None)
    alone, all_ = shared(60_000, 2), one_by_one(60_000, 2)
    for relay in (alone, all_):
        relay.run(6)
    assert facts(alone) == facts(all_)
    assert alone.calls == all_.calls
