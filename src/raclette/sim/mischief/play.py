"""Playing tricks: which there are for a ledger, what genesis must hold for them, and the schedule."""

from collections.abc import Callable, Mapping
from typing import Any

from raclette.chain.genesis import Genesis
from raclette.chain.ledger import Transaction
from raclette.primitives.errors import Refused
from raclette.primitives.randomness import Random
from raclette.primitives.units import MILLISECOND
from raclette.sim.kernel import Kind
from raclette.sim.mischief import bank, coins, data, poll
from raclette.sim.mischief.trick import Purse, Trick
from raclette.sim.world import World

_STREAM = 9
# A ledger that others brought along has no tricks of its own: nothing is played then.
TRICKS: Mapping[str, tuple[Trick, ...]] = {
    "bank": bank.TRICKS,
    "coins": coins.TRICKS,
    "poll": poll.TRICKS,
    "data": data.TRICKS,
}
# What genesis' `config.ledger` must hold besides, for tricks to be possible.
PREPARED: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {"poll": poll.prepare}


def prepare(ledger: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Genesis' `config.ledger` with what the tricks need."""
    return PREPARED[ledger](parameters) if ledger in PREPARED else dict(parameters)


class Mischief:
    """Plays `count` drawn tricks, each beginning within `lasting` ns from `start`, with the sample accounts from
    `first` on."""

    def __init__(
        self,
        world: World,
        decode: Callable[[bytes], Transaction],
        genesis: Genesis,
        *,
        count: int,
        first: int,
        start: int,
        lasting: int,
    ) -> None:
        self._world = world
        self._decode = decode
        self._lawful: set[bytes] = set()
        # Virtual time of the last attempt; 0 for none.
        self.end = 0
        # Attempts by what became of them: "submitted", "refused" (no transaction of this chain).
        self.told: dict[str, int] = {"submitted": 0, "refused": 0}
        random = Random(world.seed, _STREAM)
        tricks = TRICKS.get(genesis.ledger, ())
        for index in range(count if tricks else 0):
            trick = random.choice(tricks)
            begin = start + random.below(max(MILLISECOND, lasting))
            node = random.below(len(world.hosts))
            for number, attempt in enumerate(trick(Purse(index, first, genesis.chain_id), random)):
                if attempt.lawful:
                    self._lawful.add(attempt.raw)
                self.end = max(self.end, begin + attempt.after)
                place = (node + attempt.place) % len(world.hosts)
                content = index << 8 | number
                world.plan(begin + attempt.after, Kind.CLIENT, place, content, self._submit, (place, attempt.raw))

    def lawful(self, raw: bytes) -> bool:
        """Did one of us sign this for this chain?"""
        return raw in self._lawful

    def _submit(self, told: tuple[int, bytes]) -> None:
        node, raw = told
        try:
            transaction = self._decode(raw)
        except Refused as refusal:
            self.told["refused"] += 1
            self._world.note(node, "refused", {"reason": refusal.reason})
            return
        self.told["submitted"] += 1
        self._world.note(node, "submit", {"transaction": transaction.hash.hex()[:12], "attempt": 1})
        self._world.submit(node, transaction)
