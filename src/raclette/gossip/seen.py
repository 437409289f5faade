"""A bounded memory of ids and where each came from: two generations, the older forgotten whole."""

from collections.abc import Iterable


class SeenSet:
    """Remembers at least the last `count_max // 2` ids of the last `age_max // 2` ns, at most `count_max` ids."""

    __slots__ = ("_age", "_born", "_count", "_new", "_old")

    def __init__(self, count_max: int, age_max: int) -> None:
        self._count = max(1, count_max // 2)
        self._age = age_max // 2
        self._new: dict[bytes, bytes | None] = {}
        self._old: dict[bytes, bytes | None] = {}
        self._born = 0

    def __contains__(self, item: bytes) -> bool:
        return item in self._new or item in self._old

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

    def origin(self, item: bytes) -> bytes | None:
        """The peer that brought it first; None if it is our own or forgotten."""
        return self._new[item] if item in self._new else self._old.get(item)

    def fresh(self, now: int, items: Iterable[bytes], origin: bytes | None) -> list[bytes]:
        """Remember `items`; return those that were not remembered before, once each, in order."""
        if now - self._born >= self._age:
            self._rotate(now)
        out = []
        new, old = self._new, self._old
        for item in items:
            if item in new or item in old:
                continue
            if len(new) >= self._count:
                self._rotate(now)
                new, old = self._new, self._old
            new[item] = origin
            out.append(item)
        return out

    def _rotate(self, now: int) -> None:
        # After a pause of two generations even the newer one is too old.
        self._old = {} if now - self._born >= 2 * self._age else self._new
        self._new = {}
        self._born = now
