"""Who is linked now, in the order of ids, and what they last said of themselves."""

from collections.abc import Iterator

from raclette.node.wire import Status


class Links:
    """The linked peers. Iteration is sorted by id, so effects do not depend on the order of arrival."""

    def __init__(self, node_id: bytes) -> None:
        self.node_id = node_id
        self._status: dict[bytes, Status | None] = {}
        self._sorted: tuple[bytes, ...] = ()

    def __contains__(self, peer: bytes) -> bool:
        return peer in self._status

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._sorted)

    def __len__(self) -> int:
        return len(self._status)

    def all(self) -> tuple[bytes, ...]:
        """Every linked peer."""
        return self._sorted

    def among(self, members: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Those of `members` that are linked, without ourselves."""
        return tuple(member for member in members if member in self._status)

    def up(self, peer: bytes) -> None:
        """A link is there."""
        self._status.setdefault(peer, None)
        self._sorted = tuple(sorted(self._status))

    def down(self, peer: bytes) -> None:
        """A link is gone."""
        self._status.pop(peer, None)
        self._sorted = tuple(sorted(self._status))

    def said(self, peer: bytes, status: Status) -> None:
        """What a peer claims about itself."""
        if peer in self._status:
            self._status[peer] = status

    def status(self, peer: bytes) -> Status | None:
        """The last claim, if any."""
        return self._status.get(peer)
