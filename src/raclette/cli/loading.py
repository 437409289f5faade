"""`raclette load`: real processes, and as many transactions as they take, of the kind that their ledger is for.

Payments from account to account, payments that split one output among several, votes and registrations, or entries:
what `ledgers.samples` has for the ledger, which is also what the simulator's clients send. Reports the rate, the time
from handing a transaction over to its block, and how many messages and bytes of each kind the nodes sent for it.
"""

import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from raclette.chain.presets import SAMPLE_ACCOUNTS
from raclette.cli.app import app, examples
from raclette.cli.load import ClosedLoop, LoadFailed, percentiles
from raclette.cli.network import LocalNetwork, NetworkPlan
from raclette.cli.output import Json, console, one_line_errors, print_json, print_table
from raclette.cli.testbed.observe import count_frames
from raclette.ledgers import LEDGERS
from raclette.ledgers.samples import Demand, check_outputs, sample_parameters, sample_transactions, sample_turns_of
from raclette.primitives.errors import ConfigError
from raclette.protocols import find_protocol
from raclette.sim.record import RunRecord

# Draws amounts, receivers and choices.
SEED = 1


@dataclass(frozen=True)
class LoadPlan:
    """`count` transactions of `accounts` sample accounts, `outstanding` of them in flight, to `nodes` nodes."""

    protocol: str
    ledger: str
    nodes: int
    count: int
    outstanding: int
    accounts: int
    outputs: int

    def check(self) -> None:
        """Raises ConfigError."""
        find_protocol(self.protocol)
        if self.ledger not in LEDGERS:
            raise ConfigError(f"no ledger {self.ledger!r}; accepted: {', '.join(LEDGERS)}")
        check_outputs(self.ledger, (self.outputs, self.outputs))


@app.command(
    epilog=examples(
        "raclette load",
        "raclette load --ledger coins --outputs 20",
        "raclette load --ledger poll --protocol senate --count 500",
        "raclette load --protocol nakamoto --ledger data --json",
    ),
    rich_help_panel="Explore",
)
@one_line_errors
def load(
    protocol: Annotated[str, typer.Option(help="Consensus protocol: see `raclette protocols`.")] = "pbft",
    ledger: Annotated[str, typer.Option(help="Ledger: see `raclette ledgers`. It decides what is sent.")] = "bank",
    nodes: Annotated[int, typer.Option("--nodes", "-n", min=1, max=64, help="Nodes, each a process.")] = 4,
    count: Annotated[int, typer.Option(min=1, help="Transactions to send.")] = 2_000,
    outstanding: Annotated[int, typer.Option(min=1, help="Most transactions in flight.")] = 200,
    accounts: Annotated[int, typer.Option(min=1, max=SAMPLE_ACCOUNTS, help="Accounts that sign in turn.")] = 100,
    outputs: Annotated[int, typer.Option(min=1, help="coins: receivers of each payment.")] = 1,
    keep: Annotated[Path | None, typer.Option(help="Keep the nodes' folders here (configs, logs, databases).")] = None,
    json: bool = Json,
) -> None:
    """Load a network of real processes with the transactions of its ledger: rate, latency, bytes by kind of message."""
    plan = LoadPlan(protocol, ledger, nodes, count, outstanding, accounts, outputs)
    plan.check()
    if keep is not None:
        result = asyncio.run(measure(plan, keep))
    else:
        with tempfile.TemporaryDirectory(prefix="raclette-load-") as folder:
            result = asyncio.run(measure(plan, Path(folder)))
    if json:
        print_json(result)
    else:
        show(result)


async def measure(plan: LoadPlan, folder: Path) -> dict[str, Any]:
    """Start the network, send everything, and count. Raises LoadFailed, ProcessFailed, ConfigError."""
    network_plan = NetworkPlan(
        folder,
        nodes=plan.nodes,
        protocol=plan.protocol,
        ledger=plan.ledger,
        accounts=plan.accounts,
        ledger_parameters=sample_parameters(plan.ledger, plan.accounts, plan.count),
    )
    async with LocalNetwork(network_plan) as network:
        demand = Demand(plan.count, SEED, plan.accounts, outputs=(plan.outputs, plan.outputs))
        raws = sample_transactions(network.genesis, demand)
        turns = sample_turns_of(plan.ledger, plan.count, plan.accounts)
        clients = [node.client for node in network.nodes]
        loop = ClosedLoop(clients, raws, turns, plan.outstanding)
        start, cpu = time.perf_counter(), network.cpu_seconds()
        await loop.run(clients[0])
        seconds, cpu = time.perf_counter() - start, network.cpu_seconds() - cpu
        record = RunRecord(protocol=plan.protocol, seed=SEED, nodes=plan.nodes, fidelity="processes")
        await count_frames(network.nodes, record)
        height = int(await clients[0].call("eth_blockNumber"), 16)
    if loop.refused:
        raise LoadFailed(f"{len(loop.refused)} transactions refused, the first: {loop.refused[0]}")
    last = max(when for when, _ in loop.committed)
    p50, p99 = percentiles([latency for _, latency in loop.committed])
    return {
        "protocol": plan.protocol,
        "ledger": plan.ledger,
        "nodes": plan.nodes,
        "transactions": len(loop.committed),
        "transaction_bytes": sum(map(len, raws)) // len(raws),
        "height": height,
        "committed_per_s": len(loop.committed) / (last - start),
        "p50_ms": p50,
        "p99_ms": p99,
        "cpu_us_per_transaction": cpu * 1e6 / len(loop.committed),
        "seconds": seconds,
        "messages": {kind: sum(row) for kind, row in sorted(record.sent.items())},
        "bytes": {kind: sum(row) for kind, row in sorted(record.sent_bytes.items())},
    }


def show(result: dict[str, Any]) -> None:
    """For a person."""
    console.print(
        f"{result['transactions']:,} transactions of {result['ledger']} ({result['transaction_bytes']:,} bytes each) "
        f"on {result['nodes']} {result['protocol']} nodes: {result['committed_per_s']:,.0f} a second, latency "
        f"p50 {result['p50_ms']:.0f} ms, p99 {result['p99_ms']:.0f} ms, {result['height']} blocks, "
        f"{result['cpu_us_per_transaction']:.0f} us of CPU each"
    )
    kinds = sorted(result["bytes"], key=lambda kind: -result["bytes"][kind])
    rows = ((kind, f"{result['messages'].get(kind, 0):,}", f"{result['bytes'][kind]:,}") for kind in kinds)
    print_table("messages sent", ("kind", "count", "bytes"), rows)
