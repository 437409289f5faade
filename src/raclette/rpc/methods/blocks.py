"""Blocks: by number and hash, with transaction hashes or whole transactions, and their receipts."""

from typing import Any

from raclette.rpc.kinds import BLOCK, BOOLEAN, HASH, INDEX, BlockRef
from raclette.rpc.lookup import find_block, receipts_of
from raclette.rpc.render import block_json, gas_used, hex_data, receipt_json, transaction_json
from raclette.rpc.table import Context, MethodTable, Parameter


def block_number(context: Context) -> str:
    """Height of the head."""
    return hex(context.view.head.number)


async def block_by_ref(context: Context, ref: BlockRef, full: bool) -> dict[str, Any] | None:
    """The block, or null if there is none. With `full`, transactions are objects, else hashes."""
    block = find_block(context.view, ref)
    if block is None:
        return None
    if not full:
        return block_json(block, [hex_data(hash_) for hash_ in context.lookup.hashes(block)])
    transactions = await context.lookup.transactions(context.view, block)
    return block_json(block, [transaction_json(entry, block.header, i) for i, entry in enumerate(transactions)])


async def block_by_hash(context: Context, block_hash: bytes, full: bool) -> dict[str, Any] | None:
    """The block, or null if there is none: also one beside the head's branch. With `full`, transactions are objects,
    else hashes."""
    return await block_by_ref(context, BlockRef(hash=block_hash), full)


def transaction_count(context: Context, ref: BlockRef) -> str | None:
    """How many transactions the block has, or null if there is no such block."""
    block = find_block(context.view, ref)
    return None if block is None else hex(len(block.transactions))


def transaction_count_by_hash(context: Context, block_hash: bytes) -> str | None:
    """How many transactions the block has, or null if there is no such block."""
    return transaction_count(context, BlockRef(hash=block_hash))


def uncle_count(context: Context, ref: BlockRef) -> str | None:
    """0x0, or null if there is no such block: there are no uncles here."""
    return None if find_block(context.view, ref) is None else "0x0"


def uncle_count_by_hash(context: Context, block_hash: bytes) -> str | None:
    """0x0, or null if there is no such block: there are no uncles here."""
    return uncle_count(context, BlockRef(hash=block_hash))


async def block_receipts(context: Context, ref: BlockRef) -> list[dict[str, Any]] | None:
    """The receipts of all the block's transactions, in order, or null if there is no such block."""
    view = context.view
    block = find_block(view, ref)
    if block is None:
        return None
    receipts = receipts_of(view, block)
    transactions = await context.lookup.transactions(view, block)
    return [
        receipt_json(entry, receipts[i], block.header, i, gas_used(receipts, i)) for i, entry in enumerate(transactions)
    ]


def transaction_by_ref_and_index(context: Context, ref: BlockRef, index: int) -> dict[str, Any] | None:
    """The transaction at that place, or null if there is none."""
    block = find_block(context.view, ref)
    if block is None or index >= len(block.transactions):
        return None
    return transaction_json(context.view.ledger.decode(block.transactions[index]), block.header, index)


def transaction_by_hash_and_index(context: Context, block_hash: bytes, index: int) -> dict[str, Any] | None:
    """The transaction at that place, or null if there is none."""
    return transaction_by_ref_and_index(context, BlockRef(hash=block_hash), index)


_BLOCK_EXAMPLE = {"number": "0x1", "hash": HASH.example, "transactions": ["…"], "…": "…"}


def register(table: MethodTable) -> None:
    """Add this file's methods."""
    block, block_hash, index = Parameter("block", BLOCK), Parameter("hash", HASH), Parameter("index", INDEX)
    full = Parameter("full", BOOLEAN, False)
    add = table.add
    add("eth_blockNumber", returns="quantity", example="0x10")(block_number)
    add("eth_getBlockByNumber", block, full, returns="block or null", example=_BLOCK_EXAMPLE)(block_by_ref)
    add("eth_getBlockByHash", block_hash, full, returns="block or null", example=_BLOCK_EXAMPLE)(block_by_hash)
    add("eth_getBlockTransactionCountByNumber", block, returns="quantity or null", example="0x2")(transaction_count)
    add("eth_getBlockTransactionCountByHash", block_hash, returns="quantity or null", example="0x2")(
        transaction_count_by_hash
    )
    add("eth_getUncleCountByBlockNumber", block, returns="quantity or null", example="0x0")(uncle_count)
    add("eth_getUncleCountByBlockHash", block_hash, returns="quantity or null", example="0x0")(uncle_count_by_hash)
    add("eth_getBlockReceipts", block, returns="array of receipts, or null", example=[{"status": "0x1", "…": "…"}])(
        block_receipts
    )
    add("eth_getTransactionByBlockNumberAndIndex", block, index, returns="transaction or null")(
        transaction_by_ref_and_index
    )
    add("eth_getTransactionByBlockHashAndIndex", block_hash, index, returns="transaction or null")(
        transaction_by_hash_and_index
    )
