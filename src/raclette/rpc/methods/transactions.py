"""Transactions: sent, found, and the pool where they wait."""

from typing import Any

from raclette.primitives.errors import Refused
from raclette.rpc.errors import refusal
from raclette.rpc.kinds import DATA, HASH, Kind, read_data, read_list
from raclette.rpc.lookup import receipts_of
from raclette.rpc.render import gas_used, hex_data, receipt_json, transaction_json
from raclette.rpc.table import Context, MethodTable, Parameter

# Transactions in one raclette_sendRawTransactions.
SEND_MANY_MAX = 5_000
# Transactions shown by one txpool_content.
POOL_SHOWN_MAX = 1_000


async def send_raw(context: Context, raw: bytes) -> str:
    """Check a signed transaction, take it into the pool, and pass it on. The error says why it was refused."""
    try:
        return hex_data(await context.backend.submit(raw))
    except Refused as refused:
        raise refusal(refused) from None


async def send_raw_many(context: Context, raws: list[bytes]) -> list[Any]:
    """As `eth_sendRawTransaction` for each, in order, for less: a hash where it was taken, else an object with
    `code`, `message` and `data.reason`."""
    outcomes = await context.backend.submit_many(raws)
    return [hex_data(entry) if isinstance(entry, bytes) else refusal(entry).as_json() for entry in outcomes]


def by_hash(context: Context, transaction_hash: bytes) -> dict[str, Any] | None:
    """The transaction on the head's branch, or waiting (then without block), or null."""
    found = context.view.locate(transaction_hash)
    if found is not None:
        return transaction_json(found.transaction, found.header, found.index)
    pooled = context.view.pooled(transaction_hash)
    return None if pooled is None else transaction_json(pooled)


def raw_by_hash(context: Context, transaction_hash: bytes) -> str:
    """The signed bytes of a transaction on the head's branch or waiting; 0x if there is none."""
    found = context.view.locate(transaction_hash)
    transaction = context.view.pooled(transaction_hash) if found is None else found.transaction
    return "0x" if transaction is None else hex_data(transaction.raw)


def receipt(context: Context, transaction_hash: bytes) -> dict[str, Any] | None:
    """What the transaction left behind, or null as long as it is not in a block."""
    view = context.view
    found = view.locate(transaction_hash)
    block = None if found is None else view.block(found.header.hash)
    if found is None or block is None:
        return None
    receipts = receipts_of(view, block)
    gas = gas_used(receipts, found.index)
    return receipt_json(found.transaction, receipts[found.index], found.header, found.index, gas)


def pool_status(context: Context) -> dict[str, str]:
    """How many transactions can be executed now (`pending`), and how many wait for an earlier nonce (`queued`)."""
    stats = context.view.mempool()
    return {"pending": hex(stats["pending"]), "queued": hex(stats["queued"])}


def pool_content(context: Context) -> dict[str, Any]:
    """Up to 1,000 executable transactions, best first, as objects by sender and nonce (or hash, where there are no
    nonces)."""
    pending: dict[str, dict[str, Any]] = {}
    for transaction in context.view.pooled_transactions(POOL_SHOWN_MAX):
        place = hex_data(transaction.hash) if transaction.nonce is None else str(transaction.nonce)
        pending.setdefault(hex_data(transaction.sender), {})[place] = transaction_json(transaction)
    return {"pending": pending, "queued": {}}


RAWS = Kind("array of data", "Signed transactions.", read_list(read_data, SEND_MANY_MAX), ["0x02f8…"])


def register(table: MethodTable) -> None:
    """Add this file's methods."""
    transaction_hash = Parameter("hash", HASH)
    raw = Parameter("transaction", DATA, about="The signed transaction, as a wallet makes it.", example="0x02f8…")
    add = table.add
    add("eth_sendRawTransaction", raw, returns="hash", example=HASH.example)(send_raw)
    add("eth_getTransactionByHash", transaction_hash, returns="transaction or null")(by_hash)
    add("eth_getRawTransactionByHash", transaction_hash, returns="data", example="0x02f8…")(raw_by_hash)
    add("eth_getTransactionReceipt", transaction_hash, returns="receipt or null", example={"status": "0x1", "…": "…"})(
        receipt
    )
    add("txpool_status", returns="object", example={"pending": "0x2", "queued": "0x0"})(pool_status)
    add("txpool_content", returns="object")(pool_content)
    add(
        "raclette_sendRawTransactions",
        Parameter("transactions", RAWS),
        returns="array of hashes or errors",
        example=[HASH.example],
    )(send_raw_many)
