"""Races decided by the proof-of-work engine's own fork choice (`protocols.nakamoto.forkchoice`).

A block tree that an observer keeps is fed with blocks in the order in which they reach it; who wins is what the tree
calls its head. Headers are real, but named by a counter instead of a hash: nothing here looks inside them.
"""

from collections.abc import Callable

from raclette.chain.header import Header
from raclette.primitives.randomness import Random
from raclette.protocols.nakamoto.forkchoice import WINDOW, BlockTree


class Blocks:
    """Makes the blocks of one race, and finds them again."""

    def __init__(self) -> None:
        self.genesis = Header(parent_hash=bytes(32), number=0, timestamp=0)
        self.known: dict[bytes, Header] = {self.genesis.hash: self.genesis}

    def on(self, parent: bytes) -> Header:
        """A new block on `parent`."""
        header = Header(parent_hash=parent, number=self.known[parent].number + 1, timestamp=0)
        header.__dict__["hash"] = len(self.known).to_bytes(32, "big")
        self.known[header.hash] = header
        return header

    def tree(self, *, ghost: bool = False, window: int = WINDOW) -> BlockTree:
        """What one observer knows, with the engine's rules; every block weighs 1."""
        return BlockTree(
            self.genesis,
            ghost=ghost,
            weight=lambda header: header.difficulty,
            lookup=self.known.get,
            lowest=lambda: 0,
            window=window,
        )


def overtakes(seed: int, stream: int, q: float, confirmations: int, give_up: int, trials: int) -> int:
    """How many private branches an observer's block tree switches to when they are published.

    The attacker is one block ahead when the payment enters the next public block, and publishes everything as soon as
    the payment is confirmed and the branch can win.
    """
    random = Random(seed, stream)
    bound = int(q * 2**53) << 11
    return sum(_overtakes(lambda: random.next64() < bound, confirmations, give_up) for _ in range(trials))


def _overtakes(attacker_finds: Callable[[], bool], confirmations: int, give_up: int) -> bool:
    blocks = Blocks()
    tree = blocks.tree()
    private = [blocks.on(blocks.genesis.hash)]
    public = blocks.genesis
    while public.number < confirmations or len(private) <= public.number:
        if public.number >= confirmations and public.number - len(private) >= give_up:
            return False
        if attacker_finds():
            private.append(blocks.on(private[-1].hash))
        else:
            public = blocks.on(tree.head)
            tree.add(public)
    for header in private:
        tree.add(header)
    return tree.head == private[-1].hash
