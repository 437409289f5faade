"""Ports for processes on this machine, such that nobody takes one between our choice and their start.

A port that the system gives out (bind to 0) is one of those that it gives to every outgoing connection, too: until the
child process listens there, a few seconds on a busy machine, any program that connects anywhere may get it. So ours
come from below that range; and programs that choose at the same time, as tests do, take turns by blocks: a block is a
locked file, which the system unlocks when its owner ends, however it ends.
"""

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

# Below what systems take for outgoing connections (Linux: 32768 to 60999), above the ports with names of their own.
FIRST, END = 20_000, 32_000
# Ports of one lock: more than most networks need.
BLOCK = 50

_LOOPBACK = "127.0.0.1"


class NoPort(OSError):
    """All are taken."""


class PortPool:
    """Gives out ports that nobody else of this user's programs gives out, and nobody listens on now."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds the locks; it is made if it is not there."""
        self._folder = folder
        self._held: list[IO[bytes]] = []
        self._ports = self._walk()

    def take(self) -> int:
        """A port. The pool begins anew when it has been through all. Raises NoPort."""
        for attempt in range(2):
            for port in self._ports:
                if is_free(port):
                    return port
            if attempt == 0:
                self._ports = self._walk()
        raise NoPort(f"no free port from {FIRST} to {END - 1}")

    def _walk(self) -> Iterator[int]:
        """The ports of our blocks first, then of those that can be locked."""
        own = [int(Path(held.name).stem) for held in self._held]
        for first in own:
            yield from range(first, first + BLOCK)
        for first in range(FIRST, END, BLOCK):
            if first not in own and self._lock(first):
                yield from range(first, first + BLOCK)

    def _lock(self, first: int) -> bool:
        self._folder.mkdir(parents=True, exist_ok=True)
        held = (self._folder / f"{first}.lock").open("ab")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            held.close()
            return False
        self._held.append(held)
        return True


def is_free(port: int) -> bool:
    """Does nobody listen there on this machine?"""
    with socket.socket() as probe:
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
        return True


_POOL = PortPool(Path(tempfile.gettempdir()) / f"raclette-ports-{os.getuid()}")


def free_port() -> int:
    """A port for a process that is about to start."""
    return _POOL.take()
