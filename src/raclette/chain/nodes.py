"""Nodes of a Merkle-Patricia trie and their encoding.

Source: Ethereum Yellow Paper, appendix C (hex-prefix) and D (the trie). A path is one byte a nibble, closed by the
terminator 16, as geth does it: keys are then prefix-free, a branch's value is simply its child number 16, and a leaf
with nothing left of its path stands for that value.

Nodes are immutable in meaning. Each knows its `ref`, the RLP item that stands for it in its parent: the node itself if
its encoding is shorter than 32 bytes, else the string of its hash. A child that is not loaded is None beside its ref;
loading fills it in, which changes nothing that can be observed.
"""

from binascii import unhexlify
from typing import TypeAlias

from raclette.primitives.errors import DecodeError
from raclette.primitives.hashing import keccak256
from raclette.primitives.rlp import PREFIXES, STRING_PREFIXES, encode_bytes, header_at, list_prefix

TERMINATOR = 16
WIDTH = 17
# RLP of the empty string: an absent child.
EMPTY_REF = b"\x80"
# An encoding shorter than this stands in its parent instead of its hash.
EMBED_BELOW = 32

_TO_HEX = bytes(b"0123456789abcdef"[i] if i < 16 else 0 for i in range(256))
_FROM_HEX = bytes(b"0123456789abcdef".find(bytes((i,))) & 0xFF for i in range(256))
_NO_REFS = [EMPTY_REF] * WIDTH


def path_of(key: bytes) -> bytes:
    """The nibbles of `key`, one a byte, and the terminator."""
    return key.hex().encode().translate(_FROM_HEX) + b"\x10"


def key_of(path: bytes) -> bytes:
    """The key of a whole path (terminator included)."""
    return unhexlify(path[:-1].translate(_TO_HEX))


def encode_path(path: bytes) -> bytes:
    """Hex-prefix encoding; a path that ends with the terminator is a leaf's. Yellow Paper, appendix C."""
    if path and path[-1] == TERMINATOR:
        nibbles = path[:-1].translate(_TO_HEX)
        return unhexlify((b"20" if len(nibbles) % 2 == 0 else b"3") + nibbles)
    nibbles = path.translate(_TO_HEX)
    return unhexlify((b"00" if len(nibbles) % 2 == 0 else b"1") + nibbles)


def decode_path(data: bytes) -> bytes:
    """Inverse of `encode_path`. Raises DecodeError."""
    if not data or data[0] >= 0x40:
        raise DecodeError("trie-path", data[:1].hex() or "empty")
    nibbles = data.hex().encode().translate(_FROM_HEX)
    if not data[0] & 0x10 and data[0] & 0x0F:
        raise DecodeError("trie-path", "padding is not zero")
    nibbles = nibbles[1:] if data[0] & 0x10 else nibbles[2:]
    return nibbles + b"\x10" if data[0] & 0x20 else nibbles


def ref_of(encoded: bytes) -> bytes:
    """What stands for a node of that encoding in its parent."""
    return b"\xa0" + keccak256(encoded) if len(encoded) >= EMBED_BELOW else encoded


class Leaf:
    """The rest of a key (terminator included) and its value, never empty."""

    __slots__ = ("path", "ref", "value")

    def __init__(self, path: bytes, value: bytes, ref: bytes | None = None) -> None:
        """`ref`, where it is known already, spares the hash."""
        self.path = path
        self.value = value
        if ref is not None:
            self.ref = ref
        else:
            self.ref = ref_of(self.encode()) if path else encode_bytes(value)

    def encode(self) -> bytes:
        """RLP of [hex-prefixed path, value]."""
        head = encode_path(self.path)
        value = self.value
        size = len(value)
        body = STRING_PREFIXES[size] + value if 1 < size < PREFIXES else encode_bytes(value)
        # A hex-prefixed path of one byte is below 0x80, so it stands for itself.
        payload = head + body if len(head) == 1 else STRING_PREFIXES[len(head)] + head + body
        return list_prefix(len(payload)) + payload


class Extension:
    """A path that several keys share, and the branch where they part."""

    __slots__ = ("child", "child_ref", "path", "ref")

    def __init__(self, path: bytes, child: "Node | None", child_ref: bytes, ref: bytes | None = None) -> None:
        self.path = path
        self.child = child
        self.child_ref = child_ref
        self.ref = ref_of(self.encode()) if ref is None else ref

    def encode(self) -> bytes:
        """RLP of [hex-prefixed path, ref of the branch]."""
        payload = encode_bytes(encode_path(self.path)) + self.child_ref
        return list_prefix(len(payload)) + payload


class Branch:
    """Sixteen children and the value of the key that ends here (child 16)."""

    __slots__ = ("kids", "ref", "refs")

    def __init__(self, refs: list[bytes], kids: "list[Node | None]", ref: bytes | None = None) -> None:
        self.refs = refs
        self.kids = kids
        self.ref = ref_of(self.encode()) if ref is None else ref

    def encode(self) -> bytes:
        """RLP of the 17 refs."""
        payload = b"".join(self.refs)
        return list_prefix(len(payload)) + payload


Node: TypeAlias = Leaf | Extension | Branch


def decode_node(data: bytes, ref: bytes | None = None) -> Node:
    """A node from its encoding, children not loaded but for the value; `ref` as in the constructors. Raises
    DecodeError."""
    is_list, position, end = header_at(data, 0, len(data))
    if not is_list or end != len(data):
        raise DecodeError("trie-node", "not one list")
    refs: list[bytes] = []
    while position < end:
        prefix = data[position]
        if prefix == 0xA0:
            stop = position + 33
        elif prefix == 0x80:
            stop = position + 1
        else:
            _, _, stop = header_at(data, position, end)
        refs.append(data[position:stop])
        if stop > end or len(refs) > WIDTH:
            raise DecodeError("trie-node", f"cut, or more than {WIDTH} items")
        position = stop
    if len(refs) == WIDTH:
        return _decode_branch(refs, ref)
    if len(refs) != 2:
        raise DecodeError("trie-node", f"{len(refs)} items")
    path = decode_path(_string(refs[0]))
    if path and path[-1] == TERMINATOR:
        value = _string(refs[1])
        if not value:
            raise DecodeError("trie-node", "a leaf without value")
        return Leaf(path, value, ref)
    if not path:
        raise DecodeError("trie-node", "an extension by nothing")
    _check_child(refs[1])
    if refs[1] == EMPTY_REF:
        raise DecodeError("trie-node", "an extension to nothing")
    return Extension(path, None, refs[1], ref)


def _decode_branch(refs: list[bytes], ref: bytes | None) -> Branch:
    for kid_ref in refs[:TERMINATOR]:
        if len(kid_ref) != 33 or kid_ref[0] != 0xA0:
            _check_child(kid_ref)
    kids: list[Node | None] = [None] * WIDTH
    if refs[TERMINATOR] != EMPTY_REF:
        kids[TERMINATOR] = Leaf(b"", _string(refs[TERMINATOR]), refs[TERMINATOR])
    return Branch(refs, kids, ref)


def _check_child(ref: bytes) -> None:
    if ref == EMPTY_REF or (len(ref) == 33 and ref[0] == 0xA0):
        return
    if ref[0] < 0xC0 or len(ref) >= EMBED_BELOW:
        raise DecodeError("trie-node", "a child that is neither hash nor short node")


def _string(item: bytes) -> bytes:
    is_list, start, end = header_at(item, 0, len(item))
    if is_list:
        raise DecodeError("trie-node", "a list where a string belongs")
    return item[start:end]


def is_hashed(node: Node) -> bool:
    """Does its parent name it by hash? (Otherwise it stands in its parent, as a short node or as a branch's value.)"""
    return len(node.ref) == 33 and not (isinstance(node, Leaf) and not node.path)


def new_branch() -> tuple[list[bytes], list[Node | None]]:
    """Empty refs and kids, to be filled before the Branch is made."""
    return _NO_REFS.copy(), [None] * WIDTH


__all__ = [
    "EMBED_BELOW",
    "EMPTY_REF",
    "TERMINATOR",
    "WIDTH",
    "Branch",
    "Extension",
    "Leaf",
    "Node",
    "decode_node",
    "decode_path",
    "encode_path",
    "is_hashed",
    "key_of",
    "new_branch",
    "path_of",
    "ref_of",
]
