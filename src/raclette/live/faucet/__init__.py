"""The faucet: an account of the operator's that gives newcomers their first money, within bounds that survive
restarts."""

from raclette.live.faucet.book import Grant, GrantBook
from raclette.live.faucet.faucet import Faucet, FaucetLimits
from raclette.live.faucet.keys import load_account_key

__all__ = ["Faucet", "FaucetLimits", "Grant", "GrantBook", "load_account_key"]
