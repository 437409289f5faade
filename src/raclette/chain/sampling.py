"""Choose a block's transactions by a small lottery: draw some that wait, keep those that pay best.

The rule of small teaching chains ("sample 15, keep 10 best"): a cheap transaction is included sooner or later, because
it competes only with the others drawn.
"""

from collections.abc import Callable, Container, Iterable, Sequence

from raclette.chain.ledger import Transaction
from raclette.primitives.randomness import Random


def best_of_sample(
    waiting: Sequence[Transaction],
    lane: Callable[[Transaction], Iterable[Transaction]],
    skip: Container[bytes],
    sample: int,
    keep: int,
    random: Random,
) -> list[Transaction]:
    """Draw `sample` of `waiting` without repetition, return the `keep` best by fee in executable order.

    `lane` gives the executable transactions of a transaction's sender in nonce order; each draw of a sender takes its
    next one, so that the nonces drawn have no gap. Keeping leaves out a sender's last ones first.
    """
    pool = list(waiting)
    lanes: dict[bytes, list[Transaction]] = {}
    drawn: list[tuple[int, int, Transaction]] = []
    while pool and len(drawn) < sample:
        place = random.below(len(pool))
        pool[place], pool[-1] = pool[-1], pool[place]
        picked = pool.pop()
        key = picked.hash if picked.nonce is None else picked.sender
        if key not in lanes:
            lanes[key] = [item for item in lane(picked) if item.hash not in skip]
            lanes[key].reverse()
        if lanes[key]:
            following = lanes[key].pop()
            drawn.append((-following.fee, len(drawn), following))
    return _in_nonce_order(drawn, keep)


def _in_nonce_order(drawn: list[tuple[int, int, Transaction]], keep: int) -> list[Transaction]:
    """The `keep` best, one sender's in nonce order: a sender's place goes to its earliest one not yet placed."""
    queues: dict[bytes, list[Transaction]] = {}
    for _, _, item in drawn:
        queues.setdefault(item.hash if item.nonce is None else item.sender, []).append(item)
    for queue in queues.values():
        queue.reverse()
    best = sorted(drawn, key=lambda ranked: ranked[:2])[:keep]
    return [queues[item.hash if item.nonce is None else item.sender].pop() for _, _, item in best]
