"""Two kernels, one run: the compiled wires agree with the reference on every event."""

from typing import Any

import pytest

pytest.importorskip("numba")

from raclette.primitives.units import MILLISECOND, SECOND
from raclette.sim.fast.relay import FastWires
from raclette.sim.miners import draw_power, make_miners
from raclette.sim.models import Regions, assign_regions, internet_2019
from raclette.sim.relay import Relayed
from raclette.sim.topology import bitcoin_like, full_mesh, random_regular
from raclette.sim.wires import ReferenceWires
from raclette.sim.wiring import Cut, Wiring, regional, uniform

NODES = 40
INTERVAL_MS = 15_000  # so short that branches, and now and then orphans, occur


def wiring_of(topology: str, seed: int, **changes: Any) -> Wiring:
    table = internet_2019()
    if topology == "full":
        return uniform(full_mesh(NODES), 300 * MILLISECOND, seed, transmit=40 * MILLISECOND, **changes)
    graph = (
        random_regular(NODES, 6, seed) if topology == "regular" else bitcoin_like(NODES, table.degree_per_1000, seed)
    )
    return regional(graph, Regions(assign_regions(NODES, table.share, seed), table), 535_000, seed, **changes)


def cuts_of(topology: str, seed: int) -> tuple[Cut, ...]:
    """Every third link is down for a minute, some of them twice."""
    graph = wiring_of(topology, seed).graph
    links = [(node, peer) for node, row in enumerate(graph) for peer in row if node < peer]
    down = [Cut(a, b, index % 40 * SECOND, (index % 40 + 60) * SECOND) for index, (a, b) in enumerate(links[::3])]
    return (*down, *(Cut(cut.b, cut.a, cut.end + 9 * SECOND, cut.end + 50 * SECOND) for cut in down[::2]))


def run(wiring: Wiring, kernel: str, lookahead: int | None = None, blocks: int = 12) -> Relayed:
    wires = ReferenceWires(wiring, lookahead or 1) if kernel == "reference" else FastWires(wiring, lookahead)
    relay = make_miners(wiring, draw_power(wiring.nodes, wiring.seed), INTERVAL_MS, wires=wires)
    relay.run(blocks)
    return relay


def figures(relay: Relayed) -> dict[str, Any]:
    wires = relay.wires
    return {
        "digest": relay.digest(),
        "events": relay.events,
        "skipped": wires.skipped,
        "lost": wires.lost,
        "incomplete": wires.incomplete,
        "head": relay.common_head().hash,
        "spreads": relay.spreads,
    }


WORLDS: dict[str, dict[str, Any]] = {
    "clean": {},
    "whole": {"prune": False},
    "streams": {"stop_and_wait": False},
    "serial": {"serial": True, "processing": 150 * MILLISECOND},
    "twice": {"duplicate_ppm": 200_000},
    "lossy": {"loss_ppm": 150_000, "retry": 8 * SECOND},
    "everything": {"loss_ppm": 50_000, "duplicate_ppm": 100_000, "retry": 5 * SECOND, "serial": True},
}


@pytest.mark.parametrize("topology", ["regular", "bitcoin", "full"])
@pytest.mark.parametrize("world", WORLDS)
def test_the_kernels_agree(topology: str, world: str) -> None:
    for seed in (1, 2):
        wiring = wiring_of(topology, seed, **WORLDS[world])
        reference, fast = run(wiring, "reference"), run(wiring, "fast")
        assert figures(fast) == figures(reference)
        assert reference.wires.incomplete == 0
        assert (reference.wires.lost > 0) == bool(wiring.loss_ppm)


@pytest.mark.parametrize("topology", ["regular", "full"])
def test_the_kernels_agree_while_links_are_cut_and_every_block_arrives_in_the_end(topology: str) -> None:
    for seed in (3, 4):
        wiring = wiring_of(topology, seed, cuts=cuts_of(topology, seed), loss_ppm=20_000, retry=20 * SECOND)
        reference, fast = run(wiring, "reference"), run(wiring, "fast")
        assert figures(fast) == figures(reference)
        assert reference.wires.incomplete == 0


@pytest.mark.parametrize("world", ["clean", "everything"])
def test_how_far_the_wires_look_ahead_changes_nothing(world: str) -> None:
    wiring = wiring_of("bitcoin", 5, **WORLDS[world])
    assert wiring.lookahead > 15 * MILLISECOND
    one_by_one = figures(run(wiring, "reference", 1))
    assert figures(run(wiring, "fast", 1)) == one_by_one
    assert figures(run(wiring, "reference", wiring.lookahead)) == one_by_one
    assert figures(run(wiring, "fast", 3 * MILLISECOND)) == one_by_one


def test_pruning_changes_nothing_but_the_work_and_is_off_where_messages_are_lost() -> None:
    pruned, whole = (run(wiring_of("bitcoin", 6, prune=prune), "fast") for prune in (True, False))
    assert pruned.digest() == whole.digest()
    assert pruned.events == whole.events
    assert pruned.wires.skipped > whole.wires.skipped + whole.events // 3
    lossy = [run(wiring_of("bitcoin", 6, prune=prune, loss_ppm=10_000), "fast") for prune in (True, False)]
    assert figures(lossy[0]) == figures(lossy[1])
