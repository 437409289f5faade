"""Proof of work at two fidelities: the compiled model makes the same run as ten thousand engines would."""

import os
import subprocess
import sys
from typing import Any

import pytest

pytest.importorskip("numba")

from raclette.primitives.errors import ConfigError
from raclette.primitives.randomness import draw64, mix64
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.sim import fast, fixed, relay
from raclette.sim.bench import measure
from raclette.sim.fast.arithmetic import (
    ROUNDING_MAX,
    U64,
    exact_delay,
    product3,
    surprisal,
    tables,
    unit_exponential,
    unit_exponential_least,
)
from raclette.sim.fast.relay import DRAWS_AHEAD, FastDraws
from raclette.sim.pow import PowRun, make_wiring, run_pow
from raclette.sim.relay import Draws
from raclette.sim.wiring import NEVER, Cut, Delay


def facts(run: PowRun) -> dict[str, Any]:
    return {
        "digest": run.digest,
        "parents": run.parents,
        "miners": run.miners,
        "sealed_at": run.sealed_at,
        "heads": run.heads,
        "events": run.events,
        "skipped": run.skipped,
        "lost": run.lost,
        "delays": [run.delays(block) for block in range(1, run.blocks + 1)],
    }


CUT = (Cut(0, 1, 2 * SECOND, 90 * SECOND),)
WORLDS: dict[str, dict[str, Any]] = {
    "calm": {"nodes": 60, "interval_ms": 600_000, "blocks": 10},
    "hours without a block": {"nodes": 20, "interval_ms": 5_000_000, "blocks": 12},
    "many branches": {"nodes": 60, "interval_ms": 1_500, "blocks": 60},
    "children before parents": {"nodes": 30, "interval_ms": 2_000, "blocks": 60, "loss_ppm": 90_000}
    | {"retry": 12 * SECOND, "serial": True},
    "losses and cuts": {"nodes": 30, "interval_ms": 4_000, "blocks": 30, "topology": "full", "cuts": CUT}
    | {"loss_ppm": 40_000, "duplicate_ppm": 50_000, "retry": 9 * SECOND},
}


@pytest.mark.parametrize("world", WORLDS)
def test_the_model_makes_the_run_of_the_engines(world: str) -> None:
    for seed in (1, 2):
        model, engine = (run_pow(**WORLDS[world], seed=seed, fidelity=kind) for kind in ("model", "engine"))
        assert facts(model) == facts(engine)
        assert (model.fidelity, engine.fidelity) == ("model", "engine")
        if world == "many branches":
            assert len(model.stale) > 10
    reference = run_pow(**WORLDS[world], seed=2, fidelity="engine", kernel="reference")
    assert facts(reference) == facts(model)


def test_children_that_come_before_their_parents_wait_for_them() -> None:
    """Otherwise the comparison above would prove nothing about it."""
    run = run_pow(**WORLDS["children before parents"], seed=1)
    early = 0
    for block in range(1, run.blocks + 1):
        times = zip(run.arrivals(block), run.arrivals(run.parents[block]), strict=True)
        early += run.parents[block] > 0 and any(child < parent for child, parent in times)
    assert early > 0
    assert run.heads.count(run.head) > 15


def test_a_network_by_description_gives_figures_by_region_and_quantile() -> None:
    run = run_pow(nodes=100, blocks=20, interval_ms=600_000, seed=3)
    low, middle, high = run.quantiles_ms(10, 50, 90)
    assert 500 < low < middle < high < 20_000
    assert set(run.region_medians_ms()) <= set(run.regions)
    assert run.main_chain[0] == 0
    assert len(run.main_chain) + len(run.stale) == run.blocks + 1
    hop = run_pow(nodes=30, blocks=5, delay_ms=100, topology="full", processing=0, seed=3)
    assert hop.quantile_ms(50) == 300  # announced, asked for, sent
    assert set(hop.region_medians_ms()) == {"place 0"}


def test_the_share_of_hash_power_is_the_share_of_blocks() -> None:
    run = run_pow(nodes=10, blocks=600, interval_ms=60_000, power=[7, *[1] * 9], delay_ms=1, topology="full", seed=4)
    assert 0.36 < run.miners[1:].count(0) / 600 < 0.52  # 7 of 16


def test_the_integer_functions_are_those_of_the_reference() -> None:
    table = tables()
    edges = [0, 1, 2**48 - 1, 2**52, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1]
    for draw in edges + [mix64(i) >> i % 60 for i in range(3_000)]:
        assert surprisal(U64(draw), table) == fixed.surprisal(draw)
        for mean in (6, 12, 124, 325):
            delay = Delay(mean)
            law = table[0, :3].copy()
            law[:] = delay.scale, mean, 5
            assert exact_delay(law, U64(draw), table) == delay.exact(draw)
    for i in range(2_000):
        a, b, c, shift = mix64(i) >> 1, mix64(-i & 0xFFFF) >> 3 + i % 50, mix64(i + 7) >> 9 + i % 40, i % 128
        assert product3(a, b, c, shift) == min(a * b * c >> shift, NEVER)


def test_a_search_never_ends_before_its_cheap_bound_and_a_short_one_hardly_after() -> None:
    table = tables()
    tops = [2**64 - 1 - (mix64(i) >> i % 64) for i in range(4_000)] + [2**64 - 1 - gap for gap in range(300)]
    short = 0
    for draw in [0, 1, 2**63 - 1, 2**63, *[mix64(i) for i in range(2_000)], *tops]:
        least, length = unit_exponential_least(U64(draw)), unit_exponential(U64(draw), table)
        assert 0 <= least <= length == relay.unit_exponential(draw)
        if least < fixed.ONE >> 10:
            short += 1
            assert length - least <= (least * least >> fixed.FRACTION_BITS) + 2 * ROUNDING_MAX
    assert short > 2_000


def test_draws_in_advance_are_the_draws() -> None:
    plain, ahead = Draws(3, 11), FastDraws(3, 11)
    for round_ in range(2 * DRAWS_AHEAD + 3):
        for node in (2, 0, 1)[: 1 + round_ % 3]:
            assert ahead.next(node) == plain.next(node)
    assert abs(sum(plain.next(0) for _ in range(4_000)) / 4_000 / fixed.ONE - 1) < 0.06
    assert draw64(1, 2, 3) != draw64(1, 2, 4)


SCRIPT = "from raclette.sim.pow import run_pow; r = run_pow(nodes=40, blocks=8, interval_ms=9000, seed=5); "


def output(script: str, **env: str) -> str:
    command = [sys.executable, "-c", SCRIPT + script]
    return subprocess.run(command, env=os.environ | env, capture_output=True, text=True, check=True).stdout


def test_processes_with_different_hash_seeds_and_one_that_may_not_compile_have_one_digest() -> None:
    lines = {output("print(r.digest)", PYTHONHASHSEED="1"), output("print(r.digest)", PYTHONHASHSEED="2")}
    without = output("print(r.digest); print(r.kernel, r.fidelity)", NUMBA_DISABLE_JIT="1").splitlines()
    assert lines == {without[0] + "\n"}
    assert without[1] == "reference engine"


def test_a_kernel_that_does_not_work_here_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, "find_spec", lambda name: None)
    assert fast.choose_kernel("auto") == "reference"
    with pytest.raises(ConfigError, match="numba is not installed"):
        fast.choose_kernel("fast")
    with pytest.raises(ConfigError, match="the fast kernel only"):
        run_pow(nodes=5, blocks=1, fidelity="model")
    monkeypatch.undo()
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    with pytest.raises(ConfigError, match="NUMBA_DISABLE_JIT"):
        fast.choose_kernel("fast")


SMALL: dict[str, Any] = {"nodes": 5, "blocks": 2, "topology": "full"}
KINDS: tuple[dict[str, Any], ...] = ({"kernel": "reference"}, {}, {"fidelity": "model"})


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("kernel", {"kernel": "quantum"}),
        ("fidelity", {"fidelity": "vague"}),
        ("blocks", {"blocks": 0}),
        ("interval_ms", {"interval_ms": 0}),
        ("power", {"power": [1, 2]}),
        ("loss_ppm", {"loss_ppm": 950_000}),
        ("cuts", {"cuts": (Cut(0, 0, 0, SECOND),)}),
        ("latency", {"delay_ms": 0}),
        ("block_bytes", {"block_bytes": -1}),
    ],
)
def test_an_impossible_run_is_refused_with_its_key(key: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=key):
        run_pow(**(SMALL | changes))


def test_a_cut_must_be_a_link() -> None:
    wiring = make_wiring(12, topology="regular", degree=2, delay_ms=5)
    strangers = next(node for node in range(1, 12) if node not in wiring.graph[0])
    with pytest.raises(ConfigError, match="not a link"):
        make_wiring(12, topology="regular", degree=2, delay_ms=5, cuts=(Cut(0, strangers, 0, MILLISECOND),))


def test_the_benchmark_reports_the_same_run_on_every_kernel() -> None:
    found = [measure(30, 3, loop_events=3_000, **kinds) for kinds in KINDS]
    assert len({result["digest"] for result in found}) == 1
    assert len({(result["events"], result["p50_ms"], result["stale_percent"]) for result in found}) == 1
    assert [result["kernel"] for result in found] == ["reference", "fast", "fast"]
    assert all(result["ratio"] > 0 and result["reference_over_heapq"] > 0 for result in found)
