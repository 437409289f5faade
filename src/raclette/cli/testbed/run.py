"""A scenario on real processes: start, load, disturb, wait until it settles, judge."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raclette.cli.network import LocalNetwork, LocalNode, NetworkPlan
from raclette.cli.testbed.clients import Clients
from raclette.cli.testbed.faults import FaultPlan, Skipped
from raclette.cli.testbed.observe import Observatory, count_frames
from raclette.cli.testbed.verdicts import Verdicts
from raclette.cli.testbed.wires import Wires
from raclette.ledgers.samples import Demand, sample_parameters, sample_transactions
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols import PROTOCOLS
from raclette.sim.config import SimConfig, make_alloc
from raclette.sim.faults import quiet_from
from raclette.sim.models import make_model
from raclette.sim.record import RunRecord, stretch_of
from raclette.sim.simulate import quantile_ms

# How often it is looked whether everything has settled.
LOOK_S = 0.1
# Blocks by which branches may differ at their ends and still count as settled, where somebody mines all the time: two
# found within a message's time of each other are no disagreement, and on a machine with more work than cores there may
# never be a moment at which all nodes show one head. What the clients sent must be below, where all are of one mind.
APART_MAX = 2


@dataclass(frozen=True)
class BedRun:
    """`report` has the keys of `SimReport` that can be known from outside, `wires` and `skipped` besides."""

    report: dict[str, Any]
    record: RunRecord


def not_done(config: SimConfig, neighbours: str = "all") -> list[Skipped]:
    """What of a scenario no process can be made to do, where the tracker links newcomers with `neighbours`."""
    found = [
        Skipped(f"liar n{node:02d}: {spec}", "a real node runs honest code") for node, spec in config.liars.items()
    ]
    if config.hash_shares and len(set(config.hash_shares)) > 1:
        found.append(Skipped("hash-power", "every miner has one thread of this machine"))
    if config.topology != "full":
        found.append(Skipped(f"topology {config.topology}", f"the tracker links newcomers with others: {neighbours}"))
    return found


async def run_on_processes(
    config: SimConfig,
    folder: Path,
    wires: Wires,
    progress: Callable[[str], None] = lambda text: None,
    *,
    neighbours: str = "all",
) -> BedRun:
    """Run it; the processes are gone when this returns. `neighbours` is the tracker's policy. Raises ProcessFailed,
    WiresFailed, ConfigError."""
    plan = NetworkPlan(
        folder,
        nodes=config.nodes,
        observers=config.observers,
        protocol=config.protocol,
        ledger=config.ledger,
        parameters=config.parameters,
        ledger_parameters=sample_parameters(config.ledger, config.accounts, config.workload.count),
        alloc=make_alloc(config),
        wires=wires,
        neighbours=neighbours,
    )
    progress(f"starting {config.nodes} processes on {wires.name}")
    async with LocalNetwork(plan) as network:
        return await _Bed(config, network, wires, progress).run()


class _Bed:
    """One run over a network that is up."""

    def __init__(self, config: SimConfig, network: LocalNetwork, wires: Wires, progress: Callable[[str], None]) -> None:
        self._config = config
        self._network = network
        self._wires = wires
        self._progress = progress
        nodes: Sequence[LocalNode] = network.nodes
        model = make_model(config.network, config.nodes, config.seed)
        self._record = RunRecord(
            protocol=config.protocol,
            seed=config.seed,
            nodes=config.nodes,
            fidelity="processes",
            regions=[model.region(node) for node in range(config.nodes)],
            honest=[True] * config.nodes,
            power=[1] * config.nodes,
            faults=[stretch_of(fault) for fault in config.faults],
        )
        self._seen = Observatory(nodes, self._record, {node.beneficiary: i for i, node in enumerate(nodes)})
        load = config.workload
        amounts = load.amounts(config.seed)
        demand = Demand(load.count, config.seed, config.accounts, load.value_max, amounts, load.outputs)
        raws = sample_transactions(network.genesis, demand)
        self._clients = Clients(nodes, raws, load.times(config.seed), load.patience, self._seen)
        self._faults = FaultPlan(config.faults, nodes, wires)
        self._apart_max = APART_MAX if PROTOCOLS[config.protocol].seals else 0

    async def run(self) -> BedRun:
        """From the first transfer to the verdict."""
        config = self._config
        await self._seen.open()
        faults = asyncio.create_task(self._faults.run())
        clients = asyncio.create_task(self._clients.run())
        try:
            missing = await self._wait(config)
            await faults
        finally:
            for task in (faults, clients):
                task.cancel()
            await asyncio.gather(faults, clients, return_exceptions=True)
            await self._seen.close()
        verdicts = Verdicts(self._seen, self._network.nodes)
        verdicts.liveness(missing)
        verdicts.agreement()
        verdicts.exactly_once()
        await verdicts.supply(sum(int(entry["balance"], 0) for entry in self._network.genesis.alloc.values()))
        await count_frames(self._network.nodes, self._record)
        self._record.orders = self._clients.orders()
        return BedRun(await self._report(verdicts), self._seen.finish())

    async def _wait(self, config: SimConfig) -> str:
        """Until the scenario is over and has settled; what is still missing then."""
        start = max(config.duration, quiet_from(config.faults), config.workload.end(config.seed))
        until = start + config.settle
        while True:
            now = self._seen.now
            missing = self._missing()
            low = self._too_low(config)
            self._progress(f"{now / SECOND:6.1f} s  {missing or low or 'settled'}")
            over = now >= start and not low
            if (over and not missing) or now >= max(until, config.limit if low else 0):
                return missing or low
            await asyncio.sleep(LOOK_S)

    def _missing(self) -> str:
        down = [index for index, node in enumerate(self._network.nodes) if not node.running]
        if down:
            return f"nodes {down} are down"
        if self._clients.waiting:
            return f"{self._clients.waiting} transactions are not executed"
        heads = [self._seen.head(index) for index in range(self._record.nodes)]
        common = self._common(heads)
        if min(self._height(head) for head in heads) - self._height(common) > self._apart_max:
            return f"{len(set(heads))} different heads"
        branch = {item for block in self._seen.branch(common) for item in self._seen.transactions(block)}
        lost = sum(1 for item in self._clients.hashes if item not in branch)
        return f"{lost} transactions fell out of the chain" if lost else ""

    def _common(self, heads: Sequence[int]) -> int:
        """The newest block that is on all their branches."""
        branches = [self._seen.branch(head) for head in heads]
        rest = [set(branch) for branch in branches[1:]]
        return next(block for block in branches[0] if all(block in branch for branch in rest))

    def _height(self, block: int) -> int:
        return self._record.blocks[block].height

    def _too_low(self, config: SimConfig) -> str:
        blocks, record = self._record.blocks, self._record
        head = min(blocks[self._seen.head(index)].height for index in range(record.nodes))
        if head < config.blocks:
            return f"height {head} of {config.blocks} is reached"
        finals = [
            max((blocks[f.block].height for f in record.finals if f.node == n), default=0) for n in range(record.nodes)
        ]
        final = min(finals)
        return f"height {final} of {config.final_blocks} is final" if final < config.final_blocks else ""

    async def _report(self, verdicts: Verdicts) -> dict[str, Any]:
        config, record = self._config, self._record
        lowest = min((self._seen.head(i) for i in range(record.nodes)), key=lambda b: record.blocks[b].height)
        latencies = sorted(o.executed - o.submitted for o in record.orders if o.executed >= 0)
        head = record.blocks[lowest]
        carried: Mapping[str, int] = {}
        if self._wires.emulates:
            with suppress(asyncio.TimeoutError):
                carried = await self._wires.command({"do": "count"})
        return {
            "protocol": config.protocol,
            "ledger": config.ledger,
            "nodes": config.nodes,
            "seed": config.seed,
            "network": str(config.network),
            "fidelity": "processes",
            "wires": self._wires.name,
            "agreed": not verdicts.violations,
            "height": head.height,
            "head": head.hash,
            "violations": verdicts.violations,
            "transactions": len(latencies),
            "submitted": config.workload.count,
            "virtual_ms": self._seen.now // MILLISECOND,
            "p50_ms": quantile_ms(latencies, 50),
            "p99_ms": quantile_ms(latencies, 99),
            "messages": {kind: sum(row) for kind, row in sorted(record.sent.items())},
            "bytes": {kind: sum(row) for kind, row in sorted(record.sent_bytes.items())},
            "packets": dict(carried),
            "refused": dict(sorted(self._clients.refused.items())),
            "crashes": self._faults.crashes,
            "skipped": [
                vars(each) for each in (*not_done(config, self._network.plan.neighbours), *self._faults.skipped)
            ],
        }
