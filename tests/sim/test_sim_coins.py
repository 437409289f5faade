"""Coins under forks: payments from change, which depend on each other, survive reorganisations."""

from raclette import SimConfig, simulate
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.sim.config import Workload
from raclette.sim.faults import Partition


def test_a_chain_of_payments_outlives_the_branch_it_was_on() -> None:
    """Two halves mine apart for eight seconds, so that one of them takes back a dozen blocks; four accounts pay twenty
    times each, always from the change of the payment before."""
    split = Partition(at=4 * SECOND, lasting=8 * SECOND, groups=((0, 1, 2), (3, 4, 5)))
    report = simulate(
        SimConfig(
            protocol="nakamoto",
            ledger="coins",
            nodes=6,
            accounts=4,
            seed=2,
            network="wan",
            parameters={"block_interval_s": 1},
            workload=Workload(count=80, interval=100 * MILLISECOND),
            duration=15 * SECOND,
            faults=(split,),
        )
    )
    assert report.violations == []
    assert report.transactions == 80
