"""Tricks with ballots: a second one, one that nobody may cast, one committed to and revealed again and again."""

from collections.abc import Mapping, Sequence
from typing import Any

from raclette.ledgers.poll.actions import Action, Commit, Reveal, Vote, sign_action
from raclette.ledgers.poll.election import commitment
from raclette.ledgers.poll.limits import NEVER, SALT_BYTES
from raclette.ledgers.poll.samples import CHOICES, QUESTION
from raclette.primitives.keys import AccountKey
from raclette.primitives.randomness import Random
from raclette.sim.mischief.trick import STEP_NS, Attempt, Purse, Trick

# An election of the honest clients, in which all accounts of genesis have a vote.
OPEN = b"sample-0"
# Secret elections of all accounts, by the height at which voting closes: whatever the pace of a chain, some close while
# a trick is played.
CLOSES = (3, 8, 20)
# How often a trick comes back with what it had no success with.
STEPS = 4


def secret(closes: int) -> str:
    """Name of the secret election that closes there."""
    return f"secret-{closes}"


def prepare(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Genesis' `config.ledger` with the secret elections."""
    elections = list(parameters.get("elections", ()))
    for closes in CLOSES:
        common = {"question": QUESTION, "choices": list(CHOICES), "voters": "alloc"}
        elections.append({"id": secret(closes), **common, "closes": closes, "reveals": NEVER})
    return {**parameters, "elections": elections}


def asks(purse: Purse, nonce: int, action: Action, key: AccountKey | None = None) -> bytes:
    """Signed by the purse's account, or by another."""
    return sign_action(key or purse.key, chain_id=purse.chain_id, nonce=nonce, action=action)


def two_votes(purse: Purse, random: Random) -> Sequence[Attempt]:
    """Two votes for different choices in one election: with one nonce at two nodes, or one after the other at one."""
    first, second = random.sample(range(len(CHOICES)), 2)
    nonce = random.below(2)
    votes = asks(purse, 0, Vote(OPEN, first)), asks(purse, nonce, Vote(OPEN, second))
    later = asks(purse, 1, Vote(OPEN, second))
    return [Attempt(0, 0, votes[0]), Attempt(0, 1 - nonce, votes[1]), Attempt(STEP_NS, 2, later)]


def again(purse: Purse, random: Random) -> Sequence[Attempt]:
    """A vote that has been counted, sent once more to every second node."""
    raw = asks(purse, 0, Vote(OPEN, random.below(len(CHOICES))))
    return [Attempt(0, 0, raw), *(Attempt(STEP_NS, place, raw) for place in (0, 2))]


def many_reveals(purse: Purse, random: Random) -> Sequence[Attempt]:
    """A commitment, and when voting has closed its reveal, again and again, for that choice and for another."""
    closes, choice = random.choice(CLOSES), random.below(len(CHOICES))
    name, salt = secret(closes).encode(), random.bytes(SALT_BYTES)
    hidden = commitment(purse.chain_id, name, purse.key.address, choice, salt)
    attempts = [Attempt(0, 0, asks(purse, 0, Commit(name, hidden)))]
    for step in range(1, STEPS + 1):
        attempts += [Attempt(step * STEP_NS, 0, asks(purse, nonce, Reveal(name, choice, salt))) for nonce in (1, 2)]
        other = Reveal(name, (choice + 1) % len(CHOICES), salt)
        attempts.append(Attempt(step * STEP_NS, 1, asks(purse, 1 + step % 2, other)))
    return attempts


def two_commitments(purse: Purse, random: Random) -> Sequence[Attempt]:
    """Two commitments in one election, and the reveals of both."""
    name = secret(random.choice(CLOSES)).encode()
    choices, salt = random.sample(range(len(CHOICES)), 2), random.bytes(SALT_BYTES)
    attempts = []
    for nonce, choice in enumerate(choices):
        hidden = commitment(purse.chain_id, name, purse.key.address, choice, salt)
        attempts.append(Attempt(0, 0, asks(purse, nonce, Commit(name, hidden))))
    for step in range(1, STEPS + 1):
        for nonce, choice in enumerate(choices):
            attempts.append(Attempt(step * STEP_NS, nonce, asks(purse, 1 + nonce, Reveal(name, choice, salt))))
    return attempts


def wrong_ballots(purse: Purse, random: Random) -> Sequence[Attempt]:
    """An open vote in a secret election, a choice that there is not, an election that there is not."""
    name = secret(random.choice(CLOSES)).encode()
    wrong: tuple[Action, ...] = (
        Vote(name, 0),
        Vote(OPEN, len(CHOICES) + random.below(1_000)),
        Vote(b"nobody-opened-this", 0),
        Commit(OPEN, random.bytes(32)),
    )
    return [Attempt(0, place, asks(purse, 0, action)) for place, action in enumerate(wrong)]


def stranger(purse: Purse, random: Random) -> Sequence[Attempt]:
    """The vote of somebody who is not enrolled, and one signed for another chain."""
    key = AccountKey.from_entropy(random.bytes(64))
    far = purse.chain_id + 1 + random.below(1_000)
    abroad = sign_action(purse.key, chain_id=far, nonce=0, action=Vote(OPEN, 0))
    return [Attempt(0, 0, asks(purse, 0, Vote(OPEN, 0), key)), Attempt(0, 1, abroad, lawful=False)]


TRICKS: tuple[Trick, ...] = (two_votes, again, many_reveals, two_commitments, wrong_ballots, stranger)
