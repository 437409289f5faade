"""A state in a dictionary: for audits and exams, where nothing has to be fast or to outlive the process."""

from collections.abc import Mapping


class DictState:
    """A journalled state in a dictionary: the simplest thing that keeps the contract of `StateWriter`."""

    def __init__(self, entries: Mapping[bytes, bytes]) -> None:
        self.entries: dict[bytes, bytes] = dict(entries)
        self._journal: list[tuple[bytes, bytes | None]] = []

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""
        return self.entries.get(key)

    def set(self, key: bytes, value: bytes | None) -> None:
        """Write (None removes)."""
        self._journal.append((key, self.entries.get(key)))
        self._put(key, value)

    def checkpoint(self) -> int:
        """A mark to which `revert` can go back."""
        return len(self._journal)

    def revert(self, mark: int) -> None:
        """Undo every `set` since `mark`."""
        while len(self._journal) > mark:
            self._put(*self._journal.pop())

    def _put(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self.entries.pop(key, None)
        else:
            self.entries[key] = value
