"""`raclette_*`: what Ethereum's methods have no words for: consensus, certificates, memos, the node itself."""

import asyncio
from importlib.metadata import version
from typing import Any

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.chain.ledger import Transaction
from raclette.chain.transaction import EthereumTransaction
from raclette.primitives.errors import DecodeError, Refused
from raclette.primitives.sealed import MEMO_MAGIC, is_sealed
from raclette.rpc.errors import invalid_parameters
from raclette.rpc.kinds import ADDRESS, BLOCK, HASH, LATEST, TEXT, BlockRef, Kind, read_list
from raclette.rpc.lookup import find_header, require_header, require_state
from raclette.rpc.methods.state import ask_ledger
from raclette.rpc.render import hex_data, plain
from raclette.rpc.table import Context, MethodTable, Parameter

# Memos in one answer; the caller continues from `nextBlock`.
MEMOS_MAX = 1_000
# Blocks searched before others get their turn.
BLOCKS_PER_TURN = 8
QUERY_ARGUMENTS_MAX = 8


def _head_json(header: Header) -> dict[str, Any]:
    return {"number": header.number, "hash": hex_data(header.hash)}


def status(context: Context) -> dict[str, Any]:
    """The node at a glance. Numbers are plain JSON numbers. `mempool` has counts and bytes; `syncing` is null or
    the heights `starting`, `current`, `highest`. What the host adds stands under `host`."""
    view = context.view
    head, progress = view.head, view.syncing()
    return {
        "nodeId": hex_data(view.node_id),
        "chainId": view.chain_id,
        "protocol": view.consensus().get("protocol"),
        "ledger": view.ledger.name,
        "height": head.number,
        "head": hex_data(head.hash),
        "timestamp": head.timestamp,
        "stateRoot": hex_data(head.state_root),
        "safe": _head_json(view.safe),
        "finalized": _head_json(view.finalized),
        "peers": len(view.peers()),
        "mempool": view.mempool(),
        "syncing": None if progress is None else progress._asdict(),
        "host": plain(context.backend.host_info()),
    }


class Supply:
    """The sum of all balances, computed once for each head that somebody asks about, off the event loop."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._known: tuple[bytes, dict[str, Any]] = (b"", {})

    async def answer(self, context: Context) -> dict[str, Any]:
        """Money in existence after the head, in wei: the sum over every account, which takes about a microsecond
        each; and of it what the protocol has issued as rewards, so that `supply` less `issued` never changes. Both are
        decimal strings."""
        async with self._lock:
            view = context.view
            head = view.head
            if self._known[0] != head.hash:
                entries, issued = view.entries(), str(view.issued(head.number))
                supply = await asyncio.to_thread(view.ledger.supply, entries)
                self._known = head.hash, {**_head_json(head), "supply": str(supply), "issued": issued}
            return self._known[1]


def node_info(context: Context) -> dict[str, Any]:
    """Who this node is: id, chain, genesis hash, protocol, ledger, software version, and what the host says of
    itself."""
    view = context.view
    return {
        "nodeId": hex_data(view.node_id),
        "chainId": view.chain_id,
        "genesisHash": hex_data(view.genesis.hash),
        "protocol": view.consensus().get("protocol"),
        "ledger": view.ledger.name,
        "version": version("raclette"),
        "host": plain(context.backend.host_info()),
    }


def peers(context: Context) -> list[dict[str, Any]]:
    """The linked peers: id, name (their own word, perhaps empty), the height they last told, their score (0, and lower
    for every fault), and whether they have a vote."""
    links = context.backend.host_info().get("links", ())
    names = {link["node_id"]: link["name"] for link in links}
    return [
        {
            "nodeId": hex_data(peer.node_id),
            "name": names.get(peer.node_id.hex(), ""),
            "height": peer.height,
            "score": peer.score,
            "isValidator": peer.is_validator,
        }
        for peer in context.view.peers()
    ]


def consensus_state(context: Context) -> dict[str, Any]:
    """The engine in its own words: protocol, validators, head, and what the protocol adds (view, difficulty…)."""
    state: dict[str, Any] = plain(context.view.consensus())
    return state


def votes(context: Context) -> Any:
    """Votes that the engine has counted and not yet settled, by height; null where the protocol has none."""
    return plain(context.view.consensus().get("votes"))


def leader(context: Context) -> Any:
    """Id of the node that may propose now; null where anybody may."""
    return plain(context.view.consensus().get("leader"))


def certificate(context: Context, ref: BlockRef) -> dict[str, Any] | None:
    """What proves the block final: the certificate's bytes, kept beside the header. null if there is none (yet)."""
    header = find_header(context.view, ref)
    data = b"" if header is None else context.view.certificate(header.hash)
    if header is None or not data:
        return None
    return {"blockNumber": hex(header.number), "blockHash": hex_data(header.hash), "certificate": hex_data(data)}


def mempool(context: Context) -> Any:
    """The pool's counts, bytes and limit."""
    return plain(context.view.mempool())


def evidence(context: Context) -> Any:
    """Proofs of guilt collected so far."""
    return plain(list(context.view.evidence()))


def query(context: Context, path: str, arguments: list[Any], ref: BlockRef) -> Any:
    """A read of the ledger's own, by name. The bank has `balance`, `nonce`, `account`, `public_key` (of an address) and
    `whois` (of a name); `coins` has `balance`, `outputs` and `output`; `poll` has `elections`, `election`, `tally` and
    `ballot`; `docs/ledgers.md` lists them all."""
    _, state = require_state(context.view, ref)
    return plain(ask_ledger(context, path, arguments, state))


async def memos(context: Context, address: bytes, start: BlockRef, stop: BlockRef) -> dict[str, Any]:
    """Sealed memos to or from an address in the blocks from `start` to `stop`, oldest first: the transaction's hash,
    block, sender, receiver, nonce, value, and the sealed bytes, which only the two can read. One call searches a
    bounded number of blocks: continue at `nextBlock` until it is null."""
    view = context.view
    first, last = require_header(view, start).number, require_header(view, stop).number
    if last < first:
        raise invalid_parameters("invalid argument 2: the range ends before it begins")
    found: list[dict[str, Any]] = []
    number = first
    end = min(last, first + context.limits.memo_blocks_max - 1)
    while number <= end and len(found) < MEMOS_MAX:
        header = view.canonical(number)
        block = None if header is None else view.block(header.hash)
        if block is not None:
            found.extend(_memos_of(context, block, address))
        number += 1
        if number % BLOCKS_PER_TURN == 0:
            await asyncio.sleep(0)
    return {"memos": found, "nextBlock": hex(number) if number <= last else None}


def _memos_of(context: Context, block: Block, address: bytes) -> list[dict[str, Any]]:
    found = []
    for index, raw in enumerate(block.transactions):
        if MEMO_MAGIC not in raw:  # cheap, and rules out nearly all
            continue
        transaction = _decode(context, raw)
        detail = None if transaction is None else transaction.detail
        if transaction is None or not isinstance(detail, EthereumTransaction) or not is_sealed(detail.data):
            continue
        if address in (transaction.sender, detail.to):
            found.append(_memo_json(block, index, transaction, detail))
    return found


def _decode(context: Context, raw: bytes) -> Transaction | None:
    try:
        return context.view.ledger.decode(raw)
    except (Refused, DecodeError):
        return None


def _memo_json(block: Block, index: int, transaction: Transaction, detail: EthereumTransaction) -> dict[str, Any]:
    return {
        "transactionHash": hex_data(transaction.hash),
        "transactionIndex": hex(index),
        "blockNumber": hex(block.number),
        "blockHash": hex_data(block.hash),
        "timestamp": hex(block.header.timestamp),
        "from": hex_data(transaction.sender),
        "to": None if detail.to is None else hex_data(detail.to),
        "nonce": hex(detail.nonce),
        "value": hex(detail.value),
        "sealed": hex_data(detail.data),
    }


def _read_plain(value: Any) -> Any:
    if not isinstance(value, (str, int, bool, type(None))):
        raise ValueError("arguments are strings, integers, booleans or null")
    return value


ARGUMENTS = Kind(
    "array", "Strings, integers, booleans or null.", read_list(_read_plain, QUERY_ARGUMENTS_MAX), [ADDRESS.example]
)


def register(table: MethodTable) -> None:
    """Add this file's methods."""
    add = table.add
    block = Parameter("block", BLOCK, LATEST)
    add("raclette_status", returns="object", example={"height": 16, "peers": 3, "…": "…"})(status)
    totals = Supply()

    async def supply(context: Context) -> dict[str, Any]:
        return await totals.answer(context)

    supply.__doc__ = Supply.answer.__doc__
    add(
        "raclette_supply",
        returns="object",
        example={"number": 16, "hash": HASH.example, "supply": "5000", "issued": "0"},
    )(supply)
    add("raclette_nodeInfo", returns="object")(node_info)
    add("raclette_peers", returns="array of objects")(peers)
    add("raclette_consensusState", returns="object", example={"protocol": "pbft", "view": 0, "…": "…"})(consensus_state)
    add("raclette_votes", returns="object or null", example={"17": {"prepares": 3, "commits": 1}})(votes)
    add("raclette_leader", returns="node id or null", example="0x" + "a1" * 32)(leader)
    add("raclette_certificate", block, returns="object or null")(certificate)
    add(
        "raclette_memos",
        Parameter("address", ADDRESS),
        Parameter("start", BLOCK, BlockRef(tag="earliest"), example="earliest"),
        Parameter("stop", BLOCK, LATEST),
        returns="object",
        example={"memos": [{"from": ADDRESS.example, "sealed": "0x6d656d6f01…", "…": "…"}], "nextBlock": None},
    )(memos)
    add("raclette_mempool", returns="object", example={"pending": 2, "queued": 0, "bytes": 236, "limit": 10000})(
        mempool
    )
    add("raclette_evidence", returns="array of objects", example=[])(evidence)
    add(
        "raclette_query",
        Parameter("path", TEXT, about="Name of the query.", example="balance"),
        Parameter("arguments", ARGUMENTS),
        block,
        returns="whatever the query gives",
        example="0x56bc75e2d63100000",
    )(query)
