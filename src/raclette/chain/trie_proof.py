"""Checking a proof that a trie with a given root holds a value under a key, or nothing.

Source: EIP-1186 (eth_getProof). The proof comes from a stranger: sizes are bounded, every node must hash to the name
its parent has for it, and a proof with nodes to spare is refused.
"""

from collections.abc import Sequence

from raclette.chain.header import EMPTY_ROOT
from raclette.chain.nodes import EMPTY_REF, Extension, Leaf, Node, decode_node, path_of
from raclette.primitives.errors import DecodeError, PeerFault
from raclette.primitives.hashing import keccak256

# One node a nibble of a 32-byte key, and the value: no honest proof is longer.
PROOF_NODES_MAX = 65
# A full branch has 532 bytes; the rest is room for a leaf with a large value.
PROOF_NODE_BYTES_MAX = 64 * 1024


class InvalidProof(PeerFault):
    """A proof that does not lead from the root to the key."""


def verify_proof(root: bytes, key: bytes, proof: Sequence[bytes]) -> bytes | None:
    """The value that the trie with this `root` holds under `key` (already hashed, where the trie is secure), or None if
    the proof shows that there is none. Raises InvalidProof."""
    if len(proof) > PROOF_NODES_MAX or any(len(part) > PROOF_NODE_BYTES_MAX for part in proof):
        raise InvalidProof("proof-too-large", f"{len(proof)} nodes")
    if not proof:
        if root != EMPTY_ROOT:
            raise InvalidProof("proof-incomplete", "no nodes for a trie that is not empty")
        return None
    try:
        value, used = _follow(root, path_of(key), proof)
    except DecodeError as error:
        raise InvalidProof("proof-node", str(error)) from error
    if used != len(proof):
        raise InvalidProof("proof-trailing", f"{len(proof) - used} spare nodes")
    return value


def _follow(root: bytes, path: bytes, proof: Sequence[bytes]) -> tuple[bytes | None, int]:
    """(value or None, nodes of the proof used)."""
    ref, depth, used = b"\xa0" + root, 0, 0
    while ref != EMPTY_REF:
        node, used = _resolve(ref, proof, used)
        if isinstance(node, Leaf):
            return (node.value if path[depth:] == node.path else None), used
        if isinstance(node, Extension):
            if not path.startswith(node.path, depth):
                return None, used
            depth += len(node.path)
            ref = node.child_ref
            continue
        slot = path[depth]
        depth += 1
        kid = node.kids[slot]
        if isinstance(kid, Leaf):  # the branch's own value
            return kid.value, used
        ref = node.refs[slot]
    return None, used


def _resolve(ref: bytes, proof: Sequence[bytes], used: int) -> tuple[Node, int]:
    if ref[0] >= 0xC0:
        return decode_node(ref), used
    if used == len(proof):
        raise InvalidProof("proof-incomplete", f"ends after {used} nodes")
    if keccak256(proof[used]) != ref[1:]:
        raise InvalidProof("proof-hash", f"node {used} is not the one its parent names")
    return decode_node(proof[used]), used + 1
