"""The backbone's checkers: quiet in runs that keep the promises, and each can fire."""

from collections.abc import Callable

import pytest

from raclette.primitives.units import SECOND
from raclette.sim.attacks import safe_depth
from raclette.sim.checkers import ChainGrowth, ChainQuality, CommonPrefix, WorkDone
from raclette.sim.checkers.contract import Checker
from raclette.sim.checkers.quality import most_of_attackers
from raclette.sim.config import SimConfig, Workload
from raclette.sim.faults import Crash
from raclette.sim.liars import LiarSpec
from raclette.sim.simulate import Simulation

LIARS = {0: LiarSpec("selfish")}
BACKBONE = (CommonPrefix, ChainQuality, ChainGrowth, WorkDone)


@pytest.fixture(scope="module")
def played() -> Simulation:
    """A selfish pool with 30 % of the power, for two minutes."""
    return play()


def play(**changes: object) -> Simulation:
    config = SimConfig(
        protocol="nakamoto",
        nodes=4,
        liars=LIARS,
        hash_shares=(9, 7, 7, 7),
        parameters={"block_interval_s": 1},
        accounts=10,
        workload=Workload(count=5),
        duration=120 * SECOND,
        **changes,  # type: ignore[arg-type]
    )
    simulation = Simulation(config)
    simulation.run()
    return simulation


def checker(simulation: Simulation, kind: type) -> Checker:
    return next(found for found in simulation.checkers if isinstance(found, kind))


def judged_again(simulation: Simulation, kind: type, lie: Callable[[], None]) -> list[str]:
    """What the checker says once it has been lied to about the world; powers are as before afterwards."""
    found, hosts = checker(simulation, kind), simulation.world.hosts
    powers = [host.hash_power for host in hosts]
    found.violations.clear()
    lie()
    found.finish(simulation.world)
    for host, power in zip(hosts, powers, strict=True):
        host.hash_power = power
    told = [violation.detail for violation in found.violations]
    found.violations.clear()
    return told


def test_a_selfish_minority_keeps_within_what_the_backbone_promises(played: Simulation) -> None:
    for kind in BACKBONE:
        assert checker(played, kind).violations == []


def test_quality_fires_when_attackers_have_more_blocks_than_their_power_allows(played: Simulation) -> None:
    def lie() -> None:
        played.world.hosts[0].hash_power //= 100

    (detail,) = judged_again(played, ChainQuality, lie)
    assert "attackers with" in detail


def test_growth_fires_when_honest_work_does_not_show_on_the_chain(played: Simulation) -> None:
    def lie() -> None:
        for host in played.world.hosts[1:]:
            host.hash_power *= 4

    (detail,) = judged_again(played, ChainGrowth, lie)
    assert "the honest did enough for" in detail


def test_work_done_fires_when_the_chain_claims_more_than_there_was(played: Simulation) -> None:
    def lie() -> None:
        for host in played.world.hosts:
            host.hash_power //= 10

    (detail,) = judged_again(played, WorkDone, lie)
    assert "the chain claims work" in detail


def test_common_prefix_fires_on_a_reorganisation_that_the_share_does_not_explain(played: Simulation) -> None:
    found = checker(played, CommonPrefix)
    assert isinstance(found, CommonPrefix)
    depth, before = safe_depth(400), found._deepest

    def lie() -> None:
        found._deepest = (depth, 2)

    (detail,) = judged_again(played, CommonPrefix, lie)
    assert f"{depth} blocks were given up at once" in detail
    found._deepest = before


def test_nothing_is_promised_where_nodes_are_down() -> None:
    """A node that is down adds no work: growth and quality are not judged then."""
    simulation = play(faults=(Crash(SECOND, 1, "clean", 100 * SECOND),))
    assert judged_again(simulation, ChainQuality, lambda: None) == []
    for host in simulation.world.hosts[1:]:
        host.hash_power *= 100
    assert judged_again(simulation, ChainGrowth, lambda: None) == []


@pytest.mark.parametrize(("found", "others", "honest", "most"), [(0, 0, 1, 6), (100, 0, 10, 6), (90, 1, 9, 42)])
def test_what_attackers_may_have_is_the_mean_and_a_margin(found: int, others: int, honest: int, most: int) -> None:
    """r = 1/9 of 90 blocks is 10; the deviation sqrt(90 (1/9) (10/9)) rounds up to 4, six of it are 24; a hidden lead
    of 8 more blocks is 9**-8, below one in 10**7."""
    assert abs(most_of_attackers(found, others, honest) - most) <= 1


def test_safe_depths_grow_with_the_share_and_bound_rosenfeld() -> None:
    """At 10 %: 0.36**z; exact success at z = 10 is 7.86e-6 (Rosenfeld 2014), so odds of 10**5 need at most 12."""
    assert [safe_depth(share) for share in (0, 100, 250, 400)] == [1, 21, 73, 508]
    assert 10 <= safe_depth(100, 10**5) <= 12
    for share in (-1, 451, 1000):
        with pytest.raises(ValueError, match="per mille"):
            safe_depth(share)
