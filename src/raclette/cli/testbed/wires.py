"""What is between the processes of a testbed: plain loopback, or namespaces whose packets an emulator carries."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from raclette.cli.network import LocalNode

LOOPBACK = "127.0.0.1"


class Wires(Protocol):
    """`name` is for the report. Nodes are numbered; -1 is whoever controls them."""

    name: str

    @property
    def emulates(self) -> bool:
        """Can it delay, lose and cut?"""

    def address(self, node: int) -> str:
        """Where the node listens and is reached."""

    def prefix(self, node: int) -> list[str]:
        """Words in front of the command that starts the node's process."""

    def make_node(self, index: int, name: str, folder: Path, seed: bytes) -> "LocalNode | None":
        """A node that is started in a way of its own; None for a process of this machine."""

    async def command(self, words: dict[str, Any]) -> dict[str, Any]:
        """Let the emulator do something: see `emulator.Emulator.command`."""

    async def close(self) -> None:
        """Take everything down."""


class Loopback:
    """Everybody on this machine's loopback: no delay, no loss, nothing can be cut."""

    name = "loopback"
    emulates = False

    def address(self, node: int) -> str:
        return LOOPBACK

    def prefix(self, node: int) -> list[str]:
        return []

    def make_node(self, index: int, name: str, folder: Path, seed: bytes) -> "LocalNode | None":
        return None

    async def command(self, words: dict[str, Any]) -> dict[str, Any]:
        """Does nothing: callers ask `emulates` first."""
        return {}

    async def close(self) -> None:
        """Nothing to take down."""


def pairs_between(groups: Sequence[Sequence[int]], *, one_way: bool) -> list[tuple[int, int]]:
    """Every direction that a partition into `groups` shuts: later groups do not hear earlier ones, nor, unless
    `one_way`, earlier ones later ones."""
    forth = [(a, b) for i, one in enumerate(groups) for other in groups[i + 1 :] for a in one for b in other]
    return forth if one_way else forth + [(b, a) for a, b in forth]
