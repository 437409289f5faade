"""State after a block: what differs from the base, over the base.

The store holds one flat state, that of the *base* block. Every other block's state is a layer: the keys whose values
differ from the base, newest block first. A layer does not care how base and block are related: when the base moves, it
is enough to put the overwritten values underneath (`put_under`), and the layer means what it meant.

Reading looks into one dictionary a segment. Segments merge as in a binary counter, so that a hundred blocks over the
base cost seven look-ups, not a hundred.
"""

from collections.abc import Iterable
from typing import Final, TypeAlias

from raclette.store.contract import Reader, Table

Changes: TypeAlias = dict[bytes, bytes | None]

# Entries of the flat state kept in memory, about 250 bytes each; then the cache starts over.
CACHED_ENTRIES_MAX = 100_000


class _Missing:
    """Stands for "not in this dictionary", where None stands for "removed"."""


_MISSING: Final = _Missing()


class FlatState:
    """The base state in the store, with a cache of what was read and written."""

    __slots__ = ("_cache", "_reader")

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._cache: Changes = {}

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""
        value = self._cache.get(key, _MISSING)
        if isinstance(value, _Missing):
            value = self._reader.get(Table.STATE, key)
            self._remember(((key, value),))
        return value

    def load(self, keys: Iterable[bytes]) -> None:
        """Bring the values of `keys` into the cache in one read."""
        wanted = [key for key in keys if key not in self._cache]
        if wanted:
            self._remember(zip(wanted, self._reader.get_many(Table.STATE, wanted), strict=True))

    def replaced(self, changes: Changes) -> None:
        """The store now holds these."""
        self._remember(changes.items())

    def _remember(self, entries: Iterable[tuple[bytes, bytes | None]]) -> None:
        if len(self._cache) >= CACHED_ENTRIES_MAX:
            self._cache.clear()
        self._cache.update(entries)


# (number of the newest block in it, how many blocks it holds, values).
_Segment: TypeAlias = tuple[int, int, Changes]


class StateLayer:
    """Reads the state after one block. Valid until the chain drops the block."""

    __slots__ = ("_base", "_maps", "_segments", "_under")

    def __init__(self, base: FlatState, segments: tuple[_Segment, ...] = (), under: Changes | None = None) -> None:
        """`segments` newest first; `under` is what the base had before it moved."""
        self._base = base
        self._segments = segments
        self._under = under
        self._maps = self._list_maps()

    def _list_maps(self) -> tuple[Changes, ...]:
        maps = tuple(values for _, _, values in self._segments)
        return (*maps, self._under) if self._under else maps

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""
        for values in self._maps:
            value = values.get(key, _MISSING)
            if not isinstance(value, _Missing):
                return value
        return self._base.get(key)

    def child(self, number: int, changes: Changes) -> "StateLayer":
        """The layer of block `number`, which changed this, on top of this one."""
        segments: list[_Segment] = [(number, 1, changes), *self._segments]
        while len(segments) > 1 and segments[0][1] >= segments[1][1]:
            newer, older = segments[0], segments[1]
            segments[:2] = [(newer[0], newer[1] + older[1], {**older[2], **newer[2]})]
        return StateLayer(self._base, tuple(segments), self._under)

    def put_under(self, before: Changes) -> None:
        """The base's values of these keys were `before` and have changed; this layer's state has not."""
        self._under = {**before, **self._under} if self._under else before
        self._maps = self._list_maps()

    def settle(self, base_number: int) -> None:
        """The base is now an ancestor, block `base_number`: what it has taken in need not be kept here."""
        self._segments = tuple(part for part in self._segments if part[0] > base_number)
        self._under = None
        self._maps = self._list_maps()

    def difference(self) -> Changes:
        """Everything that may differ from the base: applied to the base it gives this state."""
        merged: Changes = {}
        for values in reversed(self._maps):
            merged.update(values)
        return merged


class StateJournal:
    """A state in which a block is being executed: writes stay here, and can be taken back to a checkpoint."""

    __slots__ = ("_journal", "_parent", "_read", "_written")

    def __init__(self, parent: StateLayer) -> None:
        self._parent = parent
        self._read: Changes = {}
        self._written: Changes = {}
        # (key, what `_written` held before), oldest first.
        self._journal: list[tuple[bytes, bytes | _Missing | None]] = []

    def get(self, key: bytes) -> bytes | None:
        """The value as last written, else as the parent has it."""
        value = self._written.get(key, _MISSING)
        if isinstance(value, _Missing):
            value = self._read.get(key, _MISSING)
            if isinstance(value, _Missing):
                value = self._read[key] = self._parent.get(key)
        return value

    def set(self, key: bytes, value: bytes | None) -> None:
        """Write; None or nothing removes, since a trie holds no empty values."""
        self._journal.append((key, self._written.get(key, _MISSING)))
        self._written[key] = value or None

    def checkpoint(self) -> int:
        """A mark for `revert`."""
        return len(self._journal)

    def revert(self, mark: int) -> None:
        """Take back every write since `mark`."""
        for key, before in reversed(self._journal[mark:]):
            if isinstance(before, _Missing):
                del self._written[key]
            else:
                self._written[key] = before
        del self._journal[mark:]

    def changes(self) -> Changes:
        """Keys in order of first write, with their values now."""
        return self._written
