"""Order, digest and integers: what reproducibility stands on."""

import math
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raclette.primitives.errors import ConfigError
from raclette.primitives.randomness import Random, mix64
from raclette.primitives.units import MILLISECOND
from raclette.sim import fixed
from raclette.sim.bench import make_relay
from raclette.sim.kernel import Kernel, Kind, place
from raclette.sim.models import internet_2019, make_model, pareto_delay
from raclette.sim.topology import bitcoin_like, from_edges, make_topology, random_regular

Plan = list[tuple[int, int, int]]


def run_plan(plan: Plan) -> tuple[list[tuple[int, int, int]], str]:
    kernel = Kernel()
    seen: list[tuple[int, int, int]] = []
    for time, node, counter in plan:
        where = place(Kind.ARRIVAL, node)
        kernel.schedule(time, where, counter, 7, seen.append, (time, node, counter))
    kernel.run_until(10**9)
    return seen, kernel.digest()


@given(st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), max_size=40), st.randoms())
@settings(max_examples=50, deadline=None)
def test_the_order_of_events_does_not_depend_on_the_order_of_insertion(plan: set[tuple[int, int, int]], rng) -> None:  # type: ignore[no-untyped-def]
    one, other = sorted(plan), sorted(plan)
    rng.shuffle(other)
    assert run_plan(one) == run_plan(other)
    assert run_plan(one)[0] == one


def test_a_cancelled_event_leaves_no_trace() -> None:
    digests = []
    for cancel in (True, False):
        kernel = Kernel()
        happened: list[int] = []
        kernel.schedule(5, place(Kind.TIMER, 1), 1, 0, happened.append, 1)
        if cancel:
            kernel.cancel(kernel.schedule(6, place(Kind.TIMER, 1), 2, 0, happened.append, 2))
        kernel.run_until(100)
        assert happened == [1]
        assert kernel.events == 1
        digests.append(kernel.digest())
    assert digests[0] == digests[1]


def test_a_halted_kernel_goes_on_where_it_stopped() -> None:
    kernel = Kernel()
    happened: list[int] = []

    def stop(number: int) -> None:
        happened.append(number)
        kernel.halt()

    for number in range(3):
        kernel.schedule(number, place(Kind.TIMER, 0), number, 0, stop, number)
    assert not kernel.run_until(10)
    assert happened == [0]
    assert not kernel.run_until(10)
    assert not kernel.run_until(10)
    assert kernel.run_until(10)
    assert kernel.now == 10


@given(st.integers(1, 2**64))
@settings(max_examples=200)
def test_the_fixed_point_logarithm_is_right_to_eleven_digits(value: int) -> None:
    assert abs(fixed.log2(value) / fixed.ONE - math.log2(value)) < 1e-11


@given(st.floats(0, 30))
@settings(max_examples=200)
def test_the_fixed_point_power_is_right_to_eleven_digits(exponent: float) -> None:
    assert abs(fixed.exp2(int(exponent * fixed.ONE), 10**14) / 10**14 / 2**exponent - 1) < 1e-11


def test_known_values_of_the_fixed_point_functions_never_change() -> None:
    """Another value here is another trace for every seed."""
    assert fixed.log2(3) == 446127282977750
    assert fixed.exp2(fixed.ONE // 3, 10**15) == 1259921049894861
    assert fixed.exponential(10**9, mix64(1)) == 1084216601
    assert pareto_delay(124, mix64(1)) == 124317888


def test_draws_have_the_mean_and_tail_that_their_distribution_says() -> None:
    random = Random(1)
    draws = [fixed.exponential(10**9, random.next64()) for _ in range(20_000)]
    assert 0.97e9 < sum(draws) / len(draws) < 1.03e9
    assert 0.35 < sum(1 for draw in draws if draw > 10**9) / len(draws) < 0.385  # 1/e
    model = make_model("internet-2019", 100, 1)
    delays = [model.delay(0, 1, random.next64()) for _ in range(5_000)]
    assert min(delays) >= 10 * MILLISECOND


def test_a_quantile_of_a_delay_is_close_to_the_exact_draw() -> None:
    model = make_model("internet-2019", 10, 1)
    places = model.places  # type: ignore[attr-defined]
    mean = internet_2019().latency_ms[places[0]][places[1]]
    random = Random(2)
    for _ in range(500):
        draw = random.next64()
        exact = 10 * MILLISECOND + pareto_delay(mean, draw)
        assert abs(model.delay(0, 1, draw) - exact) <= exact // 10


def test_regular_graphs_are_regular_symmetric_and_connected() -> None:
    for seed in range(5):
        graph = random_regular(50, 6, seed)
        assert all(len(row) == 6 for row in graph)
        assert all(node in graph[peer] for node, row in enumerate(graph) for peer in row)
        reached, stack = {0}, [0]
        while stack:
            fresh = [peer for peer in graph[stack.pop()] if peer not in reached]
            reached.update(fresh)
            stack += fresh
        assert len(reached) == 50


def test_a_bitcoin_like_graph_has_the_published_mean_degree() -> None:
    graph = bitcoin_like(2_000, internet_2019().degree_per_1000, 1)
    mean = sum(len(row) for row in graph) / len(graph)
    assert 14 < mean < 19  # about 8.4 opened and as many accepted


@pytest.mark.parametrize(("name", "nodes", "degree"), [("regular", 4, 5), ("regular", 5, 3), ("moebius", 4, 2)])
def test_an_impossible_topology_is_refused_with_its_key(name: str, nodes: int, degree: int) -> None:
    with pytest.raises(ConfigError, match="topology"):
        make_topology(name, nodes, 1, degree, internet_2019().degree_per_1000)


def test_an_edge_to_nowhere_is_refused() -> None:
    with pytest.raises(ConfigError, match="0 to 3"):
        from_edges(4, [(0, 4)])


def test_pruned_announcements_change_nothing_but_the_work() -> None:
    whole, pruned = make_relay(60, 5, prune=False), make_relay(60, 5)
    for relay in (whole, pruned):
        relay.run(8)
    assert whole.digest() == pruned.digest()
    assert whole.events == pruned.events
    assert pruned.pruned > whole.events // 2


def test_every_node_of_a_relay_ends_on_one_head_and_blocks_take_seconds() -> None:
    relay = make_relay(80, 2)
    relay.run(10)
    assert {len(spread.delays) for spread in relay.spreads[1:]} == {80}
    assert relay.common_head().number >= 8
    slowest = max(spread.delays[-1] for spread in relay.spreads[1:])
    assert 1_000 * MILLISECOND < slowest < 60_000 * MILLISECOND


RELAY_SCRIPT = "from raclette.sim.bench import make_relay; r = make_relay(50, 9); r.run(5); print(r.digest())"


def test_a_relay_has_the_same_digest_in_processes_with_different_hash_seeds() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", RELAY_SCRIPT],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
