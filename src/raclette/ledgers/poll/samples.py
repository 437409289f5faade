"""Workloads: the sample accounts vote, each once in every election there is, and are registered for others.

A *round* has two elections. In the first everybody of genesis votes. The second begins without voters: one account, its
organiser, registers itself and a few more, then votes. So what a vote needs comes from its own sender, in nonce order,
and no reorganisation can part the two.
"""

from typing import Any

from raclette.chain.presets import sample_key
from raclette.ledgers.poll.actions import Action, Enrol, Vote, sign_action
from raclette.primitives.keys import checksum_address
from raclette.primitives.randomness import Random

CHOICES = ("raclette", "fondue", "neither")
QUESTION = "What is for dinner?"
# Voters that an organiser registers, if there are so many.
REGISTERED = 5
# Transactions of a round beside everybody's vote: the registration, and the organiser's vote.
_EXTRA = 2


def sample_elections(accounts: int, count: int) -> dict[str, Any]:
    """Genesis' `config.ledger` for `count` transactions of `sample_actions` by `accounts` voters."""
    elections: list[dict[str, Any]] = []
    for number in range(-(-count // (accounts + _EXTRA))):
        common = {"question": QUESTION, "choices": list(CHOICES)}
        organiser = checksum_address(sample_key(_organiser(number, accounts)).address)
        elections.append({"id": f"sample-{number}", **common, "voters": "alloc"})
        elections.append({"id": f"club-{number}", **common, "voters": [], "organiser": organiser})
    return {"elections": elections}


def _organiser(number: int, accounts: int) -> int:
    """Who organises round `number`: the last account first."""
    return accounts - 1 - number % accounts


def sample_turns(count: int, accounts: int) -> list[int]:
    """The account that signs each of the transactions: everybody in turn, a round's organiser three times."""
    turns: list[int] = []
    number = 0
    while len(turns) < count:
        organiser = _organiser(number, accounts)
        for turn in range(accounts):
            turns += [turn] * (1 + _EXTRA) if turn == organiser else [turn]
        number += 1
    return turns[:count]


def sample_actions(count: int, seed: int, chain_id: int, *, accounts: int) -> list[bytes]:
    """`count` signed votes and registrations of the first `accounts` sample accounts, executable in order on a genesis
    with `sample_elections(accounts, count)`; choices are drawn from `seed`."""
    random = Random(seed)
    keys = [sample_key(index) for index in range(accounts)]
    nonces = [0] * accounts
    raws: list[bytes] = []
    for place, turn in enumerate(sample_turns(count, accounts)):
        action = _action(place, turn, keys[turn].address, accounts, random)
        raws.append(sign_action(keys[turn], chain_id=chain_id, nonce=nonces[turn], action=action))
        nonces[turn] += 1
    return raws


def _action(place: int, turn: int, sender: bytes, accounts: int, random: Random) -> Action:
    """What transaction number `place` asks for."""
    number, offset = divmod(place, accounts + _EXTRA)
    club = f"club-{number}".encode()
    step = offset - turn if turn == _organiser(number, accounts) else 0
    if step == 1:
        others = [sample_key((turn + more) % accounts).address for more in range(1, min(REGISTERED, accounts))]
        return Enrol(club, (sender, *others))
    return Vote(club if step else f"sample-{number}".encode(), random.below(len(CHOICES)))
