"""The host's side of `Seal`: what it needs of a miner, and which answer still counts."""

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeAlias

from raclette.chain.header import Header
from raclette.engine.effects import Seal


class Searcher(Protocol):
    """Searches nonces in threads of its own, one header at a time (see `miner.driver.Miner`)."""

    def start(self, header: Header, target: int) -> None:
        """Search for a nonce; replaces a running search. The sealed header is reported once, from any thread."""

    def stop(self) -> None:
        """Stop searching within milliseconds. Idempotent."""

    def close(self) -> None:
        """Stop and end the threads."""


SearcherFactory: TypeAlias = Callable[[Callable[[Header], None]], Searcher]


class Sealer:
    """Runs one search at a time for the node; an answer to an abandoned search is dropped."""

    def __init__(self, make_searcher: SearcherFactory, on_sealed: Callable[[Header], None]) -> None:
        """`on_sealed` is called on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._searcher = make_searcher(self._from_thread)
        self._on_sealed = on_sealed
        self._wanted: bytes | None = None  # prehash of the header being searched

    def start(self, seal: Seal) -> None:
        """Begin, in place of whatever runs."""
        self._wanted = seal.header.prehash
        self._searcher.start(seal.header, seal.target)

    def stop(self) -> None:
        """Nothing is wanted any more."""
        self._wanted = None
        self._searcher.stop()

    def close(self) -> None:
        """End the threads."""
        self._wanted = None
        self._searcher.close()

    def _from_thread(self, header: Header) -> None:
        self._loop.call_soon_threadsafe(self._found, header)

    def _found(self, header: Header) -> None:
        if header.prehash == self._wanted:
            self._wanted = None
            self._on_sealed(header)
