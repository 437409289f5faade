"""Examining a whole database: what `raclette db check` prints."""

from collections.abc import Iterator

from raclette.chain.archive import Archive, number_key
from raclette.chain.base import Base
from raclette.chain.header import Header
from raclette.chain.roots import ordered_root
from raclette.chain.trie import Trie, trie_of_mapping
from raclette.chain.trie_table import difference
from raclette.primitives.errors import StoreDamaged
from raclette.primitives.hashing import keccak256
from raclette.store.contract import Table


def problem(table: Table, key: bytes, what: str) -> str:
    """One line that names table and key."""
    return f"table {table.value}, key {key.hex() or 'root'}: {what}"


def verify_chain(archive: Archive, genesis: Header, head: Header, base: Base) -> Iterator[str]:
    """Blocks of the head's branch with bodies, receipts and index, then the base's state, trie and undo records."""
    cursor = head
    while True:
        yield from _verify_block(archive, cursor, base)
        if cursor.number == 0:
            break
        try:
            parent = archive.need_header(cursor.parent_hash)
        except StoreDamaged as damage:
            yield str(damage)
            return
        if parent.number != cursor.number - 1:
            yield problem(Table.HEADERS, cursor.hash, f"number {cursor.number} on a parent at {parent.number}")
            return
        cursor = parent
    if cursor.hash != genesis.hash:
        yield problem(Table.HEADERS, cursor.hash, "the head's branch does not begin with the genesis block")
    yield from _verify_base(archive, base)


def _verify_block(archive: Archive, header: Header, base: Base) -> Iterator[str]:
    key = number_key(header.number)
    if archive.store.get(Table.CANONICAL, key) != header.hash:
        yield problem(Table.CANONICAL, key, "not the head's branch")
    try:
        block = archive.block(header)
        if ordered_root(block.transactions) != header.transactions_root:
            yield problem(Table.BODIES, header.hash, "not the body that the header names")
        for index, raw in enumerate(block.transactions):
            if archive.place(keccak256(raw)) != (header.hash, index):
                yield problem(Table.INDEX, keccak256(raw), f"not at {index} of block {header.number}")
        receipts = archive.receipts(header.hash)
        if receipts is None:
            yield problem(Table.RECEIPTS, header.hash, "missing")
        elif ordered_root([receipt.encode() for receipt in receipts]) != header.receipts_root:
            yield problem(Table.RECEIPTS, header.hash, "not the receipts that the header names")
        if base.undo_from <= header.number <= base.number:
            base.need_undo(header)
    except StoreDamaged as damage:
        yield str(damage)


def _verify_base(archive: Archive, base: Base) -> Iterator[str]:
    trie = trie_of_mapping(dict(archive.store.scan(Table.STATE)))
    if trie.root_hash != base.header.state_root:
        yield f"table {Table.STATE.value}: its root is {trie.root_hash.hex()}, block {base.number} says otherwise"
        return
    expected = dict(difference(Trie(), trie))
    for path, encoded in archive.store.scan(Table.TRIE):
        if expected.pop(path, None) != encoded:
            yield problem(Table.TRIE, path, "not the node of the base state's trie")
    for path in expected:
        yield problem(Table.TRIE, path, "missing")
