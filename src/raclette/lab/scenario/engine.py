"""Scenarios at engine fidelity: thousands of engines over light chains, blocks or votes carried by a kernel.

Proof of work runs on the relay of `sim.relay` (announcement, request, block), everything else on `sim.engines` (every
vote counted). Both give the same report and record as whole nodes do, as far as they know: there are no clients, so no
transaction is executed and none has a latency; and votes leave no trace of which node, see `RunRecord.by_node`.
"""

from collections.abc import Sequence
from typing import Any

from raclette.chain.header import Header
from raclette.lab.scenario.resolve import Resolved
from raclette.lab.scenario.section import ScenarioError, Section
from raclette.lab.scenario.translate import to_config
from raclette.primitives.errors import ConfigError
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols import PROTOCOLS
from raclette.sim.config import MINING_DIFFICULTY, SimConfig
from raclette.sim.engines import EnginesReport, EnginesRun
from raclette.sim.engines.run import NODES_MAX as VOTERS_MAX
from raclette.sim.faults import CutLink, Impair, Partition
from raclette.sim.miners import make_miners
from raclette.sim.models import Lan, Regions, internet_2019, make_model
from raclette.sim.record import NEVER, UNKNOWN, BlockRecord, Finality, HeadChange, RunRecord, stretch_of
from raclette.sim.relay import Relayed
from raclette.sim.simulate import SimReport
from raclette.sim.topology import Graph, make_topology
from raclette.sim.wiring import Cut, Wiring, regional, uniform

# Blocks of a run whose file names no height.
BLOCKS_DEFAULT = 100
# What a transaction weighs: a signed transfer with a short memo.
ITEM_BYTES = 250
# Hash power of the whole network, hashes a second: large enough that a node with a millionth of it still mines.
POWER_TOTAL = 1 << 40
_LIVENESS, _AGREEMENT = "liveness", "agreement"
CHECKERS = (_AGREEMENT, _LIVENESS)


def check_light(resolved: Resolved) -> None:
    """Can it be run at this fidelity? Raises ScenarioError."""
    scenario = resolved.scenario
    seals = PROTOCOLS[scenario.protocol.name].seals
    if resolved.liars:
        raise ScenarioError("liars", 'engine fidelity has no liars; accepted with them is fidelity = "full"')
    for key in ("stake", "machine", "ledger"):
        if key in scenario.model_fields_set:
            raise ScenarioError(key, 'means nothing at engine fidelity; accepted with it is fidelity = "full"')
    _check_keys(scenario.stop, "stop", ("blocks",) if seals else ("blocks", "limit"))
    _check_keys(scenario.workload, "workload", ("block_bytes",) if seals else ("count", "rate"))
    for place, name in enumerate(scenario.checkers):
        if name not in CHECKERS:
            accepted = ", ".join(CHECKERS)
            raise ScenarioError(
                f"checkers[{place}]", f"{name!r} does not apply at engine fidelity; accepted: {accepted}"
            )
    if seals and scenario.observers:
        raise ScenarioError("observers", "under proof of work every node mines at engine fidelity; accepted is 0")
    if not seals and scenario.nodes > VOTERS_MAX:
        raise ScenarioError("nodes", f"{scenario.nodes}; accepted are 1 to {VOTERS_MAX} that vote")
    if not seals and scenario.topology.kind not in ("full", "regular"):
        raise ScenarioError("topology.kind", f"{scenario.topology.kind!r}; accepted are 'full' and 'regular'")


def _check_keys(section: Section, path: str, accepted: Sequence[str]) -> None:
    """Nothing that was written is ignored. Raises ScenarioError."""
    for key in type(section).model_fields:
        if key in section.model_fields_set and key not in accepted:
            raise ScenarioError(
                f"{path}.{key}", f"means nothing here at engine fidelity; accepted are {', '.join(accepted)}"
            )


def run_light(resolved: Resolved) -> tuple[SimReport, RunRecord]:
    """The run. Raises ScenarioError."""
    config = to_config(resolved)
    if PROTOCOLS[config.protocol].seals:
        return _run_relay(resolved, config)
    return _run_votes(resolved, config)


def _new_record(config: SimConfig, power: Sequence[int], *, by_node: bool) -> RunRecord:
    model = make_model(config.network, config.nodes, config.seed)
    return RunRecord(
        protocol=config.protocol,
        seed=config.seed,
        nodes=config.nodes,
        fidelity="engine",
        by_node=by_node,
        regions=[model.region(node) for node in range(config.nodes)],
        honest=[True] * config.nodes,
        power=list(power),
        faults=[stretch_of(fault) for fault in config.faults],
    )


def _violation(checker: str, time: int, detail: str) -> dict[str, Any]:
    return {"checker": checker, "time_ms": time // MILLISECOND, "node": -1, "detail": detail}


def _report(config: SimConfig, record: RunRecord, found: list[dict[str, Any]], **fields: Any) -> SimReport:
    wanted = [violation for violation in found if not config.checkers or violation["checker"] in config.checkers]
    events = fields.pop("events")
    return SimReport(
        protocol=config.protocol,
        ledger="none",
        nodes=config.nodes,
        seed=config.seed,
        network=str(config.network),
        fidelity="engine",
        agreed=not wanted,
        violations=wanted,
        sometimes={},
        state_root="",
        transactions=0,
        submitted=0,
        events=events,
        virtual_ms=record.end // MILLISECOND,
        events_per_virtual_s=events * SECOND // max(1, record.end),
        p50_ms=0.0,
        p99_ms=0.0,
        **fields,
    )


# Proof of work


def _wiring(resolved: Resolved, config: SimConfig) -> Wiring:
    """The wires of this network. Raises ScenarioError for faults that they do not know."""
    scenario = resolved.scenario
    degrees = internet_2019().degree_per_1000
    graph = make_topology(config.topology, config.nodes, config.seed, config.degree, degrees)
    model = make_model(config.network, config.nodes, config.seed)
    block_bytes = scenario.workload.block_bytes
    changes = _impairments(resolved, graph)
    if isinstance(model, Regions) and not model.table.fixed:
        return regional(graph, model, block_bytes, config.seed, **changes)
    if isinstance(model, Lan) and not model.jitter:
        transmit = block_bytes * 8 * SECOND // model.bits_per_s if model.bits_per_s else 0
        return uniform(graph, model.latency, config.seed, transmit=transmit, **changes)
    raise ScenarioError(
        "network",
        "engine fidelity relays blocks over latencies without jitter (lan, constant) or drawn by the Pareto "
        'law (internet-2019, regions with spread = "pareto")',
    )


def _impairments(resolved: Resolved, graph: Graph) -> dict[str, Any]:
    """Faults as the wires know them."""
    cuts: list[Cut] = []
    changes: dict[str, Any] = {}
    for plan in resolved.faults:
        fault, end = plan.fault, plan.at + plan.lasting
        if isinstance(fault, CutLink | Partition) and not getattr(fault, "one_way", False):
            pairs = fault.pairs() if isinstance(fault, Partition) else [(fault.a, fault.b)]
            cuts += [Cut(a, b, plan.at, end) for a, b in pairs if a < b and b in graph[a]]
        elif isinstance(fault, Impair) and not (fault.at or fault.involved or fault.reorder_ppm) and not changes:
            changes = {"loss_ppm": fault.loss_ppm, "duplicate_ppm": fault.duplicate_ppm}
        else:
            raise ScenarioError(
                plan.path,
                f"engine fidelity cannot do this {plan.kind}; accepted are partition (both ways), cut-link, and one "
                'impair of every link from at = "0s" on that loses or duplicates',
            )
    return {"cuts": tuple(cuts), **changes}


def _hash_rates(resolved: Resolved) -> list[int]:
    """Hashes a second of each node. Raises ScenarioError for a node that would have none."""
    whole = sum(resolved.power)
    rates = [POWER_TOTAL * share // whole for share in resolved.power]
    if min(rates) < 1:
        raise ScenarioError("hash-power", "a node has none; accepted at engine fidelity is some for every node")
    return rates


def _run_relay(resolved: Resolved, config: SimConfig) -> tuple[SimReport, RunRecord]:
    parameters = dict(config.parameters)
    interval_s = parameters.pop("block_interval_s", None) or 600
    parameters.pop("initial_difficulty", MINING_DIFFICULTY)
    rates = _hash_rates(resolved)
    wiring = _wiring(resolved, config)
    kernel = resolved.scenario.kernel
    relay = make_miners(wiring, rates, interval_s * 1_000, kernel=kernel, parameters=parameters)
    blocks = config.blocks or BLOCKS_DEFAULT
    relay.run(blocks)
    record = _relay_record(relay, config, resolved)
    head = relay.common_head()
    report = _report(
        config,
        record,
        _relay_violations(relay, parameters.get("fork_choice", "heaviest"), record.end),
        height=head.number,
        head="0x" + head.hash.hex(),
        digest=relay.digest(),
        events=relay.events,
        messages={},
        bytes={},
        lost={"wires": relay.wires.lost} if relay.wires.lost else {},
    )
    return report, record


def _relay_record(relay: Relayed, config: SimConfig, resolved: Resolved) -> RunRecord:
    record = _new_record(config, resolved.power, by_node=True)
    record.end = max(relay.now, relay.wires.now)
    slots = relay.register.slots
    cursor: Header | None = relay.common_head()
    canonical = set()
    while cursor is not None:
        canonical.add(cursor.hash)
        parent = slots.get(cursor.parent_hash)
        cursor = relay.register.blocks[parent].header if parent is not None else None
    for slot, block in enumerate(relay.register.blocks):
        header = block.header
        record.blocks.append(
            BlockRecord(
                hash="0x" + header.hash.hex(),
                parent=slots.get(header.parent_hash, UNKNOWN),
                height=header.number,
                miner=relay.miners[slot] if slot else UNKNOWN,
                born=relay.sealed_at[slot],
                bytes=resolved.scenario.workload.block_bytes if slot else 0,
                transactions=0,
                work=header.difficulty,
                canonical=header.hash in canonical,
                final=not slot,
            )
        )
        record.reached.append([int(time) for time in relay.wires.arrivals(slot)] if slot else [0] * config.nodes)
    return record


def _relay_violations(relay: Relayed, fork_choice: str, end: int) -> list[dict[str, Any]]:
    """Everything has arrived that could: does every node follow a branch that nobody's outweighs?"""
    found = []
    lacking = relay.wires.incomplete
    if lacking:
        found.append(_violation(_LIVENESS, end, f"{lacking} blocks are not everywhere"))
    heads = relay.heads()
    best = max(header.number for header in heads)
    behind = sum(1 for header in heads if header.number < best)
    if behind and fork_choice == "heaviest" and not lacking:
        found.append(_violation(_AGREEMENT, end, f"{behind} nodes follow a branch with less work than another's"))
    return found


# Votes


def _run_votes(resolved: Resolved, config: SimConfig) -> tuple[SimReport, RunRecord]:
    load = resolved.scenario.workload
    blocks = config.blocks or BLOCKS_DEFAULT
    items = max(1, load.count // blocks)
    try:
        run = EnginesRun(
            protocol=config.protocol,
            nodes=config.nodes,
            observers=config.observers,
            parameters=config.parameters,
            network=make_model(config.network, config.nodes, config.seed),
            degree=config.degree if config.topology == "regular" else 0,
            blocks=blocks,
            items=items,
            pace=round(items * SECOND / load.rate),
            seed=config.seed,
            policy="quorum",
            kernel=resolved.scenario.kernel,
            faults=config.faults,
            deadline=config.limit,
            item_bytes=ITEM_BYTES,
            loss_ppm=0,
            duplicate_ppm=0,
            wrap=None,
        )
    except ConfigError as error:
        path, _, said = str(error).partition(": ")
        raise ScenarioError(path, said) from None
    found = run.run()
    record = _votes_record(found, config, resolved.power)
    violations = _vote_violations(run, found)
    last = found.decisions[-1] if found.decisions else None
    report = _report(
        config,
        record,
        violations,
        height=last.number if last else 0,
        head="0x" + last.hash.hex() if last else "",
        digest=found.digest,
        events=found.messages,
        messages=found.sent,
        bytes=found.bytes,
        lost=found.lost,
        misbehaved=found.accusations,
    )
    return report, record


def _vote_violations(run: EnginesRun, found: EnginesReport) -> list[dict[str, Any]]:
    """No two nodes hold different blocks final at one height, and all work is decided."""
    violations = []
    final: dict[int, bytes] = {}
    for node in run.world.nodes:
        for number in range(1, node.chain.finalized.number + 1):
            header = node.chain.canonical(number)
            if header is not None and final.setdefault(number, header.hash) != header.hash:
                violations.append(_violation(_AGREEMENT, found.virtual_ns, f"height {number} is final in two ways"))
                break
    if not found.complete:
        violations.append(_violation(_LIVENESS, found.virtual_ns, "not all work is decided everywhere"))
    return violations


def _votes_record(found: EnginesReport, config: SimConfig, power: Sequence[int]) -> RunRecord:
    """Times are sorted, so a place in them stands for no node in particular."""
    record = _new_record(config, power, by_node=False)
    record.end = found.virtual_ns
    record.blocks.append(BlockRecord("0x" + bytes(32).hex(), UNKNOWN, 0, UNKNOWN, 0, 0, 0, 1, True, True))
    record.reached.append([0] * config.nodes)
    for place, decision in enumerate(found.decisions, 1):
        name = "0x" + decision.hash.hex()
        size = decision.items
        record.blocks.append(
            BlockRecord(name, place - 1, decision.number, UNKNOWN, decision.made, 0, size, 1, True, True)
        )
        missing = config.nodes - len(decision.settled)
        record.reached.append([*decision.settled, *[NEVER] * missing])
        record.heads += [HeadChange(time, rank, place, 0) for rank, time in enumerate(decision.settled)]
        record.finals += [Finality(time, rank, place) for rank, time in enumerate(decision.settled)]
    record.heads.sort()
    record.finals.sort()
    return record
