"""Clients that mean harm: they break every rule that a client can break, beside those that use the ledger as meant.

They own accounts of their own, so that nobody else's nonces or money depend on what they do. Each *trick* is a short
story told to a few nodes: the same money twice, a transaction signed for another chain, one sent again after everybody
has executed it, one changed on its way. What can be tried depends on the ledger: a file for each. Nobody waits for any
of it to be executed; some of it lawfully will be.

What a trick sends is given to a node as a client's would be: decoded first, and refused there if it is no transaction
of this chain. `lawful` says which of it anybody ever signed for this chain: the rest must never be in a block.
"""

from raclette.sim.mischief.play import PREPARED, TRICKS, Mischief, prepare
from raclette.sim.mischief.trick import ACCOUNTS_PER_TRICK, STEP_NS, Attempt, Purse, Trick, accounts_of

__all__ = [
    "ACCOUNTS_PER_TRICK",
    "PREPARED",
    "STEP_NS",
    "TRICKS",
    "Attempt",
    "Mischief",
    "Purse",
    "Trick",
    "accounts_of",
    "prepare",
]
