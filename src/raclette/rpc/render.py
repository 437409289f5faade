"""How headers, blocks, transactions and receipts look in JSON. Source: Ethereum's execution-apis."""

from collections.abc import Sequence
from typing import Any

from raclette.chain.block import Block
from raclette.chain.header import ZERO_BLOOM, Header
from raclette.chain.ledger import Transaction
from raclette.chain.receipt import Receipt
from raclette.chain.transaction import DYNAMIC_FEE, LEGACY, EthereumTransaction
from raclette.primitives.rlp import encode_length

# Integers beyond this are written as hex text: JavaScript would round them.
EXACT_INTEGER_MAX = 2**53 - 1
_ZERO_BLOOM_TEXT = "0x" + ZERO_BLOOM.hex()


def hex_data(data: bytes) -> str:
    """0x and two digits a byte."""
    return "0x" + data.hex()


def header_json(header: Header) -> dict[str, Any]:
    """A header, as newHeads sends it: everything needed to hash it again."""
    return {
        "number": hex(header.number),
        "hash": hex_data(header.hash),
        "parentHash": hex_data(header.parent_hash),
        "sha3Uncles": hex_data(header.uncles_hash),
        "miner": hex_data(header.beneficiary),
        "stateRoot": hex_data(header.state_root),
        "transactionsRoot": hex_data(header.transactions_root),
        "receiptsRoot": hex_data(header.receipts_root),
        "logsBloom": hex_data(header.logs_bloom),
        "difficulty": hex(header.difficulty),
        "gasLimit": hex(header.gas_limit),
        "gasUsed": hex(header.gas_used),
        "timestamp": hex(header.timestamp),
        "extraData": hex_data(header.extra_data),
        "mixHash": hex_data(header.mix_hash),
        "nonce": hex_data(header.nonce),
        "baseFeePerGas": hex(header.base_fee),
    }


def block_json(block: Block, transactions: Sequence[Any]) -> dict[str, Any]:
    """A block; `transactions` are hashes or whole objects, ready."""
    return {
        **header_json(block.header),
        "size": hex(block_size(block)),
        "uncles": [],
        "transactions": list(transactions),
    }


def block_size(block: Block) -> int:
    """Bytes of the block's RLP as Ethereum writes it: typed transactions as strings, legacy ones as they are."""
    body = 0
    for raw in block.transactions:
        body += len(raw)
        if raw[:1] < b"\x80":  # typed: a string around it
            body += len(encode_length(len(raw), 0x80))
    inner = len(block.header.encoded) + len(encode_length(body, 0xC0)) + body + 1
    return len(encode_length(inner, 0xC0)) + inner


def transaction_json(transaction: Transaction, header: Header | None = None, index: int = 0) -> dict[str, Any]:
    """A transaction at `index` of a block, or a waiting one. Of ledgers with transactions of their own: what every
    transaction has, its bytes under `raw`, and what only one can consume under `conflicts`."""
    if not isinstance(transaction.detail, EthereumTransaction):
        return _foreign_json(transaction, header, index)
    detail = transaction.detail
    price = detail.max_fee if header is None else detail.price(header.base_fee)
    out: dict[str, Any] = {
        "blockHash": None if header is None else hex_data(header.hash),
        "blockNumber": None if header is None else hex(header.number),
        "transactionIndex": None if header is None else hex(index),
        "hash": hex_data(transaction.hash),
        "from": hex_data(transaction.sender),
        "to": None if detail.to is None else hex_data(detail.to),
        "nonce": hex(detail.nonce),
        "value": hex(detail.value),
        "input": hex_data(detail.data),
        "gas": hex(detail.gas),
        "gasPrice": hex(price),
        "type": hex(detail.type),
        "v": hex(detail.v),
        "r": hex(detail.r),
        "s": hex(detail.s),
    }
    if detail.chain_id is not None:
        out["chainId"] = hex(detail.chain_id)
    if detail.type != LEGACY:
        out["yParity"] = hex(detail.y_parity)
        out["accessList"] = [
            {"address": hex_data(address), "storageKeys": [hex_data(slot) for slot in slots]}
            for address, slots in detail.access_list
        ]
    if detail.type == DYNAMIC_FEE:
        out["maxFeePerGas"] = hex(detail.max_fee)
        out["maxPriorityFeePerGas"] = hex(detail.max_priority_fee)
    return out


def _foreign_json(transaction: Transaction, header: Header | None, index: int) -> dict[str, Any]:
    return {
        "blockHash": None if header is None else hex_data(header.hash),
        "blockNumber": None if header is None else hex(header.number),
        "transactionIndex": None if header is None else hex(index),
        "hash": hex_data(transaction.hash),
        "from": hex_data(transaction.sender),
        "nonce": None if transaction.nonce is None else hex(transaction.nonce),
        "gas": hex(transaction.gas),
        "gasPrice": hex(transaction.fee),
        "conflicts": [hex_data(claim) for claim in transaction.conflicts],
        "raw": hex_data(transaction.raw),
    }


def receipt_json(transaction: Transaction, receipt: Receipt, header: Header, index: int, gas: int) -> dict[str, Any]:
    """What the transaction at `index` left behind; `gas` is what it alone used."""
    detail = transaction.detail
    is_ethereum = isinstance(detail, EthereumTransaction)
    return {
        "transactionHash": hex_data(transaction.hash),
        "transactionIndex": hex(index),
        "blockHash": hex_data(header.hash),
        "blockNumber": hex(header.number),
        "from": hex_data(transaction.sender),
        "to": hex_data(detail.to) if is_ethereum and detail.to is not None else None,
        "type": hex(receipt.type),
        "status": "0x1" if receipt.succeeded else "0x0",
        "gasUsed": hex(gas),
        "cumulativeGasUsed": hex(receipt.cumulative_gas),
        "effectiveGasPrice": hex(detail.price(header.base_fee) if is_ethereum else transaction.fee),
        "contractAddress": None,
        "logs": [],
        "logsBloom": _ZERO_BLOOM_TEXT,
    }


def gas_used(receipts: Sequence[Receipt], index: int) -> int:
    """What the transaction at `index` alone used."""
    return receipts[index].cumulative_gas - (receipts[index - 1].cumulative_gas if index else 0)


def plain(value: Any) -> Any:
    """JSON-able data from what engines and hosts say: bytes as hex, large integers as hex quantities."""
    if isinstance(value, dict):
        return {plain_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return hex_data(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > EXACT_INTEGER_MAX:
        return hex(value)
    return value


def plain_key(key: Any) -> str:
    """A key of a JSON object."""
    return hex_data(key) if isinstance(key, bytes) else str(key)
