"""Ethereum transactions: legacy (with EIP-155), EIP-2930 and EIP-1559, decoded strictly and signed.

A transaction names no sender: its signature over the keccak256 of its unsigned part proves one. Decoding therefore ends
in a signature recovery (about 43 us), and everything around it is kept small: one pass over the RLP that never
re-encodes. The unsigned part is a prefix of the signed list, so its payload is a slice of what came in; only the list's
length in front (and EIP-155's chain id behind) are new.

Strict means: one byte string per transaction. Integers are canonical, `s` is in the lower half (EIP-2), nothing follows
the list, the chain id is ours. So the hash of a transaction cannot be changed by anybody but its author.

Source: Ethereum Yellow Paper, section 4.2 and appendix F; EIP-2, EIP-155, EIP-2028, EIP-2681, EIP-2718, EIP-2930,
EIP-1559. Wording of errors as geth's, which wallets show to people.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from raclette.chain.ledger import Transaction
from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError, Misuse, Refused
from raclette.primitives.hashing import keccak256
from raclette.primitives.keys import ADDRESS_BYTES, CURVE_ORDER, LOW_S_MAX, AccountKey, recover_compact
from raclette.primitives.rlp import header_at, int_to_bytes

LEGACY = 0
ACCESS_LIST = 1
DYNAMIC_FEE = 2

# Largest transaction on the wire, as geth's pool: sixteen of them fill a block of BLOCK_BYTES_MAX.
TRANSACTION_BYTES_MAX = 128 * 1024
# EIP-2681: a nonce fits 64 bits and can still be counted up.
NONCE_MAX = 2**64 - 2
# Chain ids must leave room for EIP-155's v = 35 + 2 * chain id + parity in JavaScript's exact integers.
CHAIN_ID_MAX = (2**53 - 37) // 2

GAS_PER_TRANSACTION = 21_000
GAS_PER_CREATION = 32_000
GAS_PER_ZERO_BYTE = 4
GAS_PER_NONZERO_BYTE = 16  # EIP-2028
GAS_PER_ACCESS_ADDRESS = 2_400  # EIP-2930
GAS_PER_ACCESS_SLOT = 1_900

AccessList: TypeAlias = tuple[tuple[bytes, tuple[bytes, ...]], ...]


class EthereumTransaction(NamedTuple):
    """The fields of a signed transaction; `Transaction.detail` of ledgers with Ethereum accounts.

    Amounts are in wei, fees in wei per gas. Before EIP-1559 there is one gas price, which stands in both
    `max_priority_fee` and `max_fee`. `to` is 20 bytes, or None to create a contract. `chain_id` is None for legacy
    transactions without EIP-155. `access_list` holds (address, (slot of 32 bytes, ...)).
    """

    type: int
    chain_id: int | None
    nonce: int
    max_priority_fee: int
    max_fee: int
    gas: int
    to: bytes | None
    value: int
    data: bytes
    access_list: AccessList
    y_parity: int
    r: int
    s: int

    @property
    def v(self) -> int:
        """The signature's v as JSON-RPC shows it: EIP-155's for legacy, else the parity."""
        if self.type != LEGACY:
            return self.y_parity
        return self.y_parity + (27 if self.chain_id is None else 35 + 2 * self.chain_id)

    def price(self, base_fee: int) -> int:
        """Wei per gas the sender pays where the base fee is `base_fee` (EIP-1559's effective gas price)."""
        return min(self.max_fee, base_fee + self.max_priority_fee)


class Authored(NamedTuple):
    """A decoded transaction and the account that signed it."""

    hash: bytes
    sender: bytes
    detail: EthereumTransaction


# Of each type: number of fields, index of the access list (-1: none).
_SHAPES = {LEGACY: (9, -1), ACCESS_LIST: (11, 7), DYNAMIC_FEE: (12, 8)}
_LOW_S_MAX_BYTES = LOW_S_MAX.to_bytes(32)
_CURVE_ORDER_BYTES = CURVE_ORDER.to_bytes(32)
_ZERO_SCALAR = bytes(32)
_PARITY_BYTES = (b"\x00", b"\x01")


def decode_transaction(raw: bytes, chain_id: int, *, base_fee: int = 0, allow_unprotected: bool = False) -> Transaction:
    """Decode and prove authorship; `gas` is the sender's limit, `fee` its effective price at `base_fee`.

    Raises DecodeError (bytes that are no transaction) or Refused (one that we do not take); never anything else.
    """
    hash_, sender, detail = decode_authored(raw, chain_id, allow_unprotected=allow_unprotected)
    return Transaction(raw, hash_, sender, detail.nonce, detail.price(base_fee), detail.gas, (), detail)


def decode_authored(raw: bytes, chain_id: int, *, allow_unprotected: bool = False) -> Authored:
    """Fields, hash and sender. `allow_unprotected`: take legacy transactions without EIP-155, which are valid on every
    chain at once. Raises DecodeError, Refused."""
    size = len(raw)
    if size > TRANSACTION_BYTES_MAX:
        raise Refused("oversized", f"oversized data: transaction size {size}, limit {TRANSACTION_BYTES_MAX}")
    first = raw[0] if size else 0
    kind = LEGACY if first >= 0xC0 else first
    if (kind == LEGACY and first == 0) or kind not in _SHAPES:
        raise Refused("type-not-supported", "transaction type not supported")
    start = 1 if kind else 0
    is_list, body, end = header_at(raw, start, size)
    if not is_list or end != size:
        raise DecodeError("rlp-trailing", f"{size - end} spare bytes" if is_list else "a string, not a list")
    fields, unsigned_end = _split(raw, body, end, kind)
    detail, signature, suffix = _interpret(fields, kind, chain_id, allow_unprotected)
    unsigned = rlp.encode_length(unsigned_end - body + len(suffix), 0xC0) + raw[body:unsigned_end] + suffix
    digest = keccak256(raw[:1] + unsigned if kind else unsigned)
    return Authored(keccak256(raw), recover_compact(digest, signature), detail)


def _split(raw: bytes, position: int, end: int, kind: int) -> tuple[list[Any], int]:
    """The fields (bytes; the access list decoded) and where the last three, the signature, begin."""
    count, list_at = _SHAPES[kind]
    fields: list[Any] = []
    unsigned_end = position
    while position < end:
        index = len(fields)
        if index == count - 3:
            unsigned_end = position
        prefix = raw[position]
        if prefix < 0x80 and index != list_at:
            fields.append(raw[position : position + 1])
            position += 1
            continue
        is_list, body, position = header_at(raw, position, end)
        if is_list != (index == list_at):
            raise DecodeError("rlp-type", f"field {index} is a {'list' if is_list else 'string'}")
        fields.append(_access_list(raw, body, position) if is_list else raw[body:position])
    if len(fields) != count:
        raise DecodeError("rlp-count", f"{len(fields)} fields where {count} belong")
    return fields, unsigned_end


def _access_list(raw: bytes, position: int, end: int) -> AccessList:
    entries: list[tuple[bytes, tuple[bytes, ...]]] = []
    while position < end:
        is_list, body, position = header_at(raw, position, end)
        if not is_list:
            raise DecodeError("rlp-type", "an access list entry is a list")
        is_list, start, stop = header_at(raw, body, position)
        if is_list or stop - start != ADDRESS_BYTES:
            raise DecodeError("rlp-size", "an access list entry begins with an address of 20 bytes")
        is_list, slot, slots_end = header_at(raw, stop, position)
        if not is_list or slots_end != position:
            raise DecodeError("rlp-type", "an access list entry is an address and a list of slots")
        slots: list[bytes] = []
        while slot < slots_end:
            is_list, slot_start, slot = header_at(raw, slot, slots_end)
            if is_list or slot - slot_start != 32:
                raise DecodeError("rlp-size", "an access list slot has 32 bytes")
            slots.append(raw[slot_start:slot])
        entries.append((raw[start:stop], tuple(slots)))
    return tuple(entries)


def _interpret(
    fields: list[Any], kind: int, chain_id: int, allow_unprotected: bool
) -> tuple[EthereumTransaction, bytes, bytes]:
    """(the transaction, its signature in 65 bytes, what EIP-155 appends to the unsigned fields)."""
    signed_for: int | None = chain_id
    suffix, access_list = b"", ()
    if kind == LEGACY:
        nonce, tip, gas, to, value, data, v, r, s = fields
        signed_for, parity = _read_v(_integer(v, 8), chain_id, allow_unprotected)
        suffix = b"" if signed_for is None else _chain_suffix(chain_id)
        price = fee = _integer(tip, 32)
    elif kind == ACCESS_LIST:
        chain, nonce, tip, gas, to, value, data, access_list, v, r, s = fields
        price = fee = _integer(tip, 32)
    else:
        chain, nonce, tip, max_fee, gas, to, value, data, access_list, v, r, s = fields
        price, fee = _integer(tip, 32), _integer(max_fee, 32)
    if kind != LEGACY:
        _require_chain(_integer(chain, 32), chain_id)
        parity = _integer(v, 1)
    if len(to) not in (0, ADDRESS_BYTES):
        raise DecodeError("rlp-size", f"a receiver of {len(to)} bytes; 20 (or 0 to create a contract) belong")
    r_value, s_value = _integer(r, 32), _integer(s, 32)
    r, s = r.rjust(32, b"\x00"), s.rjust(32, b"\x00")
    if parity > 1 or not (_ZERO_SCALAR < r < _CURVE_ORDER_BYTES and _ZERO_SCALAR < s <= _LOW_S_MAX_BYTES):
        raise Refused("bad-signature", "invalid transaction v, r, s values")
    detail = EthereumTransaction(
        kind,
        signed_for,
        _integer(nonce, 8),
        price,
        fee,
        _integer(gas, 8),
        to or None,
        _integer(value, 32),
        data,
        access_list,
        parity,
        r_value,
        s_value,
    )
    if detail.nonce > NONCE_MAX:
        raise Refused("nonce-max", "nonce has max value")
    return detail, r + s + _PARITY_BYTES[parity], suffix


def _read_v(v: int, chain_id: int, allow_unprotected: bool) -> tuple[int | None, int]:
    """(chain id or None, parity) of a legacy transaction's v (EIP-155)."""
    if v in (27, 28):
        if not allow_unprotected:
            raise Refused("unprotected", "only replay-protected (EIP-155) transactions allowed over RPC")
        return None, v - 27
    if v < 35:
        raise Refused("bad-signature", "invalid transaction v, r, s values")
    _require_chain((v - 35) // 2, chain_id)
    return chain_id, (v - 35) % 2


def _require_chain(have: int, want: int) -> None:
    if have != want:
        raise Refused("wrong-chain", f"invalid chain id for signer: have {have} want {want}")


@lru_cache(maxsize=64)
def _chain_suffix(chain_id: int) -> bytes:
    """EIP-155: what stands where the signature will be."""
    return rlp.encode_bytes(int_to_bytes(chain_id)) + b"\x80\x80"


def _integer(data: bytes, size_max: int) -> int:
    """As `rlp.bytes_to_int`, for what is bytes already."""
    if len(data) > size_max:
        raise DecodeError("rlp-integer", f"{len(data)} bytes, at most {size_max}")
    if data and data[0] == 0:
        raise DecodeError("rlp-integer", "leading zero")
    return int.from_bytes(data)


def intrinsic_gas(data: bytes, access_list: AccessList = (), *, is_creation: bool = False) -> int:
    """Gas a transaction costs before anything is executed (EIP-2028, EIP-2930)."""
    gas = GAS_PER_TRANSACTION + (GAS_PER_CREATION if is_creation else 0)
    if data:
        zeros = data.count(0)
        gas += zeros * GAS_PER_ZERO_BYTE + (len(data) - zeros) * GAS_PER_NONZERO_BYTE
    for _, slots in access_list:
        gas += GAS_PER_ACCESS_ADDRESS + len(slots) * GAS_PER_ACCESS_SLOT
    return gas


def sign_transaction(
    key: AccountKey,
    *,
    chain_id: int | None,
    nonce: int,
    to: bytes | None,
    value: int = 0,
    data: bytes = b"",
    gas: int | None = None,
    max_fee: int = 0,
    max_priority_fee: int | None = None,
    access_list: AccessList = (),
    kind: int = DYNAMIC_FEE,
) -> bytes:
    """A raw signed transaction of any type.

    `gas` defaults to the intrinsic gas, `max_priority_fee` to `max_fee` (the one gas price of the older types).
    `chain_id` None makes a legacy transaction without EIP-155. Raises Misuse where the type cannot carry a field.
    """
    tip = max_fee if max_priority_fee is None else max_priority_fee
    if kind not in _SHAPES or (kind != DYNAMIC_FEE and tip != max_fee) or (kind == LEGACY and access_list):
        raise Misuse(f"type {kind} cannot carry these fees or this access list")
    if chain_id is None and kind != LEGACY:
        raise Misuse("only legacy transactions can do without a chain id")
    if gas is None:
        gas = intrinsic_gas(data, access_list, is_creation=to is None)
    fees = (tip, max_fee) if kind == DYNAMIC_FEE else (max_fee,)
    head = (nonce, *fees, gas) if kind == LEGACY else (chain_id or 0, nonce, *fees, gas)
    body = b"".join(map(_encode_integer, head))
    body += rlp.encode_bytes(to or b"") + _encode_integer(value) + rlp.encode_bytes(data)
    if kind != LEGACY:
        body += rlp.encode([[address, list(slots)] for address, slots in access_list]) if access_list else b"\xc0"
    return _sealed(key, kind, chain_id, body)


def sign_transfer(
    key: AccountKey, *, chain_id: int, nonce: int, to: bytes, value: int, data: bytes = b"", fee: int = 0
) -> bytes:
    """A raw transfer of `value` wei (EIP-1559) that bids `fee` wei per gas and asks for exactly the gas it needs.

    About 30 us, of which signing is 26. Raises Misuse if `to` is no address.
    """
    if len(to) != ADDRESS_BYTES:
        raise Misuse(f"a receiver has {ADDRESS_BYTES} bytes, not {len(to)}")
    body = b"".join(
        (
            _encode_integer(chain_id),
            _encode_integer(nonce),
            _encode_integer(fee) * 2,
            _encode_integer(intrinsic_gas(data)),
            b"\x94",
            to,
            _encode_integer(value),
            rlp.encode_bytes(data),
            b"\xc0",
        )
    )
    return _sealed(key, DYNAMIC_FEE, chain_id, body)


def _encode_integer(value: int) -> bytes:
    if value < 0x80:
        # The empty string for zero; else the byte is its own encoding. A negative value raises below.
        return b"\x80" if value == 0 else value.to_bytes(1)
    size = (value.bit_length() + 7) >> 3
    return bytes((0x80 + size,)) + value.to_bytes(size)


def _sealed(key: AccountKey, kind: int, chain_id: int | None, body: bytes) -> bytes:
    """`body`, the encoded unsigned fields, with the signature and in its envelope."""
    prefix = bytes((kind,)) if kind else b""
    suffix = _chain_suffix(chain_id) if kind == LEGACY and chain_id is not None else b""
    length = rlp.encode_length(len(body) + len(suffix), 0xC0)
    signature = key.sign_compact(keccak256(prefix + length + body + suffix))
    v = signature[64]
    if kind == LEGACY:
        v += 27 if chain_id is None else 35 + 2 * chain_id
    r, s = signature[:32].lstrip(b"\x00"), signature[32:64].lstrip(b"\x00")
    signed = body + _encode_integer(v) + rlp.encode_bytes(r) + rlp.encode_bytes(s)
    return prefix + rlp.encode_length(len(signed), 0xC0) + signed


def encode_transaction(fields: EthereumTransaction) -> bytes:
    """The raw bytes of decoded fields: what `decode_authored` read them from."""
    kind = fields.type
    chain = [int_to_bytes(fields.chain_id or 0)] if kind else []
    fees = [fields.max_priority_fee, fields.max_fee] if kind == DYNAMIC_FEE else [fields.max_fee]
    items: list[rlp.Encodable] = [*chain, *map(int_to_bytes, (fields.nonce, *fees, fields.gas))]
    items += [fields.to or b"", int_to_bytes(fields.value), fields.data]
    if kind:
        items.append([[address, list(slots)] for address, slots in fields.access_list])
    items += map(int_to_bytes, (fields.v, fields.r, fields.s))
    return (bytes((kind,)) if kind else b"") + rlp.encode(items)


__all__: Sequence[str] = [
    "ACCESS_LIST",
    "CHAIN_ID_MAX",
    "DYNAMIC_FEE",
    "LEGACY",
    "NONCE_MAX",
    "TRANSACTION_BYTES_MAX",
    "AccessList",
    "Authored",
    "EthereumTransaction",
    "decode_authored",
    "decode_transaction",
    "encode_transaction",
    "intrinsic_gas",
    "sign_transaction",
    "sign_transfer",
]
