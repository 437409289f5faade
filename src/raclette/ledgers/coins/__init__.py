"""Unspent outputs and a stack script of two operations."""

from raclette.ledgers.coins.coins import Coins
from raclette.ledgers.coins.samples import sample_payments, sign_payment, sign_split
from raclette.ledgers.coins.script import lock_to, owner_of
from raclette.ledgers.coins.transaction import Coin, Output, sign_spend

__all__ = [
    "Coin",
    "Coins",
    "Output",
    "lock_to",
    "owner_of",
    "sample_payments",
    "sign_payment",
    "sign_spend",
    "sign_split",
]
