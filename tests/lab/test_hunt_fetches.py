"""What is too early is asked for as often as somebody speaks of it, and not as fast as the network answers."""

import pytest

from raclette.engine.effects import Fetch
from raclette.engine.events import BlockReceived
from raclette.lab.hunt.engines.ballot import INITIAL_DIFFICULTY, Ballot
from raclette.lab.hunt.engines.world import EngineWorld
from raclette.primitives.units import SECOND
from raclette.sim.config import SimConfig, Workload
from raclette.sim.faults import SkewClock
from raclette.sim.simulate import simulate

VOTERS = 5
# Beyond ballot's `future_limit_ms`, and nakamoto's.
AHEAD = 40 * SECOND
PARAMETERS = {
    "initial_difficulty": INITIAL_DIFFICULTY,
    "block_interval_s": 1,
    "window_ms": 300,
    "claim_bound_ms": 200,
    "time_refresh_ms": 200,
    "round_ms": 200,
    "round_cap_ms": 400,
    "faults": "0/1",
}


@pytest.mark.parametrize("quorum", ["1/3", "2/3"])
def test_in_the_hunts_world_nobody_is_handed_what_stands_on_a_block_that_it_did_not_take(quorum: str) -> None:
    """All clocks but one are ahead. That one is shown branches whose first block has a time that has not come."""
    adapter, ids = Ballot(), [bytes((0x10 + place,)) * 32 for place in range(VOTERS)]
    parameters = adapter.parameters({**PARAMETERS, "quorum": quorum}, ids)
    world = EngineWorld(adapter.factory(), parameters, ids, power=adapter.power(parameters, VOTERS))
    world.trace = []
    for replica in world.instances[1:]:
        replica.skew = AHEAD
    world.start()
    world.run_for(15_000)
    late = [(event, effects) for place, event, effects in world.trace if place == 0]
    asked = sum(isinstance(effect, Fetch) for _, effects in late for effect in effects)
    heard = sum(not isinstance(event, BlockReceived) for event, _ in late)
    assert world[1].chain.head.number > 10 > world[0].chain.head.number
    assert 20 < asked <= heard
    world.run_for(AHEAD // 1_000_000)
    assert world[0].chain.head.number > 20, "in the end every time has come"


@pytest.mark.parametrize("protocol", ["ballot", "nakamoto"])
def test_a_node_whose_clock_is_behind_asks_as_often_as_it_hears_of_a_block(protocol: str) -> None:
    config = SimConfig(
        protocol=protocol,
        nodes=4,
        seed=3,
        network="wan",
        workload=Workload(count=20, interval=SECOND),
        faults=tuple(SkewClock(at=SECOND, node=node, lasting=0, skew=AHEAD) for node in (1, 2, 3)),
        duration=30 * SECOND,
        settle=0,
    )
    said = simulate(config).messages
    # A round trip takes some 45 ms, so three neighbours could be asked 2,000 times in this time.
    heard = sum(said.get(kind, 0) for kind in ("block", "candidate", "elected", "vote", "status", "ihave"))
    assert 0 < said["get-headers"] < heard / 2
