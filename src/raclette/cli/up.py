"""`raclette up`: a local network that stays up, and a wallet that can use it at once."""

import asyncio
import shlex
import signal
import socket
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.live import Live

from raclette.chain.genesis import Genesis
from raclette.chain.presets import PRESETS, preset_alloc, sample_key, sample_name
from raclette.cli.app import app, examples
from raclette.cli.client import RpcClient
from raclette.cli.network import LocalNetwork, LocalNode, NetworkPlan, ProcessFailed
from raclette.cli.output import Json, console, one_line_errors, print_json
from raclette.cli.purse import Purse
from raclette.cli.screen import NodeSample, Rates, draw, sample
from raclette.cli.testbed.wires import LOOPBACK
from raclette.ledgers import LEDGERS
from raclette.ledgers.samples import sample_parameters
from raclette.live.process import read_genesis
from raclette.primitives.errors import ConfigError
from raclette.primitives.keystore import SCRYPT_WORK_FAST

INTERVAL_S = 1.0
# The first node answers where our commands ask if nothing says otherwise, the others on the ports after it; a node
# whose port is taken gets any free one.
FIRST_RPC_PORT = 8545
# Sample accounts with a name of their own in the wallet. Their keys are public knowledge, so their passphrase may be.
PEOPLE = ("alice", "bob", "carol", "dave")
PASSPHRASE = "raclette"
# What the first node's faucet starts with: a hundred newcomers' worth.
FAUCET_COINS = 10_000


class LastingNetwork(LocalNetwork):
    """A local network that goes on where it stopped, if its folder has been used before. RPC of node `i` is at
    `rpc_port` + i where that is free; 0: anywhere."""

    def __init__(self, plan: NetworkPlan, rpc_port: int = 0) -> None:
        """Raises ConfigError if the folder has a network of another shape."""
        self._first_rpc_port = rpc_port
        super().__init__(plan)

    def _make_genesis(self) -> Genesis:
        file = self.plan.folder / "genesis.json"
        fresh = super()._make_genesis()
        if not file.exists():
            return fresh
        kept = read_genesis(file)
        shape, asked = (
            (found.protocol, found.ledger, found.protocol_parameters, found.alloc) for found in (kept, fresh)
        )
        accounts = len(kept.alloc) - bool(self.plan.faucet)
        if shape != asked:
            raise ConfigError(
                f"{self.plan.folder} has another network: {kept.protocol}, {kept.ledger}, {accounts} accounts, "
                f"its own nodes and owners; say the same again, or name another --folder"
            )
        return kept

    def _member(self, index: int) -> LocalNode:
        node = super()._member(index)
        port = self._first_rpc_port + index
        if self._first_rpc_port and _is_free(port):
            node.rpc_port, node.rpc_url = port, f"http://{LOOPBACK}:{port}"
            node.client = RpcClient(node.rpc_url)
        return node


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


@app.command(
    epilog=examples(
        "raclette up",
        "raclette up -n 7 --protocol pbft --ledger bank",
        "raclette up -n 3 --protocol nakamoto --folder my-network",
        "raclette up --protocol senate --ledger coins --start 10_rich_man",
        "raclette up --json --seconds 30",
    ),
    rich_help_panel="Start here",
)
@one_line_errors
def up(
    nodes: Annotated[int, typer.Option("--nodes", "-n", min=1, max=64, help="Nodes, each a process.")] = 4,
    protocol: Annotated[str, typer.Option(help="Consensus protocol: see `raclette protocols`.")] = "pbft",
    ledger: Annotated[str, typer.Option(help="Ledger: see `raclette ledgers`.")] = "bank",
    folder: Annotated[
        Path | None, typer.Option(help="Keep the network here, and go on with it next time (default: a temporary one).")
    ] = None,
    accounts: Annotated[int, typer.Option(min=1, help="Sample accounts with 100 coins each.")] = 100,
    start: Annotated[
        str,
        typer.Option(
            help=f"Who owns what at first, instead of --accounts: {', '.join(PRESETS)} (1,000 accounts of 100; "
            "1,000,000 in 1, 10 or 100 hands). No faucet then."
        ),
    ] = "",
    neighbours: Annotated[
        str, typer.Option(help="Whom the tracker links a newcomer with: all, third (at random), or fanout:N.")
    ] = "all",
    rpc_port: Annotated[
        int, typer.Option(min=0, max=65_000, help="RPC port of the first node, if free; the others follow. 0: any.")
    ] = FIRST_RPC_PORT,
    seconds: Annotated[float | None, typer.Option(min=0, help="Stop by itself after this long.")] = None,
    json: bool = Json,
) -> None:
    """Start a network on this machine and keep it up until Ctrl-C, with a live status screen.

    It comes with a wallet of sample accounts. With --json: one line when it is ready, then one a second.
    """
    if ledger not in LEDGERS:
        raise ConfigError(f"no ledger {ledger!r}; accepted: {', '.join(LEDGERS)}")
    with tempfile.TemporaryDirectory(prefix="raclette-up-") as temporary:
        home = (folder or Path(temporary)).resolve()
        alloc = preset_alloc(start) if start else {}
        accounts = len(alloc) or accounts
        parameters = sample_parameters(ledger, accounts, accounts)
        plan = NetworkPlan(
            home,
            nodes=nodes,
            protocol=protocol,
            ledger=ledger,
            accounts=accounts,
            alloc=alloc,
            ledger_parameters=parameters,
            neighbours=neighbours,
            faucet=FAUCET_COINS if ledger == "bank" and not start else 0,
        )
        # Ctrl-C, SIGTERM and closing the terminal are how it is meant to end.
        with suppress(KeyboardInterrupt, asyncio.CancelledError):
            asyncio.run(_run(plan, rpc_port, seconds, json))
    if not json:
        console.print("stopped" + (f"; kept in {folder}" if folder else ""), markup=False)


async def _run(plan: NetworkPlan, rpc_port: int, seconds: float | None, json: bool) -> None:
    task = asyncio.current_task()
    if task is not None:
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    network = LastingNetwork(plan, rpc_port)
    wallet = make_wallet(plan.folder / "wallet", plan.accounts)
    if not json:
        console.print(f"starting a tracker and {plan.nodes} {plan.protocol} nodes …")
    async with network:
        until = None if seconds is None else time.monotonic() + seconds
        if json:
            print_json(described(network, wallet))
            await _report(network, until)
        else:
            console.print(how_to_use(network, wallet), markup=False, soft_wrap=True)
            await _show(network, until)


def make_wallet(folder: Path, accounts: int) -> Purse:
    """A wallet with the first sample accounts under people's names. Nobody's money: everybody can derive these keys."""
    purse = Purse(folder)
    for index, name in enumerate(PEOPLE[:accounts]):
        if not purse.has(name):
            purse.keep(name, sample_key(index), PASSPHRASE, work=SCRYPT_WORK_FAST)
    purse.choose(PEOPLE[0])
    return purse


def environment(network: LocalNetwork, wallet: Purse) -> dict[str, str]:
    """What makes the other commands use this network and wallet."""
    return {
        "RACLETTE_WALLET": str(wallet.folder),
        "RACLETTE_RPC": network.nodes[0].rpc_url,
        "RACLETTE_PASSPHRASE": PASSPHRASE,
    }


def described(network: LocalNetwork, wallet: Purse) -> dict[str, Any]:
    """The first line of --json."""
    return {
        "event": "ready",
        "folder": network.plan.folder.as_posix(),
        "genesis": network.genesis_file.as_posix(),
        "chain_id": network.genesis.chain_id,
        "nodes": [{"name": node.name, "node_id": node.node_id, "rpc": node.rpc_url} for node in network.nodes],
        "environment": environment(network, wallet),
        "accounts": [account.name for account in wallet.accounts()],
    }


def how_to_use(network: LocalNetwork, wallet: Purse) -> str:
    """What to type in another terminal."""
    people = [account.name for account in wallet.accounts()]
    other = people[1] if len(people) > 1 else sample_name(0)
    exports = [f"export {name}={shlex.quote(value)}" for name, value in environment(network, wallet).items()]
    lines = [
        f"The wallet has {', '.join(people)}; the chain knows sample-0 to sample-{network.plan.accounts - 1}, "
        "whose keys are public knowledge.",
        "In another terminal:",
        "",
        *(f"  {line}" for line in exports),
        f"  raclette send {other} 1 --message hi",
        f"  raclette inbox --from {other}",
        *(
            ["  raclette wallet new erin && raclette register erin --from erin --fund 25"]
            if network.plan.faucet
            else []
        ),
        "  raclette console",
        "",
        "Nodes: " + "  ".join(node.rpc_url for node in network.nodes),
        f"Folder: {network.plan.folder}",
        "",
    ]
    return "\n".join(lines)


async def _samples(network: LocalNetwork, rates: Rates) -> list[NodeSample]:
    found = await sample(network)
    if not any(node.answers or node.pid for node in found):
        raise ProcessFailed("every node has ended; the first said:\n" + network.nodes[0].last_words())
    await rates.take(network, found)
    return found


async def _show(network: LocalNetwork, until: float | None) -> None:
    rates = Rates()
    names = {"0x" + node.node_id.hex(): node.name for node in network.members}
    footer = f"Ctrl-C stops it. Try: kill -9 PROCESS, then raclette node --config {network.plan.folder}/NODE/node.toml"
    with Live(console=console, auto_refresh=False, transient=not console.is_terminal) as screen:
        while until is None or time.monotonic() < until:
            screen.update(draw(await _samples(network, rates), rates, names, footer), refresh=True)
            await asyncio.sleep(INTERVAL_S)


async def _report(network: LocalNetwork, until: float | None) -> None:
    rates = Rates()
    while until is None or time.monotonic() < until:
        found = await _samples(network, rates)
        line = {
            "event": "status",
            "time": round(time.time(), 3),
            "agreed": len({node.head for node in found if node.answers}) == 1,
            "committed_per_s": round(rates.kept[-1], 1),
            "transactions": rates.transactions,
            "nodes": [node.to_json() for node in found],
        }
        print_json(line)
        await asyncio.sleep(INTERVAL_S)
