"""Entries in the state, in the order in which the chain took them. What a rule may look at.

0x11 "count"                -> how many there are
0x12 | index (8)            -> RLP [RLP [author, data], index of the author's entry before + 1, or nothing]
0x13 | author (20)          -> index of the author's last entry + 1
0x14 | entry id (32)        -> index + 1
"""

from collections.abc import Iterator, Sequence
from typing import overload

from raclette.chain.ledger import StateReader, StateWriter
from raclette.ledgers.data.entry import Entry
from raclette.primitives import rlp
from raclette.primitives.rlp import as_bytes, bytes_to_int, int_to_bytes

_COUNT = b"\x11count"


class Past(Sequence[Entry]):
    """The entries of a state, oldest first: a sequence, read as it is used."""

    def __init__(self, state: StateReader) -> None:
        self._state = state

    def __len__(self) -> int:
        return _number(self._state.get(_COUNT))

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> list[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | list[Entry]:
        if isinstance(index, slice):
            return [self._at(one)[0] for one in range(*index.indices(len(self)))]
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(index)
        return self._at(place)[0]

    def __iter__(self) -> Iterator[Entry]:
        return (self._at(index)[0] for index in range(len(self)))

    def __contains__(self, entry: object) -> bool:
        return isinstance(entry, Entry) and self._state.get(_id_key(entry.id)) is not None

    def by(self, author: bytes) -> Iterator[Entry]:
        """The author's entries, newest first: costs nothing for those of others."""
        next_one = _number(self._state.get(_author_key(author)))
        while next_one:
            entry, next_one = self._at(next_one - 1)
            yield entry

    def _at(self, index: int) -> tuple[Entry, int]:
        record = self._state.get(_index_key(index))
        if record is None:
            raise IndexError(index)
        entry, before = rlp.decode_list(record, 2)
        return Entry.decode(as_bytes(entry)), bytes_to_int(before, size_max=8)


def append(state: StateWriter, entry: Entry) -> None:
    """Add it as the last."""
    index = _number(state.get(_COUNT))
    before = state.get(_author_key(entry.author)) or b""
    own = int_to_bytes(index + 1)
    state.set(_index_key(index), rlp.encode([entry.encode(), before]))
    state.set(_author_key(entry.author), own)
    state.set(_id_key(entry.id), own)
    state.set(_COUNT, own)


def _number(record: bytes | None) -> int:
    return int.from_bytes(record or b"")


def _index_key(index: int) -> bytes:
    return b"\x12" + index.to_bytes(8)


def _author_key(author: bytes) -> bytes:
    return b"\x13" + author


def _id_key(entry_id: bytes) -> bytes:
    return b"\x14" + entry_id
