"""Kinds of parameters: how each is written in JSON, read, and explained. Readers raise ValueError, worded as geth does.

Source: EIP-1474 (quantities and data), EIP-1898 (blocks by object).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from raclette.chain.header import ADDRESS_BYTES

UINT64_MAX = 2**64 - 1
UINT256_MAX = 2**256 - 1
TAGS = ("earliest", "latest", "pending", "safe", "finalized")
_HEX = re.compile(r"[0-9a-fA-F]*")


@dataclass(frozen=True, slots=True)
class Kind:
    """`name` and `about` are for the reference; `read` turns JSON into a value or raises ValueError."""

    name: str
    about: str
    read: Callable[[Any], Any]
    example: Any


@dataclass(frozen=True, slots=True)
class BlockRef:
    """A block as a caller names it: by exactly one of tag, number, hash. `canonical`: only if on the head's branch."""

    tag: str | None = None
    number: int | None = None
    hash: bytes | None = None
    canonical: bool = False


LATEST = BlockRef(tag="latest")


def read_data(value: Any) -> bytes:
    """Bytes of any length from 0x text."""
    if not isinstance(value, str):
        raise ValueError("non-string where hex data is expected")
    if value[:2] not in ("0x", "0X"):
        raise ValueError("hex string without 0x prefix" if value else "empty hex string")
    digits = value[2:]
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        if not _HEX.fullmatch(digits):
            raise ValueError("invalid hex string") from None
        raise ValueError("hex string of odd length") from None
    if 2 * len(data) != len(digits):  # fromhex skips white space
        raise ValueError("invalid hex string")
    return data


def read_quantity(value: Any, high: int = UINT256_MAX) -> int:
    """An unsigned integer from 0x text without leading zeros."""
    if not isinstance(value, str):
        raise ValueError("non-string where a hex quantity is expected")
    if value[:2] not in ("0x", "0X"):
        raise ValueError("hex string without 0x prefix" if value else "empty hex string")
    digits = value[2:]
    if not digits:
        raise ValueError('hex string "0x"')
    if len(digits) > 64 or not _HEX.fullmatch(digits):
        raise ValueError("hex number > 256 bits" if _HEX.fullmatch(digits) else "invalid hex string")
    if digits[0] == "0" and len(digits) > 1:
        raise ValueError("hex number with leading zero digits")
    number = int(digits, 16)
    if number > high:
        raise ValueError(f"hex number > {high.bit_length()} bits")
    return number


def read_sized(size: int, what: str) -> Callable[[Any], bytes]:
    """A reader of exactly `size` bytes."""

    def read(value: Any) -> bytes:
        data = read_data(value)
        if len(data) != size:
            raise ValueError(f"hex string has length {2 * len(data)}, want {2 * size} for {what}")
        return data

    return read


read_address = read_sized(ADDRESS_BYTES, "an address")
read_hash = read_sized(32, "a hash")


def read_count(value: Any) -> int:
    """A quantity of at most 64 bits; a plain number is taken, too, as geth does."""
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value <= UINT64_MAX:
            raise ValueError("number out of range")
        return value
    return read_quantity(value, UINT64_MAX)


def read_block(value: Any) -> BlockRef:
    """A tag, a number, a hash (32 bytes), or EIP-1898's object."""
    if isinstance(value, dict):
        return _read_block_object(value)
    if isinstance(value, str):
        if value in TAGS:
            return BlockRef(tag=value)
        if len(value) == 66:
            return BlockRef(hash=read_hash(value))
    return BlockRef(number=read_quantity(value, UINT64_MAX))


def _read_block_object(value: dict[str, Any]) -> BlockRef:
    if "blockHash" in value and "blockNumber" in value:
        raise ValueError("cannot specify both BlockHash and BlockNumber, choose one or the other")
    if "blockNumber" in value:
        inner = value["blockNumber"]
        return BlockRef(tag=inner) if inner in TAGS else BlockRef(number=read_quantity(inner, UINT64_MAX))
    if "blockHash" not in value:
        raise ValueError("invalid arguments; neither block nor hash specified")
    canonical = value.get("requireCanonical", False)
    if not isinstance(canonical, bool):
        raise ValueError("requireCanonical is not a boolean")
    return BlockRef(hash=read_hash(value["blockHash"]), canonical=canonical)


def read_boolean(value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise ValueError("not a boolean")
    return value


def read_text(value: Any) -> str:
    """A JSON string."""
    if not isinstance(value, str):
        raise ValueError("not a string")
    return value


def read_percentiles(value: Any) -> tuple[float, ...]:
    """At most 100 ascending numbers from 0 to 100."""
    if not isinstance(value, list) or any(isinstance(p, bool) or not isinstance(p, (int, float)) for p in value):
        raise ValueError("not an array of numbers")
    if len(value) > 100:
        raise ValueError("over the query limit 100")
    if any(not 0 <= p <= 100 for p in value) or sorted(value) != value:
        raise ValueError("reward percentiles must be ascending, from 0 to 100")
    return tuple(float(p) for p in value)


def read_list(read: Callable[[Any], Any], most: int) -> Callable[[Any], list[Any]]:
    """A reader of up to `most` items."""

    def read_all(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValueError("not an array")
        if len(value) > most:
            raise ValueError(f"{len(value)} items, at most {most}")
        return [read(item) for item in value]

    return read_all


_CALL_READERS: dict[str, Callable[[Any], Any]] = {
    "from": read_address,
    "to": read_address,
    "gas": read_quantity,
    "gasPrice": read_quantity,
    "maxFeePerGas": read_quantity,
    "maxPriorityFeePerGas": read_quantity,
    "value": read_quantity,
    "nonce": read_quantity,
    "data": read_data,
    "input": read_data,
    "chainId": read_quantity,
    "type": read_quantity,
}


def read_call(value: Any) -> dict[str, Any]:
    """A transaction object: known fields read, null ones left out, `data` merged into `input`, `accessList` as
    ((address, (slot, ...)), ...). Unknown fields are ignored, as geth does."""
    if not isinstance(value, dict):
        raise ValueError("not an object")
    call: dict[str, Any] = {}
    for name, read in _CALL_READERS.items():
        if value.get(name) is not None:
            try:
                call[name] = read(value[name])
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
    if "data" in call:
        data = call.pop("data")
        if call.setdefault("input", data) != data:
            raise ValueError('both "data" and "input" are set and not equal. Please use "input"')
    if "gasPrice" in call and ("maxFeePerGas" in call or "maxPriorityFeePerGas" in call):
        raise ValueError("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")
    if value.get("accessList") is not None:
        call["accessList"] = _read_access_list(value["accessList"])
    return call


def _read_access_list(value: Any) -> tuple[tuple[bytes, tuple[bytes, ...]], ...]:
    if not isinstance(value, list):
        raise ValueError("accessList: not an array")
    entries = []
    for item in value:
        if not isinstance(item, dict) or not isinstance(item.get("storageKeys"), list):
            raise ValueError("accessList: not an array of {address, storageKeys}")
        slots = tuple(read_hash(slot) for slot in item["storageKeys"])
        entries.append((read_address(item.get("address")), slots))
    return tuple(entries)


_ADDRESS = "0x8ba1f109551bd432803012645ac136ddd64dba72"
_HASH = "0x" + "c1" * 32

DATA = Kind("data", "Bytes in hex: two digits a byte after 0x.", read_data, "0x68656c6c6f")
ADDRESS = Kind("address", "20 bytes in hex, in any case.", read_address, _ADDRESS)
HASH = Kind("hash", "32 bytes in hex.", read_hash, _HASH)
QUANTITY = Kind("quantity", "An integer in hex: no leading zeros, zero is 0x0.", read_quantity, "0x1")
COUNT = Kind("count", "A quantity below 2^64, or a plain JSON number.", read_count, "0x4")
INDEX = Kind("index", "A quantity below 2^64, counted from 0.", lambda v: read_quantity(v, UINT64_MAX), "0x0")
BLOCK = Kind(
    "block",
    "A number (quantity), a block hash, one of the tags `latest`, `safe`, `finalized`, `pending` (here the same as "
    '`latest`) and `earliest`, or an object `{"blockNumber": …}` or `{"blockHash": …, "requireCanonical": …}` '
    "(EIP-1898).",
    read_block,
    "latest",
)
BOOLEAN = Kind("boolean", "`true` or `false`.", read_boolean, True)
TEXT = Kind("text", "A JSON string.", read_text, "newHeads")
PERCENTILES = Kind("percentiles", "At most 100 ascending numbers from 0 to 100.", read_percentiles, [25, 75])
CALL = Kind(
    "call",
    "A transaction object: `from`, `to`, `gas`, `gasPrice` or `maxFeePerGas` and `maxPriorityFeePerGas`, `value`, "
    "`input` (or `data`), `accessList`; all optional.",
    read_call,
    {"from": _ADDRESS, "to": "0x" + "11" * 20, "value": "0x0"},
)
