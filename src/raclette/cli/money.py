"""`raclette send`, `inbox`, `balance`, `register`: what a wallet does."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer

from raclette.cli import verbs
from raclette.cli.app import app, examples
from raclette.cli.client import RpcClient
from raclette.cli.output import (
    REFUSED,
    Json,
    console,
    fail,
    one_line_errors,
    print_json,
    print_table,
    readable,
    short,
)
from raclette.cli.purse import Account, Purse
from raclette.cli.wallet import Folder, ask_passphrase
from raclette.primitives.amounts import format_amount, parse_amount
from raclette.primitives.keys import AccountKey, checksum_address

R = TypeVar("R")

Rpc = Annotated[str, typer.Option("--rpc", envvar="RACLETTE_RPC", help="Address of a node's JSON-RPC.")]
From = Annotated[
    str | None, typer.Option("--from", help="Account of the wallet (default: as `wallet use` says, or the only one).")
]
Fee = Annotated[int | None, typer.Option("--fee", min=0, help="Wei per gas to bid (default: the node's gas price).")]
Wait = Annotated[bool, typer.Option(help="Wait until a block contains it.")]
DEFAULT_RPC = "http://127.0.0.1:8545"


def at_node(rpc: str, work: Callable[[RpcClient], Awaitable[R]]) -> R:
    """Do `work` with a client of the node at `rpc`. Raises Unreachable, RpcError, and what `work` raises."""

    async def run() -> R:
        async with RpcClient(rpc) as client:
            return await work(client)

    return asyncio.run(run())


def _acting(purse: Purse, name: str | None) -> Account:
    return purse.find(name) if name else purse.default()


def unlocked(purse: Purse, name: str | None) -> AccountKey:
    """The key of the account that acts. Raises as `Purse.opened`."""
    return purse.opened(_acting(purse, name), ask_passphrase)


async def outcome(client: RpcClient, sent: dict[str, Any], wait: bool) -> dict[str, Any]:
    """What was sent, and what became of it if we `wait`. Raises NotIncluded."""
    if not wait:
        return sent
    receipt = await verbs.included(client, sent["hash"])
    return sent | {"block": int(receipt["blockNumber"], 16), "succeeded": receipt["status"] == "0x1"}


def tell(result: dict[str, Any], what: str, json: bool) -> None:
    """An `outcome`, for people or programs. Exits with REFUSED if the block says that it failed."""
    if json:
        print_json(result)
    elif result.get("succeeded", True):
        where = f"in block {result['block']}" if "block" in result else "handed over"
        console.print(f"{what}: {where}\n{result['hash']}", soft_wrap=True, markup=False)
    if not result.get("succeeded", True):
        fail(f"block {result['block']} contains {result['hash']}, but there it failed: nothing was moved", REFUSED)


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
    fee: Fee = None,
    wait: Wait = True,
    rpc: Rpc = DEFAULT_RPC,
    wallet: Folder = None,
    json: bool = Json,
) -> None:
    """Send coins, and a sealed message if you like."""
    purse = Purse(wallet)
    wei = parse_amount(amount)
    key = unlocked(purse, sender)

    async def work(client: RpcClient) -> dict[str, Any]:
        to = await verbs.resolve(client, purse, name)
        bid = await verbs.gas_price(client) if fee is None else fee
        return await outcome(client, await verbs.send(client, key, to, wei, message, bid), wait)

    tell(at_node(rpc, work), f"{format_amount(wei)} to {name}", json)


@app.command(
    epilog=examples(
        "raclette register alice",
        "raclette register bob --from bob",
        "raclette register erin --from erin --fund 25",
    ),
    rich_help_panel="Use",
)
@one_line_errors
def register(
    name: Annotated[str, typer.Argument(help="1 to 32 of a-z, 0-9 and -; first come, first served, for ever.")],
    sender: From = None,
    fund: Annotated[
        str | None, typer.Option("--fund", help="First money from the node's faucet, e.g. 25 (coins) or 5gwei.")
    ] = None,
    fee: Fee = None,
    wait: Wait = True,
    rpc: Rpc = DEFAULT_RPC,
    wallet: Folder = None,
    json: bool = Json,
) -> None:
    """Publish a name for an account in the chain's directory, so that everybody can pay it and write to it.

    With --fund, the node's faucet pays the account first, once: repeat the command as often as you like.
    """
    wei = None if fund is None else parse_amount(fund)
    key = unlocked(Purse(wallet), sender)

    async def work(client: RpcClient) -> dict[str, Any]:
        paid = {} if wei is None else {"funded": await _funded(client, key.address, wei, name)}
        if paid and await verbs.is_registered(client, key.address, name):
            return paid["funded"] | paid | {"registered": "before"}
        bid = await verbs.gas_price(client) if fee is None else fee
        return await outcome(client, await verbs.register(client, key, name, bid), wait) | paid

    result = at_node(rpc, work)
    if wei is not None and not json:
        before = " before" if result["funded"]["again"] else ""
        console.print(f"the faucet has paid {format_amount(wei)}{before}", markup=False)
    if result.get("registered") == "before" and not json:
        console.print(f"{name} is {checksum_address(key.address)} already", markup=False, soft_wrap=True)
        return
    tell(result, f"{name} is {checksum_address(key.address)}", json)


async def _funded(client: RpcClient, address: bytes, wei: int, name: str) -> dict[str, Any]:
    """Money from the faucet, in a block: a registration may have to pay its fee from it."""
    return await outcome(client, await verbs.fund(client, address, wei, name), True)


@app.command(epilog=examples("raclette inbox", "raclette inbox --from bob --json"), rich_help_panel="Use")
@one_line_errors
def inbox(sender: From = None, rpc: Rpc = DEFAULT_RPC, wallet: Folder = None, json: bool = Json) -> None:
    """Read the sealed messages to and from an account of the wallet."""
    purse = Purse(wallet)
    key = unlocked(purse, sender)
    names = {checksum_address(account.address): account.name for account in purse.accounts()}

    async def work(client: RpcClient) -> list[verbs.Letter]:
        found = await verbs.letters(client, key)
        for who in sorted({who for letter in found for who in letter[:2]} - set(names)):
            names[who] = await verbs.name_of(client, who) or short(who)
        return found

    found = at_node(rpc, work)
    if json:
        print_json([letter._asdict() | {"value": str(letter.value)} for letter in found])
    elif not found:
        console.print("no messages")
    else:
        for letter in found:
            sender_name, receiver_name = (names[who] for who in (letter.sender, letter.receiver))
            line = f"block {letter.block}: {sender_name} to {receiver_name}, {format_amount(letter.value)}"
            console.print(line, style="dim", soft_wrap=True, markup=False)
            console.print("  " + readable(letter.text), soft_wrap=True, markup=False)


@app.command(epilog=examples("raclette balance", "raclette balance bob sample-7 --json"), rich_help_panel="Use")
@one_line_errors
def balance(
    names: Annotated[list[str] | None, typer.Argument(help="Names or addresses (default: the wallet's).")] = None,
    rpc: Rpc = DEFAULT_RPC,
    wallet: Folder = None,
    json: bool = Json,
) -> None:
    """Show balances."""
    purse = Purse(wallet)
    wanted = names or [account.name for account in purse.accounts()]

    async def work(client: RpcClient) -> dict[str, int]:
        found = {}
        for name in wanted:
            to = await verbs.resolve(client, purse, name)
            found[name] = int(await client.call("eth_getBalance", "0x" + to.address.hex(), "latest"), 16)
        return found

    found = at_node(rpc, work)
    if json:
        print_json({name: str(wei) for name, wei in found.items()})
    elif found:
        rows = ((name, format_amount(wei)) for name, wei in found.items())
        print_table("", ("account", "coins"), rows, numbers=("coins",))
    else:
        console.print(f"no accounts in {purse.folder}: name one, or make one with `raclette wallet new`", markup=False)
