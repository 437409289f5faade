"""What a lying miner announces. Its work is done (the world seals what it makes), its content is false or unkind.

False blocks: timestamps before the median or beyond the bound on the future, another difficulty than the rule's, no
seal, a root that does not fit the body. Unkind but valid ones: rivals of the newest block; timestamps at the edges of
what is allowed (the raw material of time warps); branches that are higher but worth less work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace as changed

from raclette.chain.block import Block
from raclette.chain.header import ZERO_NONCE, Header
from raclette.engine.contract import Draft
from raclette.engine.message import Message
from raclette.lab.hunt.engines.lying import below
from raclette.lab.hunt.engines.world import Replica
from raclette.primitives.randomness import Random
from raclette.primitives.units import SECOND
from raclette.protocols.nakamoto.message import BlockAnnouncement

_BLOCK = ("block",)
LIES: Mapping[str, Sequence[str]] = {
    "old-time": _BLOCK,
    "future-time": _BLOCK,
    "edge-time": _BLOCK,
    "cheap": _BLOCK,
    "dear": _BLOCK,
    "unsealed": _BLOCK,
    "false-root": _BLOCK,
    "withheld": _BLOCK,
    "header-only": _BLOCK,
    "twice": _BLOCK,
}
RETORTS: Sequence[str] = ("rival", "cheap-branch", "old-branch")
# How far below the head a liar's branches start.
DEPTH_MAX = 4


class NakamotoTrickster:
    """See `adapter.Trickster`."""

    def __init__(self, replica: Replica, random: Random) -> None:
        self.replica = replica
        self.random = random

    def overhear(self, message: Message) -> None:
        """Its own chain remembers for it."""

    @property
    def _limit(self) -> int:
        limit: int = self.replica.world.parameters["future_limit_s"]
        return limit

    def _sealed(self, header: Header, block: Block) -> BlockAnnouncement:
        sealed = self.replica.world.seal.seal(header)
        return BlockAnnouncement(sealed, Block(sealed, block.transactions))

    def lies(self, name: str, message: Message) -> Sequence[Message]:
        if not isinstance(message, BlockAnnouncement) or message.block is None:
            return [message]
        header, block = message.header, message.block
        now = self.replica.clock // SECOND
        match name:
            case "old-time":
                before = max(1, header.timestamp - self.random.between(1, 60))
                return [self._sealed(changed(header, timestamp=before), block)]
            case "future-time":
                return [self._sealed(changed(header, timestamp=now + self._limit + self.random.between(1, 9)), block)]
            case "edge-time":
                edge = self.random.choice((self._median(header) + 1, now + self._limit))
                return [self._sealed(changed(header, timestamp=edge), block)]
            case "cheap":
                return [self._sealed(changed(header, difficulty=max(1, header.difficulty // 3)), block)]
            case "dear":
                return [self._sealed(changed(header, difficulty=header.difficulty * 3), block)]
            case "unsealed":
                bare = changed(header, nonce=ZERO_NONCE)
                return [BlockAnnouncement(bare, Block(bare, block.transactions))]
            case "false-root":
                return [self._sealed(changed(header, state_root=bytes(32)), block)]
            case "withheld":
                return []
            case "header-only":
                return [BlockAnnouncement(header)]
        return [message, message]

    def _median(self, header: Header) -> int:
        chain = self.replica.chain
        times: list[int] = []
        step = chain.header(header.parent_hash)
        while step is not None and len(times) < 11:
            times.append(step.timestamp)
            step = chain.header(step.parent_hash) if step.number else None
        return sorted(times)[len(times) // 2] if times else 0

    def retorts(self, name: str, message: Message) -> Sequence[Message]:
        if not isinstance(message, BlockAnnouncement):
            return []
        if name == "rival":
            parent = self.replica.chain.header(message.header.parent_hash)
            return self._branch(parent, 1, step_s=1) if parent is not None else []
        depth = self.random.between(1, DEPTH_MAX)
        start = below(self.replica.chain, self.replica.chain.head, depth)
        if name == "old-branch":
            return self._branch(start, depth, step_s=1)
        return self._branch(start, depth + 1, step_s=self._limit)

    def _branch(self, parent: Header, count: int, step_s: int) -> Sequence[Message]:
        """Up to `count` valid blocks on `parent`, `step_s` apart as far as the future allows, as long as they are worth
        less work than the head: a liar with less than a third of the power cannot make more."""
        chain, rule = self.replica.chain, self.replica.engine._rule
        latest = self.replica.clock // SECOND + self._limit
        spare = self._work_above(parent)
        out: list[Message] = []
        for _ in range(count):
            time = min(max(parent.timestamp + step_s, self._floor(parent)), latest)
            difficulty = rule.after(parent)
            spare -= difficulty
            if spare < 0 or time < self._floor(parent):
                break
            block = chain.build(parent, Draft(time, self.replica.node_id[:20], difficulty, b"liar"))
            told = self._sealed(block.header, block)
            if told.block is None:
                break
            chain.check(told.block)
            out.append(told)
            parent = told.header
        return out

    def _floor(self, parent: Header) -> int:
        """The earliest time of a child."""
        return self._median(changed(parent, parent_hash=parent.hash)) + 1

    def _work_above(self, parent: Header) -> int:
        """What the head's branch has cost since `parent`."""
        chain, work = self.replica.chain, 0
        step: Header | None = chain.head
        while step is not None and step.number > parent.number:
            work += step.difficulty
            step = chain.header(step.parent_hash)
        return work
