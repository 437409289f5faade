"""The roll: which nodes take part by right, each bound to the account whose stake is its weight.

Protocols that weigh votes by money (ballot, senate) need to know who votes and how much each weighs, at an agreed
height, without knowing what ledger there is. So every ledger keeps the roll in the state in the same way, and answers
how much an account's stake is; `ChainView.members` joins the two.

An account enters its node in genesis (`node` of an `alloc` entry) or by a transaction to `ROLL_ADDRESS` with the data

    node id (32) | signature by the node's key (64)

and leaves by one with no data at all. The signature, over chain id and account, proves that the node wants to be the
account's: nobody can enter a stranger's node. One node for each account and one account for each node.

In the state: `ROLL_KEY` -> RLP list of [node id, account], sorted by node id.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from raclette.chain.genesis import address
from raclette.chain.ledger import StateReader
from raclette.primitives import rlp
from raclette.primitives.errors import ConfigError, Refused
from raclette.primitives.signing import NODE_ID_BYTES, SIGNATURE_BYTES, Claim, Ed25519Verifier, Signer, digest_of

# An address nobody has the key of: sixteen zero bytes and a word.
ROLL_ADDRESS = bytes(16) + b"roll"
ROLL_KEY = b"\x04roll"
# Entries of a roll. It is one record of the state, so this bounds what a change of it costs: about 120 KB.
MEMBERS_MAX = 2_048
# One record that may grow: what Ethereum takes for a new storage slot.
GAS_PER_ENTRY = 20_000
_DOMAIN = "raclette/roll"


class Member(NamedTuple):
    """A node on the roll, its account, and the account's stake (the ledger's smallest unit)."""

    node_id: bytes
    account: bytes
    stake: int


def read_roll(state: StateReader) -> tuple[tuple[bytes, bytes], ...]:
    """(node id, account) of every entry, sorted by node id."""
    record = state.get(ROLL_KEY)
    if record is None:
        return ()
    pairs = (rlp.as_list(item) for item in rlp.decode_list(record))
    return tuple((rlp.as_bytes(node), rlp.as_bytes(account)) for node, account in pairs)


def encode_roll(entries: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The record; None for an empty roll."""
    ordered = sorted(entries)
    return rlp.encode([[node, account] for node, account in ordered]) if ordered else None


def genesis_roll(alloc: Mapping[str, Any]) -> dict[bytes, bytes]:
    """The state's entry for the nodes that genesis names. Raises ConfigError with the path."""
    entries: dict[bytes, bytes] = {}
    for text, entry in alloc.items():
        node = entry.get("node")
        if node is None:
            continue
        path = f"alloc.{text}.node"
        try:
            node_id = bytes.fromhex(node.removeprefix("0x"))
        except (AttributeError, ValueError):
            node_id = b""
        if len(node_id) != NODE_ID_BYTES:
            raise ConfigError(f"{path} is {node!r}; accepted: a node id of {NODE_ID_BYTES} bytes in hex")
        if node_id in entries:
            raise ConfigError(f"{path}: this node stands twice in alloc")
        entries[node_id] = address(text, f"alloc.{text}")
    if len(entries) > MEMBERS_MAX:
        raise ConfigError(f"alloc: {len(entries)} nodes on the roll; accepted are at most {MEMBERS_MAX}")
    record = encode_roll(entries.items())
    return {} if record is None else {ROLL_KEY: record}


def with_nodes(alloc: Mapping[str, Any], node_ids: Iterable[bytes]) -> dict[str, Any]:
    """The same `alloc` with a node for each of its first accounts, in order; accounts beyond have none."""
    named = dict(alloc)
    for (account, entry), node_id in zip(alloc.items(), node_ids, strict=False):
        named[account] = {**entry, "node": "0x" + node_id.hex()}
    return named


def sign_entry(signer: Signer, chain_id: int, account: bytes) -> bytes:
    """The data of a transaction by which `account` enters the signer's node."""
    return signer.public_key + signer.sign(_digest(chain_id, account))


def parse_entry(data: bytes, chain_id: int, account: bytes) -> bytes | None:
    """The node id that `account` enters with `data`; None if it leaves. Pure. Raises Refused."""
    if not data:
        return None
    if len(data) != NODE_ID_BYTES + SIGNATURE_BYTES:
        raise Refused("bad-roll-entry", "roll: data is a node id (32 bytes) and a signature (64), or nothing")
    node_id, signature = data[:NODE_ID_BYTES], data[NODE_ID_BYTES:]
    if not Ed25519Verifier().holds(Claim(node_id, _digest(chain_id, account), signature)):
        raise Refused("bad-roll-entry", "roll: the node's signature does not hold for this account and chain")
    return node_id


def change_roll(
    roll: Iterable[tuple[bytes, bytes]], account: bytes, node_id: bytes | None
) -> tuple[tuple[bytes, bytes], ...] | None:
    """The roll after `account` entered `node_id` (None: left), which replaces its former node. None if that changes
    nothing: the node is another account's, the roll is full, or who leaves was not on it."""
    entries = dict(roll)
    others = {node: owner for node, owner in entries.items() if owner != account}
    if node_id is not None:
        if node_id in others or len(others) >= MEMBERS_MAX:
            return None
        others[node_id] = account
    return None if others == entries else tuple(sorted(others.items()))


def _digest(chain_id: int, account: bytes) -> bytes:
    return digest_of(_DOMAIN, chain_id, account)
