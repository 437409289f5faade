"""Accounts: balances, nonces, proofs, and calls that change nothing."""

from typing import Any

from raclette.chain.ledger import StateReader
from raclette.primitives import rlp
from raclette.primitives.errors import Misuse, Refused
from raclette.primitives.keys import checksum_address
from raclette.rpc.errors import refusal, server_error
from raclette.rpc.kinds import ADDRESS, BLOCK, CALL, LATEST, BlockRef, Kind, read_list, read_quantity, read_sized
from raclette.rpc.lookup import require_accounts, require_state, state_not_kept
from raclette.rpc.render import hex_data
from raclette.rpc.table import Context, MethodTable, Parameter

# Storage keys in one eth_getProof (geth: 1,024).
STORAGE_KEYS_MAX = 1_024
_EMPTY_ACCOUNT_FIELDS = 4
_ZERO_WORD = "0x" + "00" * 32


def ask_ledger(context: Context, path: str, arguments: list[Any], state: StateReader) -> Any:
    """A ledger's read. Raises RpcError where this ledger has no such query."""
    try:
        return context.view.ledger.query(path, arguments, state)
    except Misuse as error:
        raise server_error(str(error)) from None


def balance(context: Context, address: bytes, ref: BlockRef) -> str:
    """The account's balance after the block, in wei."""
    _, state = require_state(context.view, ref)
    return hex(ask_ledger(context, "balance", [address], state))


def transaction_count(context: Context, address: bytes, ref: BlockRef) -> str:
    """The account's next nonce: after the block, or with `pending` after its waiting transactions, too."""
    require_accounts(context.view)
    if ref.tag == "pending":
        return hex(context.view.next_nonce(address))
    _, state = require_state(context.view, ref)
    return hex(ask_ledger(context, "nonce", [address], state))


def code(context: Context, _address: bytes, ref: BlockRef) -> str:
    """Always 0x: accounts of this ledger have no code."""
    require_state(context.view, ref)
    return "0x"


def storage_at(context: Context, _address: bytes, _slot: bytes, ref: BlockRef) -> str:
    """Always 32 zero bytes: accounts of this ledger have no storage."""
    require_state(context.view, ref)
    return _ZERO_WORD


def proof(context: Context, address: bytes, slots: list[bytes], ref: BlockRef) -> dict[str, Any]:
    """The account with a Merkle-Patricia proof from the block's `stateRoot` (EIP-1186): of its presence or absence."""
    require_accounts(context.view)
    header, state = require_state(context.view, ref)
    nodes = context.view.prove(header.hash, address)
    if nodes is None:
        raise state_not_kept(header)
    record = state.get(address)
    nonce, amount, storage_hash, code_hash = _EMPTY_ACCOUNT if record is None else _account_fields(record)
    return {
        "address": hex_data(address),
        "accountProof": [hex_data(node) for node in nodes],
        "balance": hex(int.from_bytes(amount, "big")),
        "nonce": hex(int.from_bytes(nonce, "big")),
        "storageHash": hex_data(storage_hash),
        "codeHash": hex_data(code_hash),
        "storageProof": [{"key": hex_data(slot), "value": "0x0", "proof": []} for slot in slots],
    }


_EMPTY_ACCOUNT = (
    b"",
    b"",
    bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"),  # root of an empty trie
    bytes.fromhex("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),  # keccak256(b"")
)


def _account_fields(record: bytes) -> tuple[bytes, ...]:
    items = rlp.decode_list(record, _EMPTY_ACCOUNT_FIELDS)
    return tuple(rlp.as_bytes(item) for item in items)


def call(context: Context, fields: dict[str, Any], ref: BlockRef) -> str:
    """Always 0x where the sender has the money: no account has code that could answer."""
    _, state = require_state(context.view, ref)
    _check_funds(context, fields, state)
    return "0x"


def estimate_gas(context: Context, fields: dict[str, Any], ref: BlockRef) -> str:
    """Gas that the transaction will use: exact, because a ledger's costs follow from the transaction alone."""
    ledger = require_accounts(context.view)
    header, state = require_state(context.view, ref)
    _check_funds(context, fields, state)
    try:
        gas = ledger.gas_for(fields["to"], fields.get("input", b""), fields.get("accessList", ()))
    except Refused as refused:
        raise refusal(refused) from None
    allowed = min(fields.get("gas") or header.gas_limit, header.gas_limit)
    if gas > allowed:
        raise server_error(f"gas required exceeds allowance ({allowed})")
    return hex(gas)


def _check_funds(context: Context, fields: dict[str, Any], state: StateReader) -> None:
    if fields.get("to") is None:
        raise server_error("contract creation refused: this ledger has no contracts")
    sender, value = fields.get("from", bytes(20)), fields.get("value", 0)
    if value:
        have = ask_ledger(context, "balance", [sender], state)
        if value > have:
            who = checksum_address(sender)
            raise server_error(f"insufficient funds for gas * price + value: address {who} have {have} want {value}")


def _read_slot(value: Any) -> bytes:
    """A storage slot: 32 bytes, or a quantity, which some libraries send."""
    if isinstance(value, str) and len(value) == 66:
        return read_sized(32, "a storage slot")(value)
    digits = value.removeprefix("0x").lstrip("0") if isinstance(value, str) and value.startswith("0x") else value
    return read_quantity("0x" + (digits or "0") if isinstance(digits, str) else digits).to_bytes(32, "big")


SLOT = Kind("slot", "A storage slot: 32 bytes in hex, or a quantity.", _read_slot, "0x0")
SLOTS = Kind("slots", "Storage slots.", read_list(_read_slot, STORAGE_KEYS_MAX), [])


def register(table: MethodTable) -> None:
    """Add this file's methods."""
    address, block = Parameter("address", ADDRESS), Parameter("block", BLOCK, LATEST)
    add = table.add
    add("eth_getBalance", address, block, returns="quantity (wei)", example="0x56bc75e2d63100000")(balance)
    add(
        "eth_getTransactionCount",
        address,
        Parameter("block", BLOCK, LATEST, example="pending"),
        returns="quantity",
        example="0x7",
    )(transaction_count)
    add("eth_getCode", address, block, returns="data", example="0x")(code)
    add("eth_getStorageAt", address, Parameter("slot", SLOT), block, returns="data", example=_ZERO_WORD)(storage_at)
    add(
        "eth_getProof",
        address,
        Parameter("slots", SLOTS),
        block,
        returns="object",
        example={"address": ADDRESS.example, "accountProof": ["0xf9…"], "balance": "0x1", "nonce": "0x0", "…": "…"},
    )(proof)
    add("eth_call", Parameter("call", CALL), block, returns="data", example="0x")(call)
    add("eth_estimateGas", Parameter("call", CALL), block, returns="quantity", example="0x5208")(estimate_gas)
