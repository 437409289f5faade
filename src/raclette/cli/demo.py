"""`raclette demo`: the main job, end to end, on this machine.

Tracker and four nodes as processes; two thousand signed transactions of the chosen ledger's kind, sent to different
nodes; a node killed with SIGKILL under load and restarted; a fifth that joins late and fetches the history; with the
bank, wallets and some sealed letters; in the end a table, and a verdict that only holds if all five have the same
ledger and no money appeared or vanished. Then the same in the simulator, by the same node code.
"""

import asyncio
import secrets
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from raclette.chain.genesis import sample_key
from raclette.chain.presets import SAMPLE_BALANCE
from raclette.cli import verbs
from raclette.cli.app import app, examples
from raclette.cli.load import ClosedLoop, LoadFailed, percentiles
from raclette.cli.network import LocalNetwork, LocalNode, NetworkPlan
from raclette.cli.output import VERDICT_FAILED, Json, console, one_line_errors, print_json, print_table
from raclette.cli.purse import Purse
from raclette.ledgers import LEDGERS
from raclette.ledgers.samples import Demand, sample_parameters, sample_transactions, sample_turns_of
from raclette.primitives.amounts import format_amount
from raclette.primitives.errors import ConfigError, RacletteError
from raclette.primitives.keys import AccountKey, checksum_address
from raclette.primitives.keystore import SCRYPT_WORK_FAST
from raclette.primitives.units import ETHER

ACCOUNTS = 1_000
# People with wallets of their own, and how many letters they write.
WRITERS = ("alice", "bob", "carol", "dave", "erin")
LETTERS = 10
# The ledger that knows names and sealed letters.
LETTERS_ON = "bank"
# Who signs the load; the accounts after them fund the wallets.
SENDERS = ACCOUNTS - len(WRITERS)
PURSE_MONEY = 10 * ETHER
PASSPHRASE = "raclette"  # of keystores that live as long as the demo
OUTSTANDING = 200
# How long after the last transfer all five must agree.
AGREE_TIMEOUT_S = 30.0
VICTIM = 2


class Story:
    """What has happened so far, told as it happens."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._start = time.perf_counter()

    def tell(self, text: str) -> None:
        """One line with the time since the beginning."""
        if not self._quiet:
            console.print(f"[dim]{time.perf_counter() - self._start:6.1f} s[/dim]  {text}", soft_wrap=True)


@app.command(
    epilog=examples(
        "raclette demo",
        "raclette demo --protocol nakamoto",
        "raclette demo --protocol senate --ledger coins",
        "raclette demo --json",
    ),
    rich_help_panel="Start here",
)
@one_line_errors
def demo(
    protocol: Annotated[str, typer.Option(help="Consensus protocol: see `raclette protocols`.")] = "pbft",
    ledger: Annotated[str, typer.Option(help="Ledger: see `raclette ledgers`. It decides what is sent.")] = "bank",
    transfers: Annotated[int, typer.Option(min=100, help="Signed transactions to send.")] = 2_000,
    keep: Annotated[Path | None, typer.Option(help="Keep the nodes' folders here (configs, logs, databases).")] = None,
    json: bool = Json,
) -> None:
    """Five real processes through a crash, a restart and a late joiner; then the same in the simulator."""
    if ledger not in LEDGERS:
        raise ConfigError(f"no ledger {ledger!r}; accepted: {', '.join(LEDGERS)}")
    story = Story(quiet=json)
    if keep is not None:
        live = asyncio.run(run_live(keep, protocol, ledger, transfers, story))
    else:
        with tempfile.TemporaryDirectory(prefix="raclette-demo-") as folder:
            live = asyncio.run(run_live(Path(folder), protocol, ledger, transfers, story))
    simulated = run_simulated(protocol, ledger, story)
    result = live | {"simulated": simulated, "agreed": live["agreed"] and simulated["agreed"]}
    if json:
        print_json(result)
    else:
        show(result)
    if not (result["agreed"] and result["supply_conserved"] and result["letters_read"] == result["letters"]):
        raise typer.Exit(VERDICT_FAILED)


async def run_live(folder: Path, protocol: str, ledger: str, transfers: int, story: Story) -> dict[str, Any]:
    """The story on real processes. Raises LoadFailed, ProcessFailed."""
    plan = NetworkPlan(
        folder,
        nodes=4,
        late=1,
        protocol=protocol,
        ledger=ledger,
        accounts=ACCOUNTS,
        ledger_parameters=sample_parameters(ledger, SENDERS, transfers),
    )
    network = LocalNetwork(plan)
    story.tell(f"starting a tracker and {plan.nodes} {protocol} nodes, each a process of its own")
    async with network:
        await linked(network)
        story.tell("all linked over TLS 1.3; every node speaks JSON-RPC: " + network.nodes[0].rpc_url)
        loop, latecomer = await load(network, transfers, story)
        everybody = [*network.nodes, latecomer]
        keys = await make_wallets(network, story) if ledger == LETTERS_ON else []
        last = await write_letters(network, keys, story) if keys else 0
        height = await agreement(everybody, last, story)
        rows = [await describe(node, height) for node in everybody]
        read = await read_letters(latecomer, keys) if keys else 0
        if keys:
            story.tell(f"{read} of {LETTERS} sealed letters read from the late joiner's copy of the chain")
    return report(loop, rows, read, plan)


async def linked(network: LocalNetwork) -> None:
    """Wait until every node has as many peers as there are others."""
    for node in network.nodes:
        while int(await node.client.call("net_peerCount"), 16) < len(network.nodes) - 1:
            network.check()
            await asyncio.sleep(0.05)


async def load(network: LocalNetwork, transfers: int, story: Story) -> tuple[ClosedLoop, LocalNode]:
    """The closed loop, with a crash, a restart and a late joiner on the way."""
    nodes, latecomer = network.nodes, network.members[-1]
    ledger = network.plan.ledger
    raws = sample_transactions(network.genesis, Demand(transfers, 1, SENDERS))
    turns = sample_turns_of(ledger, transfers, SENDERS)
    loop = ClosedLoop([node.client for node in nodes], raws, turns, OUTSTANDING)
    moment = {share: asyncio.Event() for share in (3, 5, 6)}

    def progress(committed: int) -> None:
        for share, event in moment.items():
            if committed * 10 >= transfers * share:
                event.set()

    loop.on_progress = progress
    story.tell(f"sending {transfers:,} signed transactions of {ledger} to all nodes, {OUTSTANDING} in flight")
    running = asyncio.create_task(loop.run(nodes[0].client))
    incidents = asyncio.create_task(disturb(loop, nodes[VICTIM], latecomer, moment, story))
    try:
        await asyncio.gather(running, incidents)
    finally:
        running.cancel()
        incidents.cancel()
    if loop.refused:
        raise LoadFailed(f"{len(loop.refused)} transactions refused, the first: {loop.refused[0]}")
    story.tell(f"{len(loop.committed):,} transactions committed")
    return loop, latecomer


async def disturb(
    loop: ClosedLoop, victim: LocalNode, latecomer: LocalNode, moment: dict[int, asyncio.Event], story: Story
) -> None:
    """Kill one, let one join, bring the first back."""
    await moment[3].wait()
    loop.retire(VICTIM)
    await loop.settled(VICTIM)
    await victim.kill()
    story.tell(f"killed {victim.name} with SIGKILL; the others go on")
    await moment[5].wait()
    await latecomer.start()
    story.tell(f"{latecomer.name} joins late: it fetches and verifies the history")
    await moment[6].wait()
    await victim.start()
    story.tell(f"restarted {victim.name} from its own database")


async def make_wallets(network: LocalNetwork, story: Story) -> list[AccountKey]:
    """New encrypted keystores, funded by sample accounts, with names and public keys published on the chain."""
    purse = Purse(network.plan.folder / "wallet")
    keys = [AccountKey.from_entropy(secrets.token_bytes(64)) for _ in WRITERS]

    async def settle(index: int) -> None:
        name, key = WRITERS[index], keys[index]
        purse.keep(name, key, PASSPHRASE, work=SCRYPT_WORK_FAST)
        client = network.nodes[index % len(network.nodes)].client
        recipient = verbs.Recipient(key.address, key.public_key, name)
        sent = await verbs.send(client, sample_key(SENDERS + index), recipient, PURSE_MONEY)
        await verbs.included(client, sent["hash"])
        registered = await verbs.register(client, key, name)
        await verbs.included(client, registered["hash"])

    await asyncio.gather(*(settle(index) for index in range(len(WRITERS))))
    story.tell(f"{len(WRITERS)} wallets made, funded, and known by name: {', '.join(WRITERS)}")
    return keys


async def write_letters(network: LocalNetwork, keys: list[AccountKey], story: Story) -> int:
    """Money and a sealed message by name, handed to different nodes. Returns the height that has them all."""
    strangers_purse = Purse(network.plan.folder / "empty")  # so that names come from the chain

    async def write(index: int) -> int:
        client = network.nodes[index % len(network.nodes)].client
        to = await verbs.resolve(client, strangers_purse, WRITERS[(index + 1) % len(WRITERS)])
        text = f"letter {index}: the cheese is melting"
        sent = await verbs.send(client, keys[index % len(keys)], to, ETHER, text)
        receipt = await verbs.included(client, sent["hash"])
        return int(receipt["blockNumber"], 16)

    heights = []
    for first in range(0, LETTERS, len(WRITERS)):
        heights += await asyncio.gather(*(write(index) for index in range(first, first + len(WRITERS))))
    story.tell(f"{LETTERS} transfers by name, each with a sealed message, committed")
    return max(heights)


async def read_letters(node: LocalNode, keys: list[AccountKey]) -> int:
    """How many letters their receivers can read. Raises RacletteError if somebody else can."""
    read = 0
    for key in keys:
        mine = [letter for letter in await verbs.letters(node.client, key) if letter.receiver == text_of(key)]
        read += sum(letter.text.startswith("letter ") for letter in mine)
    for stranger in (sample_key(0), sample_key(SENDERS)):
        if await verbs.letters(node.client, stranger):
            raise RacletteError("a stranger could read a sealed letter")
    return read


def text_of(key: AccountKey) -> str:
    """Checksummed address."""
    return checksum_address(key.address)


async def agreement(nodes: list[LocalNode], least: int, story: Story) -> int:
    """Wait until all have the same block at the lowest of their heads, which must have reached `least`: the height to
    compare at. Where blocks are never final, heads go on differing; after the time is up the table will tell."""
    deadline = time.perf_counter() + AGREE_TIMEOUT_S
    while True:
        heights = [int(await node.client.call("eth_blockNumber"), 16) for node in nodes]
        lowest = min(heights)
        blocks = {(await block_at(node, lowest))["hash"] for node in nodes}
        if len(blocks) == 1 and lowest >= least:
            story.tell(f"all five have the same block at height {lowest}")
            return lowest
        if time.perf_counter() > deadline:
            story.tell("[red]they do not agree[/red]")
            return lowest
        await asyncio.sleep(0.1)


async def block_at(node: LocalNode, number: int) -> dict[str, Any]:
    """The block, or an empty answer if the head has just moved below it."""
    found = await node.client.call("eth_getBlockByNumber", hex(number), False)
    return found or {"hash": "", "stateRoot": ""}


async def describe(node: LocalNode, height: int) -> dict[str, Any]:
    """A row of the table: the block at the common height, and the money at the node's own head."""
    block = await block_at(node, height)
    supply = await node.client.call("raclette_supply")
    return {
        "name": node.name,
        "height": height,
        "head": block["hash"],
        "state_root": block["stateRoot"],
        "supply": int(supply["supply"]),
        "issued": int(supply["issued"]),
        "peers": int(await node.client.call("net_peerCount"), 16),
    }


def report(loop: ClosedLoop, rows: list[dict[str, Any]], read: int, plan: NetworkPlan) -> dict[str, Any]:
    """The verdict in numbers."""
    letters = LETTERS if plan.ledger == LETTERS_ON else 0
    times = [when for when, _ in loop.committed]
    span = max(times) - min(when - latency for when, latency in loop.committed) if times else 0.0
    p50, p99 = percentiles([latency for _, latency in loop.committed])
    genesis = ACCOUNTS * SAMPLE_BALANCE
    agreed = len({(row["head"], row["state_root"]) for row in rows}) == 1
    return {
        "protocol": plan.protocol,
        "ledger": plan.ledger,
        "agreed": agreed,
        "nodes": len(rows),
        "height": rows[0]["height"],
        "transactions": len(loop.committed) + (letters + 2 * len(WRITERS) if letters else 0),
        "state_root": rows[0]["state_root"],
        "supply_conserved": all(row["supply"] == genesis + row["issued"] for row in rows),
        "committed_per_s": len(loop.committed) / span if span else 0.0,
        "p50_ms": p50,
        "p99_ms": p99,
        "letters": letters,
        "letters_read": read,
        "table": [row | {"supply": str(row["supply"]), "issued": str(row["issued"])} for row in rows],
    }


def run_simulated(protocol: str, ledger: str, story: Story) -> dict[str, Any]:
    """The same scenario in virtual time: five nodes, a crash with a restart, one that starts late."""
    from raclette.sim.demo import demo_config
    from raclette.sim.simulate import simulate

    story.tell("the same in the simulator, by the same node code")
    return simulate(demo_config(protocol, ledger)).to_json()


def show(result: dict[str, Any]) -> None:
    """The table and the verdict, for a person."""
    console.print()
    rows = (
        (
            row["name"],
            row["height"],
            row["head"][:14] + "…",
            row["state_root"][:14] + "…",
            format_amount(int(row["supply"])),
            row["peers"],
        )
        for row in result["table"]
    )
    print_table("", ("node", "height", "block", "state root", "coins", "peers"), rows)
    simulated = result["simulated"]
    console.print(
        f"live       {result['transactions']:,} transactions, {result['committed_per_s']:,.0f} a second, "
        f"latency p50 {result['p50_ms']:.0f} ms, p99 {result['p99_ms']:.0f} ms"
    )
    console.print(
        f"simulated  {simulated['transactions']:,} transactions to height {simulated['height']} in "
        f"{simulated['virtual_ms'] / 1000:.1f} virtual s, digest {simulated['digest'][:12]}…"
    )
    good = result["agreed"] and result["supply_conserved"]
    verdict = "[green]agreed: one ledger everywhere, and no money appeared or vanished[/green]"
    console.print(verdict if good else "[red]FAILED: the nodes differ, or money appeared or vanished[/red]")
