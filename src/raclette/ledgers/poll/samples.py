"""Workloads: the sample accounts vote, each once in every election there is."""

from typing import Any

from raclette.chain.presets import sample_key
from raclette.ledgers.poll.actions import Vote, sign_action
from raclette.primitives.randomness import Random

CHOICES = ("raclette", "fondue", "neither")


def sample_elections(accounts: int, count: int) -> dict[str, Any]:
    """Genesis' `config.ledger` in which `accounts` voters can cast `count` ballots: everybody of `alloc` votes."""
    return {
        "elections": [
            {"id": f"sample-{number}", "question": "What is for dinner?", "choices": list(CHOICES), "voters": "alloc"}
            for number in range(-(-count // accounts))
        ]
    }


def sample_votes(count: int, seed: int, chain_id: int, *, accounts: int) -> list[bytes]:
    """`count` signed votes of the first `accounts` sample accounts in turn, executable in order on a genesis with
    `sample_elections(accounts, count)`; choices are drawn from `seed`."""
    random = Random(seed)
    keys = [sample_key(index) for index in range(accounts)]
    votes = []
    for index in range(count):
        vote = Vote(f"sample-{index // accounts}".encode(), random.below(len(CHOICES)))
        votes.append(sign_action(keys[index % accounts], chain_id=chain_id, nonce=index // accounts, action=vote))
    return votes
