"""`raclette vote`, `reveal`, `tally`, `elections`, `open-election`: voting on a chain with the ledger `poll`.

In a secret election `vote` commits to a choice, and `reveal` opens the commitment once voting has closed. The salt is
drawn from the voter's own key (a hash of its signature over chain and election), so that nothing has to be kept
between the two: the key alone reveals. There is one ballot for each voter and election, so a salt is used once.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

import typer

from raclette.cli import verbs
from raclette.cli.app import app, examples
from raclette.cli.client import RpcClient
from raclette.cli.money import DEFAULT_RPC, From, Rpc, Wait, at_node, outcome, tell, unlocked
from raclette.cli.output import Json, console, one_line_errors, print_json, print_pairs, print_table
from raclette.cli.purse import Purse
from raclette.cli.wallet import Folder
from raclette.ledgers.poll.actions import Action, Commit, Open, Reveal, Vote, sign_action
from raclette.ledgers.poll.election import Election, commitment
from raclette.ledgers.poll.limits import NEVER
from raclette.primitives.errors import Refused
from raclette.primitives.hashing import keccak256
from raclette.primitives.keys import AccountKey, checksum_address
from raclette.primitives.signing import digest_of

_SALT_DOMAIN = "raclette/poll-salt"
Named = Annotated[str, typer.Argument(metavar="ELECTION", help="Name of the election: see `raclette elections`.")]


def _salt(key: AccountKey, chain_id: int, election: bytes) -> bytes:
    """32 bytes that only the key's owner can make, the same ones every time (RFC 6979)."""
    return keccak256(key.sign_compact(digest_of(_SALT_DOMAIN, chain_id, election)))


async def _ask(client: RpcClient, path: str, *arguments: Any) -> Any:
    """A query of the ledger. Raises Refused where the ledger has no elections."""
    ledger = (await client.call("raclette_status"))["ledger"]
    if ledger != "poll":
        raise Refused("no-elections", f"the ledger of this chain is {ledger}; elections are held on the ledger poll")
    return await client.call("raclette_query", path, list(arguments))


async def _election(client: RpcClient, name: str, path: str = "election") -> dict[str, Any]:
    found: dict[str, Any] | None = await _ask(client, path, name)
    if found is None:
        known = ", ".join(await _ask(client, "elections")) or "none"
        raise Refused("unknown-election", f"there is no election {name!r}; there are: {known}")
    return found


def _number_of(choice: str, election: dict[str, Any]) -> int:
    choices: list[str] = election["choices"]
    if choice not in choices:
        raise Refused("unknown-choice", f"{election['id']} has no choice {choice!r}; accepted: {', '.join(choices)}")
    return choices.index(choice)


async def _send(client: RpcClient, key: AccountKey, action: Action) -> dict[str, Any]:
    chain = await verbs.chain_id(client)
    nonce = int(await client.call("eth_getTransactionCount", checksum_address(key.address), "pending"), 16)
    raw = sign_action(key, chain_id=chain, nonce=nonce, action=action)
    return {"hash": await client.call("eth_sendRawTransaction", "0x" + raw.hex()), "nonce": nonce}


def _act(
    sender: str | None,
    wallet: Any,
    rpc: str,
    wait: bool,
    choose: Callable[[RpcClient, AccountKey], Awaitable[Action]],
) -> dict[str, Any]:
    """Unlock, decide what to ask for, send, and wait for a block."""
    key = unlocked(Purse(wallet), sender)

    async def work(client: RpcClient) -> dict[str, Any]:
        return await outcome(client, await _send(client, key, await choose(client, key)), wait)

    return at_node(rpc, work)


@app.command(
    epilog=examples("raclette vote board Ann", "raclette vote dinner fondue --from bob"), rich_help_panel="Use"
)
@one_line_errors
def vote(
    election: Named,
    choice: Annotated[str, typer.Argument(help="One of the election's choices.")],
    sender: From = None,
    wait: Wait = True,
    rpc: Rpc = DEFAULT_RPC,
    wallet: Folder = None,
    json: bool = Json,
) -> None:
    """Vote in an election, once. In a secret one this only commits to the choice: `raclette reveal` makes it count."""
    secret = False

    async def choose(client: RpcClient, key: AccountKey) -> Action:
        nonlocal secret
        asked = await _election(client, election)
        number, name = _number_of(choice, asked), election.encode()
        secret = asked["secret"]
        if not secret:
            return Vote(name, number)
        chain = await verbs.chain_id(client)
        return Commit(name, commitment(chain, name, key.address, number, _salt(key, chain, name)))

    result = _act(sender, wallet, rpc, wait, choose)
    tell(result, f"{'sealed vote' if secret else choice} in {election}", json)
    if secret and not json:
        console.print(f"when voting has closed: raclette reveal {election}", markup=False)


@app.command(epilog=examples("raclette reveal board", "raclette reveal board --from bob"), rich_help_panel="Use")
@one_line_errors
def reveal(
    election: Named,
    sender: From = None,
    wait: Wait = True,
    rpc: Rpc = DEFAULT_RPC,
    wallet: Folder = None,
    json: bool = Json,
) -> None:
    """Make a vote in a secret election count, once voting has closed. Who does not is not counted."""

    async def choose(client: RpcClient, key: AccountKey) -> Action:
        asked = await _election(client, election)
        ballot = await _ask(client, "ballot", election, checksum_address(key.address))
        held = None if ballot is None else ballot["commitment"]
        if held is None:
            state = "no voter" if ballot is None else ballot["standing"]
            raise Refused("nothing-to-reveal", f"{checksum_address(key.address)} has nothing to reveal: {state}")
        chain, name = await verbs.chain_id(client), election.encode()
        salt = _salt(key, chain, name)
        for number in range(len(asked["choices"])):
            if "0x" + commitment(chain, name, key.address, number, salt).hex() == held:
                return Reveal(name, number, salt)
        raise Refused("wrong-reveal", "this vote was not sealed by `raclette vote`: whoever sealed it knows its salt")

    tell(_act(sender, wallet, rpc, wait, choose), f"vote in {election} revealed", json)


@app.command(epilog=examples("raclette tally dinner", "raclette tally dinner --json"), rich_help_panel="Look")
@one_line_errors
def tally(election: Named, rpc: Rpc = DEFAULT_RPC, json: bool = Json) -> None:
    """Count an election's votes so far."""
    found = at_node(rpc, lambda client: _election(client, election, "tally"))
    if json:
        print_json(found)
        return
    print_table(
        found["question"], ("choice", "votes"), ((choice, found["counts"][choice]) for choice in found["choices"])
    )
    shown = ("phase", "height", "enrolled", "cast", "unrevealed", "final")
    print_pairs("", {key: found[key] for key in shown} | {"winners": ", ".join(found["winners"]) or None})


@app.command(epilog=examples("raclette elections", "raclette elections --json"), rich_help_panel="Look")
@one_line_errors
def elections(rpc: Rpc = DEFAULT_RPC, json: bool = Json) -> None:
    """List the elections of a chain."""

    async def work(client: RpcClient) -> list[dict[str, Any]]:
        return [await _election(client, name) for name in await _ask(client, "elections")]

    found = at_node(rpc, work)
    if json:
        print_json(found)
    elif found:
        rows = ((one["id"], one["question"], ", ".join(one["choices"]), one["phase"], one["closes"]) for one in found)
        print_table("", ("election", "question", "choices", "phase", "closes"), rows, numbers=("closes",))
    else:
        console.print("no elections")


@app.command(
    "open-election",
    epilog=examples(
        'raclette open-election lunch "What for lunch?" -c soup -c salad -v alice -v bob',
        'raclette open-election board "Who?" -c Ann -c Bo -v alice -v bob --lasting 100 --revealing 50',
    ),
    rich_help_panel="Use",
)
@one_line_errors
def open_election(
    election: Annotated[str, typer.Argument(metavar="ELECTION", help="Its name: 1 to 32 of a-z, 0-9 and -.")],
    question: Annotated[str, typer.Argument(help="What is asked.")],
    choices: Annotated[list[str], typer.Option("--choice", "-c", help="A choice; two at least.")],
    voters: Annotated[list[str], typer.Option("--voter", "-v", help="Who may vote: a name or an address.")],
    lasting: Annotated[int, typer.Option(min=0, help="Blocks for which it takes votes. 0: for ever.")] = 0,
    revealing: Annotated[int, typer.Option(min=0, help="Make it secret: blocks for revealing, after voting.")] = 0,
    sender: From = None,
    wait: Wait = True,
    rpc: Rpc = DEFAULT_RPC,
    wallet: Folder = None,
    json: bool = Json,
) -> None:
    """Open an election, as one of the chain's organisers."""
    if revealing and not lasting:
        raise Refused("no-end", "a secret election has to close before votes are revealed: say --lasting too")

    async def choose(client: RpcClient, key: AccountKey) -> Action:
        await _ask(client, "elections")
        purse = Purse(wallet)
        enrolled = [(await verbs.resolve(client, purse, who)).address for who in voters]
        height = int(await client.call("eth_blockNumber"), 16)
        closes = height + 1 + lasting if lasting else NEVER
        return _opening(election, question, choices, (closes, closes + revealing if revealing else 0), key, enrolled)

    tell(_act(sender, wallet, rpc, wait, choose), f"election {election} with {len(voters)} voters", json)


def _opening(
    name: str, question: str, choices: Sequence[str], ends: tuple[int, int], key: AccountKey, voters: Sequence[bytes]
) -> Open:
    closes, reveals = ends
    texts = tuple(choice.encode() for choice in choices)
    return Open(Election(name.encode(), question.encode(), texts, 0, closes, reveals, key.address), tuple(voters))
