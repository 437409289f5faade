"""The directory: names and public keys of accounts, so that people can be paid by name and sent sealed memos.

An address is a hash; nobody can seal a memo to a hash. A public key becomes known with its owner's first signature,
which is too late for the first message *to* somebody. So an account may publish name and public key in the state: in
genesis (`name` and `publicKey` of an `alloc` entry), or by a transaction to `DIRECTORY_ADDRESS` with the data
public key (33 bytes) | name. It needs no money where the base fee is zero. One name for each account, first come first
served, for ever: a name never starts to mean somebody else.

In the state, beside accounts (20-byte keys):
    0x01 | address (20)          -> RLP [public key, name]
    0x02 | keccak256(name) (32)  -> address
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from raclette.chain.ledger import StateReader
from raclette.chain.transaction import intrinsic_gas, sign_transaction
from raclette.primitives import rlp
from raclette.primitives.errors import ConfigError, DecodeError, Refused
from raclette.primitives.hashing import keccak256
from raclette.primitives.keys import (
    ADDRESS_BYTES,
    COMPRESSED_KEY_BYTES,
    AccountKey,
    address_of,
    checksum_address,
    compress_public_key,
)

# An address nobody has the key of: eleven zero bytes and a word.
DIRECTORY_ADDRESS = bytes(11) + b"directory"
# Two new records that stay for ever: twice what Ethereum takes for a new storage slot.
GAS_PER_REGISTRATION = 40_000
NAME_RULE = "1 to 32 of a-z, 0-9 and -, beginning with a letter or digit"
_NAME = re.compile(rb"[a-z0-9][a-z0-9-]{0,31}")


class Entry(NamedTuple):
    """What an account has published: its public key (33 bytes) and its name."""

    public_key: bytes
    name: str


def record_key(address: bytes) -> bytes:
    """State key of an account's entry."""
    return b"\x01" + address


def name_key(name: str) -> bytes:
    """State key of a name's owner."""
    return b"\x02" + keccak256(name.encode())


def encode_entry(entry: Entry) -> bytes:
    """The value under `record_key`."""
    return rlp.encode([entry.public_key, entry.name.encode()])


def read_entry(address: bytes, state: StateReader) -> Entry | None:
    """What `address` has published."""
    record = state.get(record_key(address))
    if record is None:
        return None
    public_key, name = (rlp.as_bytes(item) for item in rlp.decode_list(record, 2))
    return Entry(public_key, name.decode())


def read_owner(name: str, state: StateReader) -> bytes | None:
    """The address that has `name`, if anybody."""
    if not _NAME.fullmatch(name.encode("ascii", "replace")):
        return None
    return state.get(name_key(name))


def registration(name: str, public_key: bytes) -> bytes:
    """The data of a registering transaction. Raises Refused if the name is not allowed."""
    return public_key + check_name(name.encode())


def sign_registration(key: AccountKey, *, chain_id: int, nonce: int, name: str, fee: int = 0) -> bytes:
    """The raw transaction that publishes `name` and public key of `key`'s account, at `fee` wei per gas. Raises Refused
    if the name is not allowed."""
    data = registration(name, key.public_key)
    gas = intrinsic_gas(data) + GAS_PER_REGISTRATION
    return sign_transaction(key, chain_id=chain_id, nonce=nonce, to=DIRECTORY_ADDRESS, data=data, gas=gas, max_fee=fee)


def parse_registration(data: bytes, sender: bytes) -> Entry:
    """What a transaction's data asks to publish. Raises Refused if it is malformed or not the sender's key."""
    name = check_name(data[COMPRESSED_KEY_BYTES:])
    try:
        owner = address_of(data[:COMPRESSED_KEY_BYTES])
    except DecodeError as wrong:
        raise Refused("bad-registration", f"directory: {wrong}") from None
    if owner != sender:
        raise Refused("bad-registration", "directory: the public key is not the sender's")
    return Entry(data[:COMPRESSED_KEY_BYTES], name.decode())


def check_name(name: bytes) -> bytes:
    """`name` if it may be registered. Raises Refused."""
    if not _NAME.fullmatch(name):
        raise Refused("bad-name", f"directory: name {name[:40]!r} is not {NAME_RULE}")
    return name


def publish_genesis(owner: bytes, entry: Mapping[str, Any], path: str, state: dict[bytes, bytes]) -> None:
    """Put the name and public key of a genesis `alloc` entry, if it has them, into `state`. Raises ConfigError with the
    path."""
    name, key_text = entry.get("name"), entry.get("publicKey")
    if name is None and key_text is None:
        return
    if not isinstance(name, str) or not isinstance(key_text, str):
        raise ConfigError(f"{path}: name and publicKey go together, both as text")
    try:
        public_key = compress_public_key(bytes.fromhex(key_text.removeprefix("0x")))
        check_name(name.encode())
    except (ValueError, DecodeError) as wrong:
        raise ConfigError(f"{path}.publicKey: {wrong}; accepted: 33 or 65 bytes in hex") from None
    except Refused as wrong:
        raise ConfigError(f"{path}.name: {wrong}") from None
    if address_of(public_key) != owner:
        raise ConfigError(f"{path}.publicKey belongs to {checksum_address(address_of(public_key))}")
    if name_key(name) in state:
        raise ConfigError(f"{path}.name: {name!r} stands twice in alloc")
    state[record_key(owner)] = encode_entry(Entry(public_key, name))
    state[name_key(name)] = owner


def is_account_key(key: bytes) -> bool:
    """Is this state key an account's address?"""
    return len(key) == ADDRESS_BYTES
