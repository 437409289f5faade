"""False bodies: the right header with other transactions beside it.

Nobody signs a list of transactions: the header's root speaks for it. This liar repeats the tail of a list, leaves its
last item out or exchanges the last two, in what it announces and in what it answers. Every tree of hashes has its own
weak spot there; Bitcoin's took a list with its tail repeated for the list itself (CVE-2012-2459), and whoever
remembered the block as invalid had lost it for good.
"""

from collections.abc import Callable, MutableSequence, Sequence
from typing import Any

from raclette.chain.block import Block
from raclette.chain.mempool import SHORT_ID_BYTES
from raclette.node.host import HostedNode, HostEffect, Transmit
from raclette.node.wire import parse
from raclette.primitives import rlp
from raclette.primitives.randomness import Random
from raclette.sim.liars.contract import LiarKind, Parameter, Scene
from raclette.sim.liars.liar import Liar

# Longest tail that is repeated by chance, in items.
TAIL_MAX = 4
# Kinds of content whose frames hold a list of transactions.
LISTS = frozenset({"engine", "public_message", "bodies", "block_transactions"})


class Bodies(Liar):
    """Lies in `percent` of a hundred lists, to some of those who hear it: where several hear it, one at least is told
    the truth, for a block that nobody can read is only lost. Whom the first lie
    gives away says no second: half of these liars keep to the one of the `WAYS` that a weak tree does not see."""

    def __init__(self, inner: HostedNode, random: Random, percent: int) -> None:
        super().__init__(inner)
        self._random = random
        self._percent = percent
        some = random.sample(WAYS, random.between(1, len(WAYS)))
        self.ways = [_repeat_unseen] if random.chance(1, 2) else some

    def twist(self, now: int, effects: tuple[HostEffect, ...]) -> tuple[HostEffect, ...]:
        out: list[HostEffect] = []
        for effect in effects:
            out += self._lie(effect) if isinstance(effect, Transmit) else [effect]
        return tuple(out)

    def _lie(self, effect: Transmit) -> list[HostEffect]:
        frame = parse(effect.frame)
        name = frame.WhichOneof("content")
        if name not in LISTS or not self._random.chance(self._percent, 100):
            return [effect]
        fooled = self._random.sample(effect.peers, 1 + self._random.below(max(1, len(effect.peers) - 1)))
        others = tuple(peer for peer in effect.peers if peer not in fooled)
        content = getattr(frame, name)
        if name == "bodies":
            self._twist_bodies(content)
        elif name == "block_transactions":
            self._tamper(content.raw)
        elif content.HasField("body"):
            ids = content.body.short_ids
            items = [ids[at : at + SHORT_ID_BYTES] for at in range(0, len(ids), SHORT_ID_BYTES)]
            self._tamper(items)
            content.body.short_ids = b"".join(items)
        told: list[HostEffect] = [effect._replace(peers=others)] if others else []
        return [*told, effect._replace(peers=tuple(fooled), frame=frame.SerializeToString())]

    def _twist_bodies(self, content: Any) -> None:
        for place, body in enumerate(content.bodies):
            items = list(Block.decode_body(body))
            self._tamper(items)
            content.bodies[place] = rlp.encode(items)

    def _tamper(self, items: MutableSequence[bytes]) -> None:
        """In place. A list of one stays as it is: there is nothing to it that every tree would not see."""
        if len(items) > 1:
            self._random.choice(self.ways)(items, self._random)


def _shorten(items: MutableSequence[bytes], random: Random) -> None:
    items.pop()


def _exchange(items: MutableSequence[bytes], random: Random) -> None:
    items[-1], items[-2] = items[-2], items[-1]


def _repeat(items: MutableSequence[bytes], random: Random) -> None:
    items.extend(items[-1 - random.below(min(TAIL_MAX, len(items))) :])


def _repeat_unseen(items: MutableSequence[bytes], random: Random) -> None:
    """Where a tree of pairs would see it, nothing."""
    tail = blind_tail(len(items))
    if tail < len(items):
        items.extend(items[-tail:])


# What can be done to a list of at least two.
WAYS: Sequence[Callable[[MutableSequence[bytes], Random], None]] = (_shorten, _exchange, _repeat, _repeat_unseen)


def blind_tail(count: int) -> int:
    """Length of the tail whose repetition a tree of pairs does not see: the largest power of two that divides `count`
    (for a power of two itself the tree grows a level and does see it)."""
    return count & -count


def _make(scene: Scene) -> HostedNode:
    return Bodies(scene.make(""), scene.random, scene.parameters["percent"])


KIND = LiarKind(
    "bodies",
    "shows blocks with other transactions than they have: repeated, left out, exchanged",
    _make,
    parameters={"percent": Parameter(60, 1, 100, "how many of a hundred lists are false")},
)
