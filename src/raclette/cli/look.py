"""`raclette status`, `peers`, `block`, `votes`, `leader`: look at a running node."""

from typing import Annotated, Any

import typer

from raclette.cli.app import app, examples
from raclette.cli.money import DEFAULT_RPC, Rpc, at_node
from raclette.cli.output import (
    REFUSED,
    USAGE,
    Json,
    console,
    fail,
    one_line_errors,
    print_json,
    print_pairs,
    print_table,
    short,
)

_TAGS = ("latest", "safe", "finalized", "pending", "earliest")
# Fields of a block that are hexadecimal numbers in JSON, and that no transfer ever sets.
_NUMBERS = ("number", "timestamp", "gasLimit", "gasUsed", "baseFeePerGas", "difficulty", "totalDifficulty", "size")
_ALWAYS_EMPTY = ("logsBloom", "uncles", "sha3Uncles")


def ask(rpc: str, method: str, *parameters: Any) -> Any:
    """One call to a node."""
    return at_node(rpc, lambda client: client.call(method, *parameters))


@app.command(epilog=examples("raclette status", "raclette status --json"), rich_help_panel="Look")
@one_line_errors
def status(rpc: Rpc = DEFAULT_RPC, json: bool = Json) -> None:
    """Head, finality, peers, mempool and host of a node, and where its consensus stands."""
    found = ask(rpc, "raclette_status")
    found["consensus"] = ask(rpc, "raclette_consensusState")
    if json:
        print_json(found)
        return
    found["consensus"] = _at_a_glance(found["consensus"])
    found["host"] = {key: value for key, value in found["host"].items() if not isinstance(value, (list, dict))}
    print_pairs("", found)


def _at_a_glance(consensus: dict[str, Any]) -> dict[str, Any]:
    """Without what stands elsewhere in the status, lists, votes, and what an engine says about one inside it."""
    known = ("protocol", "head", "height", "votes", "inner")
    return {key: value for key, value in consensus.items() if key not in known and not isinstance(value, list)}


@app.command(
    epilog=examples("raclette peers", "raclette peers --rpc http://127.0.0.1:8546 --json"), rich_help_panel="Look"
)
@one_line_errors
def peers(rpc: Rpc = DEFAULT_RPC, json: bool = Json) -> None:
    """The peers that a node is linked with."""
    found = ask(rpc, "raclette_peers")
    if json:
        print_json(found)
    elif found:
        rows = (
            (peer["name"], short(peer["nodeId"]), peer["height"], peer["score"], peer["isValidator"]) for peer in found
        )
        print_table("", ("name", "node id", "height", "score", "validator"), rows, numbers=("height", "score"))
    else:
        console.print("no peers")


@app.command(
    epilog=examples("raclette block", "raclette block 17", "raclette block finalized --json"), rich_help_panel="Look"
)
@one_line_errors
def block(
    which: Annotated[str, typer.Argument(help=f"A number, a 0x-hash, or one of {', '.join(_TAGS)}.")] = "latest",
    rpc: Rpc = DEFAULT_RPC,
    json: bool = Json,
) -> None:
    """Show a block."""
    if which.startswith("0x") and len(which) == 66:
        found = ask(rpc, "eth_getBlockByHash", which, False)
    elif which in _TAGS or (which.isdecimal() and which.isascii()):
        found = ask(rpc, "eth_getBlockByNumber", which if which in _TAGS else hex(int(which)), False)
    else:
        fail(f"{which!r} is no block; accepted: a number, a 0x-hash, {', '.join(_TAGS)}", USAGE)
    if json:
        print_json(found)
    elif found is not None:
        print_pairs("", _for_people(found))
    if found is None:
        fail(f"there is no block {which}", REFUSED)


def _for_people(block: dict[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in block.items() if key not in _ALWAYS_EMPTY}
    shown |= {key: int(shown[key], 16) for key in _NUMBERS if isinstance(shown.get(key), str)}
    return shown | {"transactions": len(block["transactions"])}


@app.command(epilog=examples("raclette votes", "raclette votes --json"), rich_help_panel="Look")
@one_line_errors
def votes(rpc: Rpc = DEFAULT_RPC, json: bool = Json) -> None:
    """Votes that a node has counted for blocks that are not final yet, by height."""
    found = ask(rpc, "raclette_votes")
    if json:
        print_json(found)
    elif found is None:
        console.print("this protocol has no votes")
    elif found:
        print_pairs("", found)
    else:
        console.print("no votes are open: every block that was voted on is final")


@app.command(epilog=examples("raclette leader"), rich_help_panel="Look")
@one_line_errors
def leader(rpc: Rpc = DEFAULT_RPC, json: bool = Json) -> None:
    """Id of the node that may propose the next block."""
    found = ask(rpc, "raclette_leader")
    if json:
        print_json(found)
    else:
        nobody = "no leader: in this protocol anybody may propose" if found is None else "this node knows of no leader"
        console.print(found or nobody)
