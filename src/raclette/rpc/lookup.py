"""Blocks and transactions as callers name them, found through the node's view, decoded off the event loop."""

import asyncio
from collections import OrderedDict
from typing import Any, Protocol, runtime_checkable

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.chain.ledger import StateReader, Transaction
from raclette.chain.receipt import Receipt
from raclette.chain.transaction import AccessList
from raclette.node.view import NodeView
from raclette.primitives.hashing import keccak256
from raclette.rpc.errors import server_error
from raclette.rpc.kinds import BlockRef

# Decoded blocks kept: about 2 MB for each full one. Explorers ask for the newest few again and again.
DECODED_BLOCKS_MAX = 8
# Up to this many signature recoveries (43 us each) are cheaper in place than in a thread.
DECODE_IN_PLACE_MAX = 4


class Lookup:
    """Bounded memory of decoded blocks over a view."""

    def __init__(self) -> None:
        self._decoded: OrderedDict[bytes, tuple[Transaction, ...]] = OrderedDict()
        self._hashes: OrderedDict[bytes, tuple[bytes, ...]] = OrderedDict()

    def hashes(self, block: Block) -> tuple[bytes, ...]:
        """keccak256 of each of the block's transactions: needs no decoding, about a microsecond each."""
        found = self._hashes.get(block.hash)
        if found is None:
            found = self._hashes[block.hash] = tuple(map(keccak256, block.transactions))
            _forget_oldest(self._hashes)
        return found

    async def transactions(self, view: NodeView, block: Block) -> tuple[Transaction, ...]:
        """The block's transactions with their senders."""
        found = self._decoded.get(block.hash)
        if found is not None:
            self._decoded.move_to_end(block.hash)
            return found
        decode = view.ledger.decode
        if len(block.transactions) <= DECODE_IN_PLACE_MAX:
            found = tuple(map(decode, block.transactions))
        else:
            found = await asyncio.to_thread(lambda: tuple(map(decode, block.transactions)))
        self._decoded[block.hash] = found
        _forget_oldest(self._decoded)
        return found


def _forget_oldest(memory: OrderedDict[bytes, Any]) -> None:
    while len(memory) > DECODED_BLOCKS_MAX:
        memory.popitem(last=False)


def find_header(view: NodeView, ref: BlockRef) -> Header | None:
    """The header that `ref` names, or None if there is none."""
    if ref.hash is not None:
        header = view.header(ref.hash)
        if header is not None and ref.canonical and view.canonical(header.number) != header:
            raise server_error("hash is not currently canonical")
        return header
    if ref.number is not None:
        return view.canonical(ref.number)
    match ref.tag:
        case "earliest":
            return view.genesis
        case "safe":
            return view.safe
        case "finalized":
            return view.finalized
        case _:
            return view.head


def require_header(view: NodeView, ref: BlockRef) -> Header:
    """As `find_header`. Raises RpcError, worded as geth's, where there is none."""
    header = find_header(view, ref)
    if header is None:
        raise server_error("header not found" if ref.hash is None else "header for hash not found")
    return header


def require_state(view: NodeView, ref: BlockRef) -> tuple[Header, StateReader]:
    """The state after a block. Raises RpcError if the block is unknown or its state is no longer kept."""
    header = require_header(view, ref)
    state = view.state(header.hash)
    if state is None:
        raise state_not_kept(header)
    return header, state


def state_not_kept(header: Header) -> Exception:
    """geth says "missing trie node" and libraries look for these words."""
    return server_error(
        f"missing trie node {header.state_root.hex()}: the state of block {header.number} is no longer kept"
    )


def find_block(view: NodeView, ref: BlockRef) -> Block | None:
    """The whole block that `ref` names, or None."""
    header = find_header(view, ref)
    return None if header is None else view.block(header.hash)


@runtime_checkable
class AccountLedger(Protocol):
    """A ledger whose accounts (their records included) and transactions are Ethereum's. It says so by saying what a
    transaction costs before it is signed."""

    def gas_for(self, to: bytes | None, data: bytes, access_list: AccessList = ()) -> int:
        """Gas that such a transaction uses. Raises Refused."""
        ...


def require_accounts(view: NodeView) -> AccountLedger:
    """The view's ledger. Raises RpcError if it is of another kind."""
    ledger = view.ledger
    if not isinstance(ledger, AccountLedger):
        raise server_error(f"the {ledger.name} ledger has no accounts and transactions as Ethereum's")
    return ledger


def receipts_of(view: NodeView, block: Block) -> tuple[Receipt, ...]:
    """One receipt for each transaction. Raises RpcError if they are not there (yet)."""
    receipts = view.receipts(block.hash)
    if receipts is None or len(receipts) != len(block.transactions):
        raise server_error(f"the receipts of block {block.number} are not here")
    return receipts
