"""Tricks with entries: one sent again, one signed for another chain, one changed on its way.

An entry's author is recovered from its signature, so what was meant for another chain, or changed, is the entry of
somebody nobody knows, which anybody might have sent: unwelcome, but lawful. It must not stand in its author's name.
"""

from collections.abc import Sequence

from raclette.ledgers.data.entry import sign_entry
from raclette.primitives.randomness import Random
from raclette.sim.mischief.trick import STEP_NS, Attempt, Purse, Trick


def again(purse: Purse, random: Random) -> Sequence[Attempt]:
    """An entry that stands already, sent once more to every second node."""
    raw = sign_entry(purse.key, chain_id=purse.chain_id, data=b"again %d" % random.below(1_000))
    return [Attempt(0, 0, raw), *(Attempt(STEP_NS, place, raw) for place in (0, 2))]


def other_chain(purse: Purse, random: Random) -> Sequence[Attempt]:
    """Signed for another chain."""
    far = purse.chain_id + 1 + random.below(1_000)
    return [Attempt(0, 0, sign_entry(purse.key, chain_id=far, data=b"abroad"))]


def changed(purse: Purse, random: Random) -> Sequence[Attempt]:
    """One bit of an entry turned over by somebody on its way."""
    raw = bytearray(sign_entry(purse.key, chain_id=purse.chain_id, data=b"a promise of %d" % random.below(1_000)))
    raw[random.below(len(raw))] ^= 1 << random.below(8)
    return [Attempt(0, 0, bytes(raw))]


TRICKS: tuple[Trick, ...] = (again, other_chain, changed)
