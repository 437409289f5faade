"""`raclette peers`, `block`, `status`: look at a running node."""

import asyncio
from typing import Annotated, Any

import typer

from raclette.cli.app import app, examples
from raclette.cli.client import RpcClient
from raclette.cli.money import DEFAULT_RPC, Rpc
from raclette.cli.output import Json, console, fail, one_line_errors, print_json, print_pairs, print_table

_TAGS = ("latest", "safe", "finalized", "pending", "earliest")


def ask(rpc: str, method: str, *parameters: Any) -> Any:
    """One call to a node."""

    async def run() -> Any:
        async with RpcClient(rpc) as client:
            return await client.call(method, *parameters)

    return asyncio.run(run())


@app.command(
    epilog=examples("raclette peers", "raclette peers --rpc http://127.0.0.1:8546 --json"), rich_help_panel="Look"
)
@one_line_errors
def peers(rpc: Rpc = DEFAULT_RPC, json: bool = Json) -> None:
    """The peers a node is linked with."""
    found = ask(rpc, "raclette_peers")
    if json:
        print_json(found)
    else:
        print_table("", ("node id", "height", "score", "validator"), (peer.values() for peer in found))


@app.command(epilog=examples("raclette status"), rich_help_panel="Look")
@one_line_errors
def status(rpc: Rpc = DEFAULT_RPC, json: bool = Json) -> None:
    """Head, finality, peers, mempool and consensus of a node."""
    found = ask(rpc, "raclette_status")
    if json:
        print_json(found)
    else:
        print_pairs("", found)


@app.command(
    epilog=examples("raclette block", "raclette block 17", "raclette block finalized --json"), rich_help_panel="Look"
)
@one_line_errors
def block(
    which: Annotated[str, typer.Argument(help="A number, a hash, or latest, safe, finalized, earliest.")] = "latest",
    rpc: Rpc = DEFAULT_RPC,
    json: bool = Json,
) -> None:
    """Show a block."""
    if which.startswith("0x") and len(which) == 66:
        found = ask(rpc, "eth_getBlockByHash", which, False)
    elif which in _TAGS or which.isdigit():
        found = ask(rpc, "eth_getBlockByNumber", which if which in _TAGS else hex(int(which)), False)
    else:
        fail(f"{which!r} is no block; accepted: a number, a 0x-hash, {', '.join(_TAGS)}", 2)
    if json:
        print_json(found)
    elif found is None:
        console.print(f"there is no block {which}")
    else:
        count = len(found.pop("transactions"))
        found.pop("logsBloom", None)
        print_pairs("", found | {"transactions": count})
