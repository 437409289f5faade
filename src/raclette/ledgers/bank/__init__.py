"""Accounts, transfers with a fee, sealed memos, a directory of names and public keys."""

from raclette.ledgers.bank.bank import Bank, gas_for
from raclette.ledgers.bank.directory import DIRECTORY_ADDRESS, registration, sign_registration
from raclette.ledgers.bank.samples import sample_transfers

__all__ = ["DIRECTORY_ADDRESS", "Bank", "gas_for", "registration", "sample_transfers", "sign_registration"]
