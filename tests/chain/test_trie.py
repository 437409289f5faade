"""The trie against py-trie and Ethereum's published vectors."""

import contextlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from raclette.chain.header import EMPTY_ROOT
from raclette.chain.nodes import Extension, Leaf, Node, decode_node, decode_path, encode_path, key_of, path_of
from raclette.chain.roots import ordered_root
from raclette.chain.trie import Trie, child_of, kid_of, root_of_mapping
from raclette.chain.trie_proof import InvalidProof, verify_proof
from raclette.chain.trie_table import TrieTable, difference, walk
from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError, StoreDamaged
from raclette.primitives.hashing import keccak256
from raclette.store.contract import Batch, Table
from raclette.store.memory import MemoryStore

# Few symbols, short and nested keys: prefixes of each other, extensions, values in branches.
KEYS = st.binary(max_size=4).map(lambda key: bytes(byte & 0x13 for byte in key))
VALUES = st.one_of(st.binary(min_size=1, max_size=4), st.binary(min_size=30, max_size=40))
CHANGES = st.dictionaries(KEYS, st.one_of(st.none(), VALUES), max_size=12)


def oracle_of(mapping: dict[bytes, bytes]) -> HexaryTrie:
    trie = HexaryTrie({})
    for key, value in mapping.items():
        trie.set(key, value)
    return trie


def apply(mapping: dict[bytes, bytes], changes: dict[bytes, bytes | None]) -> None:
    for key, value in changes.items():
        if value is None:
            mapping.pop(key, None)
        else:
            mapping[key] = value


def test_the_empty_trie_has_ethereums_empty_root() -> None:
    assert Trie().root_hash == EMPTY_ROOT
    assert root_of_mapping({}) == EMPTY_ROOT
    assert ordered_root([]) == EMPTY_ROOT


@pytest.mark.parametrize(
    ("pairs", "root"),
    [
        # Source: github.com/ethereum/tests, TrieTests/trieanyorder.json: singleItem, dogs, puppy, foo, smallValues.
        ([("A", "a" * 50)], "d23786fb4a010da3ce639d66d5e904a11dbc02746d1ce25029e53290cabf28ab"),
        (
            [("doe", "reindeer"), ("dog", "puppy"), ("dogglesworth", "cat")],
            "8aad789dff2f538bca5d8ea56e8abe10f4c7ba3a5dea95fea4cd6e7c3a1168d3",
        ),
        (
            [("do", "verb"), ("horse", "stallion"), ("doge", "coin"), ("dog", "puppy")],
            "5991bb8c6514148a29db676a14ac506cd2cd5775ace63c30a4fe457715e9ac84",
        ),
        ([("foo", "bar"), ("food", "bass")], "17beaa1648bafa633cda809c90c04af50fc8aed3cb40d16efbddee6fdf63c4c3"),
        (
            [("be", "e"), ("dog", "puppy"), ("bed", "d")],
            "3f67c7a47520f79faa29255d2d3c084a7a6df0453116ed7232ff10277a8be68b",
        ),
    ],
)
def test_ethereums_published_roots(pairs: list[tuple[str, str]], root: str) -> None:
    mapping = {key.encode(): value.encode() for key, value in pairs}
    assert root_of_mapping(mapping, secure=False).hex() == root
    one_by_one = Trie()
    for key, value in mapping.items():
        one_by_one = one_by_one.update({key: value})
    assert one_by_one.root_hash.hex() == root


@given(st.lists(CHANGES, min_size=1, max_size=6))
@settings(max_examples=200, deadline=None)
def test_any_history_of_updates_has_py_tries_root(history: list[dict[bytes, bytes | None]]) -> None:
    trie, mapping = Trie(), dict[bytes, bytes]()
    for changes in history:
        before, root_before = trie, trie.root_hash
        trie = trie.update(changes)
        apply(mapping, changes)
        assert trie.root_hash == oracle_of(mapping).root_hash == root_of_mapping(mapping, secure=False)
        assert before.root_hash == root_before, "an older version must not change"
        assert all(trie.get(key) == mapping.get(key) for key in [*changes, *mapping])


@given(st.lists(CHANGES, min_size=1, max_size=5), KEYS)
@settings(max_examples=150, deadline=None)
def test_proofs_show_presence_and_absence_and_verify_in_py_trie(
    history: list[dict[bytes, bytes | None]], stranger: bytes
) -> None:
    trie, mapping = Trie(), dict[bytes, bytes]()
    for changes in history:
        trie = trie.update(changes)
        apply(mapping, changes)
    for key in [*mapping, stranger]:
        proof = trie.prove(key)
        assert verify_proof(trie.root_hash, key, proof) == mapping.get(key)
        if proof:
            nodes = [rlp.decode(node) for node in proof]
            assert HexaryTrie.get_from_proof(trie.root_hash, key, nodes) == mapping.get(key, b"")


def secure_case(seed: int, count: int) -> tuple[Trie, dict[bytes, bytes]]:
    draw = random.Random(seed)
    mapping = {draw.randbytes(32): draw.randbytes(70) for _ in range(count)}
    return Trie().update(mapping), mapping


def test_a_changed_cut_or_padded_proof_is_refused() -> None:
    trie, mapping = secure_case(1, 200)
    key = next(iter(mapping))
    proof = trie.prove(key)
    assert len(proof) >= 2
    bad: list[list[bytes]] = [proof[:-1], [*proof, proof[0]], proof[1:], [], proof * 30]
    for index, node in enumerate(proof):
        bad.append([*proof[:index], node[:-1] + bytes((node[-1] ^ 1,)), *proof[index + 1 :]])
    for case in bad:
        with pytest.raises(InvalidProof):
            verify_proof(trie.root_hash, key, case)


@given(st.binary(min_size=1, max_size=80))
@settings(max_examples=200, deadline=None)
def test_a_proof_of_arbitrary_bytes_proves_nothing_it_should_not(data: bytes) -> None:
    """The root is made to fit, so that the node decoder is reached: no exception but our own."""
    with contextlib.suppress(InvalidProof):
        value = verify_proof(keccak256(data), b"key", [data])
        assert value is None or value in data


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_the_node_decoder_takes_only_what_it_would_write(data: bytes) -> None:
    try:
        node = decode_node(data)
    except DecodeError:
        return
    assert node.encode() == data


@given(st.lists(st.integers(0, 15), max_size=12), st.booleans())
def test_hex_prefix_round_trip(nibbles: list[int], ends: bool) -> None:
    path = bytes(nibbles) + (b"\x10" if ends else b"")
    assert decode_path(encode_path(path)) == path


def test_hex_prefix_vectors() -> None:
    # Source: Ethereum wiki, "Patricia Tree", compact encoding of hex sequence with optional terminator.
    assert encode_path(bytes([1, 2, 3, 4, 5])).hex() == "112345"
    assert encode_path(bytes([0, 1, 2, 3, 4, 5])).hex() == "00012345"
    assert encode_path(bytes([0, 0xF, 1, 0xC, 0xB, 8, 16])).hex() == "200f1cb8"
    assert encode_path(bytes([0xF, 1, 0xC, 0xB, 8, 16])).hex() == "3f1cb8"
    assert key_of(path_of(b"\x01\xab")) == b"\x01\xab"


@given(st.lists(CHANGES, min_size=1, max_size=6))
@settings(max_examples=150, deadline=None)
def test_the_stored_trie_is_exactly_the_last_version(history: list[dict[bytes, bytes | None]]) -> None:
    """Whatever changed and however little of it was loaded: no garbage, nothing missing."""
    store = MemoryStore()
    table = TrieTable(store)
    trie = Trie(None, table)
    for changes in history:
        new = trie.update(changes)
        batch = Batch()
        table.write(batch, trie, new)
        store.write(batch)
        in_memory = Trie().update(dict(_entries(new)))
        assert dict(store.scan(Table.TRIE)) == dict(difference(Trie(), in_memory))
        trie = table.open(new.root_hash, EMPTY_ROOT)


def _entries(trie: Trie) -> list[tuple[bytes, bytes]]:
    found = []
    stack: list[tuple[bytes, Node]] = [] if trie.root is None else [(b"", trie.root)]
    while stack:
        path, node = stack.pop()
        if isinstance(node, Leaf):
            found.append((key_of(path + node.path), node.value))
        elif isinstance(node, Extension):
            stack.append((path + node.path, child_of(node, path + node.path, trie.source)))
        else:
            for slot in range(17):
                below = path + bytes((slot,))
                kid = kid_of(node, slot, below, trie.source)
                if kid is not None:
                    stack.append((below, kid))
    return found


def test_forgetting_the_lower_levels_changes_nothing() -> None:
    trie, mapping = secure_case(3, 3_000)
    store, batch = MemoryStore(), Batch()
    table = TrieTable(store)
    trie = Trie(trie.root, table)
    table.write(batch, Trie(None, table), trie)
    store.write(batch)
    root = trie.root_hash
    table.trim(trie, loaded_max=1_000)
    assert table.resident == 0
    draw = random.Random(4)
    changes: dict[bytes, bytes | None] = {key: draw.randbytes(9) for key in draw.sample(sorted(mapping), 200)}
    changes.update(dict.fromkeys(draw.sample(sorted(mapping), 200)))
    assert trie.root_hash == root
    changed = trie.update(changes)
    assert 200 < table.resident < 3_000, "only what the update needed was loaded"
    apply(mapping, changes)
    assert changed.root_hash == root_of_mapping(mapping, secure=False)
    assert sum(1 for _ in walk(trie)) == sum(1 for _ in store.scan(Table.TRIE))


@pytest.mark.parametrize("damage", ["flip", "lose"])
def test_a_damaged_node_is_named(damage: str) -> None:
    trie, mapping = secure_case(5, 300)
    store, batch = MemoryStore(), Batch()
    table = TrieTable(store)
    table.write(batch, Trie(), trie)
    store.write(batch)
    path, encoded = next((path, node) for path, node in store.scan(Table.TRIE) if len(path) == 2)
    harm = Batch()
    if damage == "flip":
        harm.put(Table.TRIE, path, encoded[:-1] + bytes((encoded[-1] ^ 1,)))
    else:
        harm.delete(Table.TRIE, path)
    store.write(harm)
    stored = table.open(trie.root_hash, EMPTY_ROOT)
    below = next(key for key in mapping if path_of(key).startswith(path))
    with pytest.raises(StoreDamaged, match=f"table trie, key {path.hex()}"):
        stored.get(below)


@pytest.mark.parametrize("count", [1, 2, 17, 127, 128, 129, 300, 1000])
def test_ordered_roots_equal_py_tries(count: int) -> None:
    draw = random.Random(count)
    items = [draw.randbytes(draw.choice((1, 20, 110, 300))) for _ in range(count)]
    oracle = oracle_of({rlp.encode(rlp.int_to_bytes(index)): item for index, item in enumerate(items)})
    assert ordered_root(items) == oracle.root_hash
