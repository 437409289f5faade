"""Scenario files: what is accepted, what it means, and how every mistake is told."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from raclette.lab.scenario import (
    Scenario,
    ScenarioError,
    ScenarioFile,
    open_scenario,
    read_scenario,
    resolve,
    to_config,
    with_values,
)
from raclette.lab.scenario.faults import fault_kinds
from raclette.lab.scenario.metrics import summarise
from raclette.lab.scenario.nodes import set_shares
from raclette.lab.scenario.values import (
    parse_duration,
    parse_rate,
    parse_seconds,
    parse_share,
    show_duration,
    show_rate,
    show_share,
)
from raclette.primitives.units import MILLISECOND, MINUTE, SECOND
from raclette.protocols import PROTOCOLS
from raclette.sim.faults import Crash, DriftClock, Impair, Partition, SlowDisk
from raclette.sim.liars import LiarSpec


def read(text: str, values: Mapping[str, Any] | None = None, *, beyond: bool = False) -> Scenario:
    return read_scenario(ScenarioFile("mine", "mine.toml", text, Path()), values, beyond=beyond)


def complaint(text: str, values: Mapping[str, Any] | None = None) -> str:
    with pytest.raises(ScenarioError) as caught:
        read(text, values)
    return str(caught.value)


# Values


@pytest.mark.parametrize(
    ("text", "time"),
    [("250ms", 250 * MILLISECOND), ("1.5s", 3 * SECOND // 2), ("10min", 10 * MINUTE), ("3 ns", 3), (0, 0)],
)
def test_durations_are_exact_nanoseconds(text: str | int, time: int) -> None:
    assert parse_duration(text) == time
    assert parse_duration(show_duration(time)) == time


@pytest.mark.parametrize("text", ["250", "ms", "-1s", "1 day", "0.5ns", 3, 1.5, True, "9" * 30 + "h", "1e3s", ""])
def test_what_is_no_duration_is_refused_with_an_example(text: Any) -> None:
    with pytest.raises(ValueError, match="250ms"):
        parse_duration(text)


def test_a_signed_duration_is_only_accepted_where_it_means_something() -> None:
    assert parse_duration("-2s", negative=True) == -2 * SECOND
    with pytest.raises(ValueError, match="at least 0"):
        parse_duration("-2s")


def test_seconds_are_numbers_or_durations() -> None:
    assert parse_seconds(1.5) == parse_seconds("1500ms") == 3 * SECOND // 2
    wrongs: tuple[Any, ...] = (-1, True, [], "3")
    for wrong in wrongs:
        with pytest.raises(ValueError, match="duration"):
            parse_seconds(wrong)


@pytest.mark.parametrize(("text", "ppm"), [("30%", 300_000), (0.3, 300_000), ("0.25%", 2_500), (1, 1_000_000), (0, 0)])
def test_shares_are_exact_parts_per_million(text: str | float, ppm: int) -> None:
    assert parse_share(text) == ppm
    assert parse_share(show_share(ppm)) == ppm


@pytest.mark.parametrize("text", ["130%", -0.1, "30", True, "a%", 1.01, float("nan"), float("inf")])
def test_what_is_no_share_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match="30%"):
        parse_share(text)


def test_rates_have_units_or_no_limit() -> None:
    assert parse_rate("20Mbit/s") == 20_000_000
    assert parse_rate("unlimited") == 0
    assert [parse_rate(show_rate(rate)) for rate in (0, 1, 10_000, 2_500_000)] == [0, 1, 10_000, 2_500_000]
    for wrong in ("20MB/s", 20, "0bit/s", "-1bit/s"):
        with pytest.raises(ValueError, match="20Mbit/s"):
            parse_rate(wrong)


# What a file means


def test_an_empty_file_is_four_replicas_and_a_hundred_transfers() -> None:
    config = to_config(resolve(read(""), 1))
    assert (config.protocol, config.nodes, config.workload.count, config.seed) == ("pbft", 4, 100, 1)


def test_seeds_are_one_a_list_or_a_range() -> None:
    assert read("seeds = 7").seeds == (7,)
    assert read("seeds = [3, 1]").seeds == (3, 1)
    assert read("seeds = { first = 5, count = 3 }").seeds == (5, 6, 7)


def test_text_in_the_place_of_a_table_is_its_first_key() -> None:
    short = read('protocol = "nakamoto"\nnetwork = "wan"\ntopology = "bitcoin"\nhash-power = "zipf"')
    assert (short.protocol.name, short.network.model, short.topology.kind) == ("nakamoto", "wan", "bitcoin")
    assert short.hash_power.kind == "zipf"


def test_faults_are_read_by_the_fields_of_the_simulator_with_units() -> None:
    text = """
[[faults]]
kind = "crash"
at = "1.5s"
for = "3s"
node = 2
mode = "tear"
[[faults]]
kind = "impair"
at = "0s"
for = "2s"
loss = "10%"
late = "20ms"
[[faults]]
kind = "drift-clock"
at = "1s"
for = "1s"
node = 0
drift = "-0.5%"
[[faults]]
kind = "partition"
at = "1s"
for = "1s"
groups = [[3], "50%", "rest"]
one_way = true
"""
    crash, impair, drift, split = to_config(resolve(read(text), 1)).faults
    assert crash == Crash(3 * SECOND // 2, 2, "tear", 3 * SECOND)
    assert impair == Impair(0, 2 * SECOND, loss_ppm=100_000, late_ns=20 * MILLISECOND)
    assert drift == DriftClock(SECOND, 0, SECOND, -5_000)
    assert split == Partition(SECOND, ((3,), (0, 1), (2,)), SECOND, one_way=True)


def test_several_nodes_and_repetitions_unfold_into_one_fault_each() -> None:
    text = """
nodes = 6
[[faults]]
kind = "slow-disk"
at = "1s"
for = "1s"
nodes = [1, 4]
stagger = "100ms"
repeat = 2
every = "5s"
fsync = "5ms"
"""
    faults = to_config(resolve(read(text), 1)).faults
    assert all(isinstance(fault, SlowDisk) for fault in faults)
    assert [(fault.involved, fault.at // MILLISECOND) for fault in faults] == [
        ((1,), 1000),
        ((4,), 1100),
        ((1,), 6000),
        ((4,), 6100),
    ]


def test_who_is_left_to_the_seed_depends_on_nothing_else() -> None:
    text = 'nodes = 31\n[[liars]]\nkind = "silent"\nnodes = 10\n'
    drawn = {seed: tuple(resolve(read(text), seed).liars) for seed in range(1, 9)}
    assert len(set(drawn.values())) == 8
    more = text + '[[faults]]\nkind = "pause"\nat = "1s"\nfor = "1s"\nnodes = 3\n'
    assert tuple(resolve(read(more), 3).liars) == drawn[3]
    assert len(resolve(read(more), 3).faults) == 3


def test_a_share_of_the_votes_is_as_many_as_hold_at_most_that() -> None:
    text = 'nodes = 10\n[[liars]]\nkind = "silent"\nnodes = "30%"\n'
    assert len(resolve(read(text), 1).liars) == 3


def test_parameters_of_a_lie_may_be_written_with_their_unit() -> None:
    text = '[[liars]]\nkind = "delay"\nnodes = [3]\ndelay = "1.5s"\n'
    assert resolve(read(text), 1).liars == {3: LiarSpec.of("delay", delay_ms=1500)}


def test_a_pool_has_exactly_the_power_that_it_is_given() -> None:
    text = """
protocol = "nakamoto"
nodes = 7
hash-power = "zipf"
[[liars]]
kind = "selfish"
nodes = [1, 4]
power = "30%"
"""
    power = resolve(read(text), 1).power
    assert 10 * (power[1] + power[4]) == 3 * sum(power)
    assert power[1] == power[4]
    with pytest.raises(ScenarioError, match="leaves 100%"):
        set_shares((1, 1), [((0,), 600_000), ((1,), 600_000)], "x")


@pytest.mark.parametrize("kind", ["equal", "zipf", "pareto", "normal"])
def test_distributions_are_whole_positive_and_drawn_from_the_seed(kind: str) -> None:
    text = f'protocol = "nakamoto"\nnodes = 50\nhash-power = "{kind}"\n'
    one, again, other = (resolve(read(text), seed).power for seed in (1, 1, 2))
    assert one == again
    assert (one == other) == (kind == "equal")
    assert all(isinstance(share, int) and share > 0 for share in one)


def test_zipf_gives_the_second_half_of_the_first() -> None:
    power = sorted(resolve(read('protocol = "nakamoto"\nnodes = 20\nhash-power = "zipf"\n'), 1).power, reverse=True)
    assert abs(power[0] - 2 * power[1]) <= 2
    assert abs(power[0] - 5 * power[4]) <= 5


def test_named_groups_share_power_and_can_lie() -> None:
    text = """
protocol = "nakamoto"
nodes = 5
[groups]
pool = [0, 3]
[hash-power]
kind = "shares"
shares = { pool = "40%" }
[[liars]]
kind = "silent"
nodes = "pool"
"""
    resolved = resolve(read(text), 1)
    assert tuple(resolved.liars) == (0, 3)
    assert 5 * (resolved.power[0] + resolved.power[3]) == 2 * sum(resolved.power)


def test_stake_divides_the_same_money() -> None:
    equal = to_config(resolve(read(""), 1)).balances
    poor = to_config(resolve(read('[workload]\naccounts = 50\n[stake]\nkind = "pareto"\n'), 1)).balances
    assert equal == ()
    assert len(poor) == 50
    assert max(poor) > 2 * min(poor)


def test_own_regions_have_own_latencies() -> None:
    text = """
nodes = 4
[network]
model = "regions"
regions = ["here", "there"]
latencies = [["1ms", "80ms"], ["90ms", "2ms"]]
upload = ["10Mbit/s", "unlimited"]
download = ["20Mbit/s", "20Mbit/s"]
nodes = { here = 1, there = 3 }
"""
    config = to_config(resolve(read(text), 1))
    spec = config.network
    assert not isinstance(spec, str)
    assert spec.counts == (1, 3)
    assert spec.table is not None
    assert spec.table.latency_ms == ((1, 80), (90, 2))


# Variables and values from outside


def test_variables_are_replaced_and_changed_by_their_name() -> None:
    text = """
[variables]
late = "2s"
[variables.attacker]
size = 1
[[liars]]
kind = "silent"
nodes = "$attacker.size"
[stop]
settle = "$late"
"""
    assert read(text).stop.settle == 2 * SECOND
    changed = read(text, {"late": "3s", "attacker.size": [2]})
    assert changed.stop.settle == 3 * SECOND
    assert tuple(resolve(changed, 1).liars) == (2,)


def test_values_are_put_at_paths_without_touching_the_original() -> None:
    raw = {"protocol": "pbft", "faults": [{"kind": "pause", "node": 1}]}
    changed = with_values(raw, {"protocol.pipeline": 2, "faults[0].node": 2, "faults.0.at": "1s", "stop.blocks": 3})
    assert changed == {
        "protocol": {"name": "pbft", "pipeline": 2},
        "faults": [{"kind": "pause", "node": 2, "at": "1s"}],
        "stop": {"blocks": 3},
    }
    assert raw == {"protocol": "pbft", "faults": [{"kind": "pause", "node": 1}]}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("frobnicate", "is no key and no variable"),
        ("faults[3].node", "the list is empty"),
        ("nodes.x.y", "is no table"),
        ("a..b", "is no path"),
        ("", "is no path"),
        ("workload[0]", "is no list"),
    ],
)
def test_a_path_that_leads_nowhere_is_told(path: str, said: str) -> None:
    raw = {"faults": [], "nodes": 4, "workload": {}}
    if path == "nodes.x.y":
        with pytest.raises(ScenarioError):
            read("nodes = 4", {path: 1})
        return
    with pytest.raises(ScenarioError, match=said):
        with_values(raw, {path: 1})


# Mistakes

PBFT_LIARS = '[[liars]]\nkind = "silent"\nnodes = [1, 2]\n'
FAULT = '[[faults]]\nkind = "crash"\nat = "1s"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("frob = 3", "mine.toml:1: frob: unknown key; accepted are title, about, nodes"),
        ("\n[stop]\nsecond = 3", "mine.toml:3: stop.second: unknown key; accepted are seconds, blocks"),
        ("nodes = 0", "mine.toml:1: nodes: 0; accepted is 1 and more"),
        ('nodes = "4"', "nodes: '4'; accepted is an integer"),
        ("observers = 4", "observers: 4; accepted are 0 to 3"),
        ('protocol = "paxos"', "protocol.name: 'paxos' is unknown; accepted are nakamoto, "),
        ("[protocol]\npipelines = 3", "mine.toml:2: protocol.pipelines: unknown key; accepted are name, validators"),
        ("[protocol]\npipeline = 0", "protocol.pipeline: 0; "),
        ('ledger = "gold"', "ledger: 'gold' is unknown; accepted are "),
        ('network = "moon"', "network.model: 'moon'; accepted are 'lan', 'wan'"),
        ('[network]\nmodel = "lan"\nlatency = "3ms"', "network.latency: means nothing with model = 'lan'"),
        ('[network]\nmodel = "internet-2019"\nnodes = { mars = 4 }', "network.nodes.mars: is no region"),
        ('[network]\nmodel = "internet-2019"\nnodes = { japan = 3 }', "network.nodes: 3 nodes in all; accepted are 4"),
        ('[topology]\nkind = "regular"\ndegree = 4', "mine.toml:3: topology.degree: 4 neighbours for each of 4 nodes"),
        ('nodes = 7\n[topology]\nkind = "regular"\ndegree = 3', "accepted are 2 to 6, even"),
        ('[topology]\nkind = "file"\nfile = "no.json"', "topology.file: no.json"),
        (
            '[[faults]]\nkind = "quake"\nat = "1s"',
            "mine.toml:2: faults[0].kind: 'quake' is unknown; accepted are crash",
        ),
        (FAULT + "node = 9", "mine.toml:4: faults[0].node: 9; accepted are 0 to 3"),
        (FAULT, "mine.toml:1: faults[0].node: is missing; accepted is a node number"),
        (FAULT + 'node = 1\nmode = "burn"', "faults[0].mode: 'burn'; accepted are clean, lose, tear"),
        (FAULT + "node = 1\nnodes = 2", "faults[0].node: stands beside nodes"),
        (FAULT + "node = 1\nloss = 0.5", "faults[0].loss: unknown for 'crash'; accepted are at, for, node"),
        (FAULT + "nodes = 5", "faults[0].nodes: 5 nodes; accepted are at most 4"),
        (FAULT + "node = 1\nrepeat = 2", "faults[0].every: is missing"),
        ('[[faults]]\nkind = "pause"\nat = "1s"\nnode = 1', "faults[0].for: is missing"),
        ('[[faults]]\nkind = "pause"\nat = 1\nnode = 1', "faults[0].at: 1; accepted is a duration with its unit"),
        ('[[faults]]\nkind = "partition"\nat = "1s"\nfor = "1s"\ngroups = [[0], [0]]', "one node is in two groups"),
        ('[[faults]]\nkind = "partition"\nat = "1s"\nfor = "1s"\ngroups = [4, "rest"]', "groups[1]: 'rest' is 0 nodes"),
        ('[[liars]]\nkind = "grumpy"', "mine.toml:2: liars[0].kind: 'grumpy' is unknown; accepted are silent"),
        ('[[liars]]\nkind = "selfish"', "liars[0].kind: 'selfish' makes no sense for pbft"),
        ('[[liars]]\nkind = "silent"\nnodes = [4]', "liars[0].nodes[0]: there is no such node 4; accepted are 0 to 3"),
        ('[[liars]]\nkind = "silent"\nnodes = "crooks"', "liars[0].nodes: there is no group 'crooks'"),
        ('[[liars]]\nkind = "delay"\ndelay_ms = 0', "liars[0].delay_ms: 0; accepted are integers from 1"),
        ('[[liars]]\nkind = "silent"\nvolume = 3', "liars[0].volume: unknown for 'silent'"),
        ('[[liars]]\nkind = "silent"\npower = 0.3', "liars[0].power: means nothing for 'pbft'"),
        (PBFT_LIARS, "mine.toml:1: liars: 2 of 4 replicas lie; accepted are at most f = 1"),
        ('[hash-power]\nkind = "zipf"', "hash-power: means nothing for 'pbft'"),
        ('checkers = ["harmony"]', "checkers[0]: 'harmony' does not apply here; accepted are agreement"),
        ('metrics = ["beauty"]', "metrics[0]: 'beauty' is unknown; accepted are height"),
        ('expect = "wonders"', "expect: 'wonders'; accepted are \"holds\""),
        ("seeds = []", "seeds: []; accepted is a seed"),
        ("[variables]\nx = 1", "variables.x: is never used"),
        ("[variables]\nnodes = 1", "variables.nodes: is a key of the file"),
        ('nodes = "$many"', "mine.toml:1: nodes: '$many' is not defined"),
        ("nodes = = 3", "mine.toml:1: no TOML: Invalid value"),
        ('fidelity = "engine"\n[stop]\nseconds = 3', "stop.seconds: means nothing here at engine fidelity"),
        ('fidelity = "engine"\n[machine]\ncpu = "1us"', "machine: means nothing at engine fidelity"),
        ("[workload]\nblock_bytes = 9", "workload.block_bytes: means nothing with whole nodes"),
        ('kernel = "fast"', 'kernel: "fast" carries engines'),
        ("nodes = 200", "mine.toml:1: nodes: 200 that vote; "),
        ("nodes = 5000", 'nodes: 5000; accepted are 1 to 1000 whole nodes (more with fidelity = "engine")'),
        ('fidelity = "engine"\n[[liars]]\nkind = "silent"\n', "liars: engine fidelity has no liars"),
        (
            'fidelity = "engine"\nprotocol = "nakamoto"\nobservers = 1\n',
            "observers: under proof of work every node mines",
        ),
    ],
)
def test_every_mistake_is_told_with_its_place_and_what_is_accepted(text: str, said: str) -> None:
    told = complaint(text)
    assert said in told
    assert "\n" not in told


def test_more_liars_than_claimed_are_allowed_beyond_and_said_so() -> None:
    scenario = read(PBFT_LIARS, beyond=True)
    resolved = resolve(scenario, 1)
    assert "at most f = 1" in resolved.beyond
    assert to_config(resolved).beyond
    assert not to_config(resolve(read(""), 1)).beyond


def test_liars_that_are_drawn_are_judged_under_every_seed() -> None:
    text = 'protocol = "nakamoto"\nnodes = 5\nhash-power = { kind = "list", values = [8, 1, 1, 1, 1] }\n'
    text += 'seeds = { first = 1, count = 20 }\n[[liars]]\nkind = "silent"\nnodes = 1\n'
    assert "66.67% of the hash power lies" in complaint(text)
    assert "under seed" in complaint(text)


def test_half_of_the_hash_power_is_beyond_proof_of_work() -> None:
    text = 'protocol = "nakamoto"\n[[liars]]\nkind = "selfish"\nnodes = [0]\npower = "{}"\n'
    assert resolve(read(text.format("49.9%")), 1).beyond == ""
    assert "50% of the hash power lies; accepted is less than half" in complaint(text.format("50%"))


def test_every_protocol_states_what_it_bears() -> None:
    from raclette.lab.scenario.claims import CLAIMS

    assert set(CLAIMS) == set(PROTOCOLS)


def test_a_value_from_the_command_line_is_blamed_without_a_line() -> None:
    assert complaint("nodes = 4", {"nodes": 0}).startswith("mine.toml: nodes: 0;")


def test_a_file_that_is_not_there_names_the_library() -> None:
    with pytest.raises(ScenarioError, match="quiet-pbft"):
        open_scenario("nowhere.toml")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ScenarioError, match="is no text"):
        open_scenario(tmp_path / "x.toml")


def test_every_kind_of_fault_says_whether_processes_can_have_it() -> None:
    kinds = fault_kinds()
    assert kinds["pause"].on_processes is True
    assert kinds["skew-clock"].on_processes is False
    assert kinds["crash"].on_processes is None


def test_metrics_of_several_runs_have_an_interval() -> None:
    found = summarise([{"height": 10.0}, {"height": 14.0}, {}])
    assert found["height"]["mean"] == 12.0
    assert found["height"]["runs"] == 2
    assert round(found["height"]["ci95"], 2) == 25.41  # t(1 degree) = 12.706 times the standard error 2
