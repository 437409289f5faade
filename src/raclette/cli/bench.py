"""`raclette bench`: what this machine does, against a stated reference, in one run."""

import asyncio
import os
import time
from collections.abc import Callable
from itertools import cycle
from typing import Annotated, Any

import typer

from raclette.cli.app import app, examples
from raclette.cli.output import Json, console, one_line_errors, print_json, print_pairs

group = typer.Typer(help="Measure this machine against stated references.", no_args_is_help=True)
app.add_typer(group, name="bench", rich_help_panel="Explore")

PREPARED_BATCHES = 50  # of trie updates, drawn before the clock starts
# Targets and references, each with where it comes from.
VERIFY_TARGET = 14_000  # senders a second a core: coincurve and a slicing decoder, measured when it was designed
TRIE_TARGET = 40_000  # updates a second: a probe of 70 lines did 38,000 to 46,000
MINE_TARGET = 25_000_000  # hashes a second a core with AVX-512; gcc's best vector code gave 23 to 26 million

Seconds = Annotated[float, typer.Option(min=0.1, help="How long to measure.")]


def show(result: dict[str, Any], json: bool, title: str) -> None:
    """The figures, for a program or a person."""
    if json:
        print_json(result)
    else:
        print_pairs(
            title, {key: f"{value:,.2f}" if isinstance(value, float) else value for key, value in result.items()}
        )


def rate(work: Callable[[], int], seconds: float) -> tuple[float, int]:
    """(units a CPU second, units): repeat `work`, which says how many units it did."""
    units, start, end = 0, time.process_time(), time.perf_counter() + seconds
    while time.perf_counter() < end:
        units += work()
    return units / (time.process_time() - start), units


def senders_per_s(seconds: float) -> float:
    """Transfers decoded, with their senders recovered, a second on one core."""
    from raclette.chain.genesis import CHAIN_ID_DEFAULT
    from raclette.ledgers import make_ledger
    from raclette.ledgers.bank.samples import sample_transfers

    ledger = make_ledger("bank", {}, CHAIN_ID_DEFAULT)
    transfers = sample_transfers(2_000, 1, CHAIN_ID_DEFAULT)

    def work() -> int:
        for raw in transfers:
            ledger.decode(raw)
        return len(transfers)

    return rate(work, seconds)[0]


@group.command(epilog=examples("raclette bench verify --json"))
@one_line_errors
def verify(seconds: Seconds = 3.0, json: bool = Json) -> None:
    """Senders recovered a second on one core, from raw Ethereum transactions."""
    found = senders_per_s(seconds)
    result = {"senders_per_s": found, "target": VERIFY_TARGET, "ratio": found / VERIFY_TARGET}
    show(result, json, "sender recovery, one core")


@group.command(epilog=examples("raclette bench trie", "raclette bench trie --keys 1000000 --batch 500"))
@one_line_errors
def trie(
    keys: Annotated[int, typer.Option(min=1, help="Keys in the trie.")] = 100_000,
    batch: Annotated[int, typer.Option(min=1, help="Updates between two roots, as in a block.")] = 1_000,
    seconds: Seconds = 3.0,
    json: bool = Json,
) -> None:
    """Updates a second of the Merkle-Patricia trie, a root after every batch; py-trie beside it where installed."""
    from raclette.chain.trie import trie_of_mapping
    from raclette.primitives.hashing import keccak256
    from raclette.primitives.randomness import Random

    random = Random(1)
    names = [keccak256(index.to_bytes(8, "big")) for index in range(keys)]
    current = trie_of_mapping({name: random.bytes(70) for name in names}, secure=False)
    built = current.root_hash  # encodes every node once: building is not updating

    batches = [{names[random.below(keys)]: random.bytes(70) for _ in range(batch)} for _ in range(PREPARED_BATCHES)]
    following = cycle(batches)

    def work() -> int:
        nonlocal current
        changes = next(following)
        current = current.update(changes)
        return len(changes) if current.root_hash else 0

    found, units = rate(work, seconds)
    result: dict[str, Any] = {"updates_per_s": found, "target": TRIE_TARGET, "ratio": found / TRIE_TARGET}
    result |= {
        "keys": keys,
        "batch": batch,
        "updates": units,
        "root": "0x" + built.hex(),
    }
    result |= _py_trie(names[:2_000], batch=min(batch, 200))
    if "py_trie_updates_per_s" in result:
        result["times_py_trie"] = found / result["py_trie_updates_per_s"]
    show(result, json, f"trie of {keys:,} keys, root every {batch:,} updates, one core")


def _py_trie(names: list[bytes], batch: int) -> dict[str, Any]:
    """The reference, on a smaller trie (which favours it). Empty if it is not installed."""
    try:
        from trie import HexaryTrie
    except ImportError:
        return {}
    other = HexaryTrie({})
    start = time.process_time()
    for index, name in enumerate(names):
        other[name] = index.to_bytes(70, "big")
        if index % batch == 0:
            _ = other.root_hash
    return {"py_trie_updates_per_s": len(names) / (time.process_time() - start)}


@group.command(epilog=examples("raclette bench mine --json"))
@one_line_errors
def mine(seconds: Seconds = 3.0, json: bool = Json) -> None:
    """Hashes a second (sha256d) of the vector kernel on one core, and of a plain hashlib loop."""
    from raclette.live.miner.bench import measure

    result: dict[str, Any] = dict(measure(seconds))
    show(result | {"target": MINE_TARGET}, json, "proof of work, one core")


@group.command(
    epilog=examples(
        "raclette bench sim --nodes 1000 --blocks 20",
        "raclette bench sim --nodes 10000 --blocks 100 --json",
        "raclette bench sim --nodes 100000 --blocks 100 --fidelity model",
    )
)
@one_line_errors
def sim(
    nodes: Annotated[int, typer.Option(min=2, help="Nodes in six regions of the world.")] = 1_000,
    blocks: Annotated[int, typer.Option(min=1, help="Blocks to spread.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same run.")] = 1,
    kernel: Annotated[str, typer.Option(help="auto, reference (plain Python) or fast (compiled).")] = "auto",
    fidelity: Annotated[
        str, typer.Option(help="engine (every node's own engine) or model (mining and relay compiled).")
    ] = "engine",
    share: Annotated[
        bool, typer.Option(help="On the fast kernel, let one engine's answer serve all that are in its state.")
    ] = True,
    json: bool = Json,
) -> None:
    """Events a second of the simulator: full blocks announced, fetched and checked by every node's own engine."""
    from raclette.sim.bench import measure

    result = measure(nodes, blocks, seed, kernel=kernel, fidelity=fidelity, share=share)
    show(result, json, f"{nodes:,} nodes, {blocks} blocks, {result['kernel']} kernel, {fidelity}")


@group.command(epilog=examples("raclette bench live", "raclette bench live --seconds 20 --json"))
@one_line_errors
def live(
    seconds: Seconds = 10.0,
    nodes: Annotated[int, typer.Option(min=1, help="Replicas, each a process on this machine.")] = 4,
    outstanding: Annotated[int, typer.Option(min=1, help="Transfers in flight: the closed loop.")] = 1_000,
    json: bool = Json,
) -> None:
    """Committed transfers a second of PBFT on this machine, durable, against what signature checks alone allow."""
    from raclette.cli.load import measure_live

    cores = os.cpu_count() or 1
    limit = senders_per_s(2.0) * cores / nodes
    if not json:
        console.print(
            f"{nodes} replicas on {cores} cores; signature checks alone allow {limit:,.0f} transfers a second"
        )
    result = asyncio.run(measure_live(nodes=nodes, seconds=seconds, outstanding=outstanding))
    result |= {"verify_limit_per_s": limit, "share_of_limit": result["committed_per_s"] / limit}
    show(result, json, "closed loop of signed transfers")
