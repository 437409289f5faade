"""`raclette send`, `inbox`, `balance`: what a wallet does."""

import asyncio
from typing import Annotated, Any

import typer

from raclette.cli import verbs
from raclette.cli.app import app, examples
from raclette.cli.client import RpcClient
from raclette.cli.output import Json, console, one_line_errors, print_json, print_table
from raclette.cli.purse import Purse, passphrase_from
from raclette.cli.wallet import Folder, ask_passphrase

Rpc = Annotated[str, typer.Option("--rpc", envvar="RACLETTE_RPC", help="Address of a node's JSON-RPC.")]
From = Annotated[str | None, typer.Option("--from", help="Account of the wallet [default: the only one].")]
DEFAULT_RPC = "http://127.0.0.1:8545"


@app.command(
    epilog=examples(
        "raclette send bob 2.5",
        'raclette send bob 1 --message "for the cheese" --from alice',
        "raclette send 0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045 0.1 --no-wait",
    ),
    rich_help_panel="Use",
)
@one_line_errors
def send(
    name: Annotated[str, typer.Argument(help="Whom: a name of the wallet or the chain's directory, or an address.")],
    amount: Annotated[str, typer.Argument(help="How many coins, e.g. 2.5.")],
    message: Annotated[
        str, typer.Option("--message", "-m", help="A memo that only the receiver and you can read.")
    ] = "",
    sender: From = None,
    fee: Annotated[int, typer.Option("--fee", min=0, help="Wei per gas to bid.")] = 0,
    wait: Annotated[bool, typer.Option(help="Wait until a block contains it.")] = True,
    rpc: Rpc = DEFAULT_RPC,
    wallet: Folder = None,
    json: bool = Json,
) -> None:
    """Send coins, and a sealed message if you like."""
    purse = Purse(wallet)
    wei = verbs.parse_amount(amount)
    account = purse.find(sender) if sender else purse.sole()
    key = purse.unlock(account, passphrase_from(ask_passphrase))

    async def run() -> dict[str, Any]:
        async with RpcClient(rpc) as client:
            result = await verbs.send(client, key, await verbs.resolve(client, purse, name), wei, message, fee)
            if wait:
                receipt = await verbs.included(client, result["hash"])
                result |= {"block": int(receipt["blockNumber"], 16), "succeeded": receipt["status"] == "0x1"}
            return result

    result = asyncio.run(run())
    if json:
        print_json(result)
    else:
        where = f"in block {result['block']}" if wait else "handed over"
        console.print(f"{verbs.format_amount(wei)} to {name}: {where}\n{result['hash']}")


@app.command(epilog=examples("raclette inbox --from bob"), rich_help_panel="Use")
@one_line_errors
def inbox(sender: From = None, rpc: Rpc = DEFAULT_RPC, wallet: Folder = None, json: bool = Json) -> None:
    """Read the sealed messages to and from an account of the wallet."""
    purse = Purse(wallet)
    account = purse.find(sender) if sender else purse.sole()
    key = purse.unlock(account, passphrase_from(ask_passphrase))

    async def run() -> list[verbs.Letter]:
        async with RpcClient(rpc) as client:
            return await verbs.letters(client, key)

    found = asyncio.run(run())
    if json:
        print_json([letter._asdict() for letter in found])
    elif not found:
        console.print("no messages")
    else:
        rows = ((x.block, x.sender, x.receiver, verbs.format_amount(x.value), x.text) for x in found)
        print_table("", ("block", "from", "to", "coins", "message"), rows)


@app.command(epilog=examples("raclette balance", "raclette balance bob sample-7 --json"), rich_help_panel="Use")
@one_line_errors
def balance(
    names: Annotated[list[str] | None, typer.Argument(help="Names or addresses [default: the wallet's].")] = None,
    rpc: Rpc = DEFAULT_RPC,
    wallet: Folder = None,
    json: bool = Json,
) -> None:
    """Show balances."""
    purse = Purse(wallet)
    wanted = names or [account.name for account in purse.accounts()]

    async def run() -> dict[str, int]:
        async with RpcClient(rpc) as client:
            found = {}
            for name in wanted:
                to = await verbs.resolve(client, purse, name)
                found[name] = int(await client.call("eth_getBalance", "0x" + to.address.hex(), "latest"), 16)
            return found

    found = asyncio.run(run())
    if json:
        print_json({name: str(wei) for name, wei in found.items()})
    else:
        print_table("", ("account", "coins"), ((name, verbs.format_amount(wei)) for name, wei in found.items()))
