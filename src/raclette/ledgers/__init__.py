"""The applications behind consensus, by name. A ledger is one folder here and one line in `LEDGERS`."""

from collections.abc import Mapping
from typing import Any, Protocol

from raclette.chain.genesis import GAS_LIMIT_DEFAULT, Genesis
from raclette.chain.ledger import Ledger
from raclette.ledgers.bank import Bank
from raclette.ledgers.coins import Coins
from raclette.ledgers.data import Data
from raclette.ledgers.poll import Poll
from raclette.primitives.errors import ConfigError


class LedgerFactory(Protocol):
    """Makes a ledger from what genesis says. Raises ConfigError, with the path, for parameters it does not know."""

    def __call__(self, chain_id: int, *, base_fee: int, gas_limit: int, parameters: Mapping[str, Any]) -> Ledger: ...


LEDGERS: dict[str, LedgerFactory] = {"bank": Bank, "coins": Coins, "poll": Poll, "data": Data}


def make_ledger(
    name: str,
    parameters: Mapping[str, Any],
    chain_id: int,
    *,
    base_fee: int = 0,
    gas_limit: int = GAS_LIMIT_DEFAULT,
) -> Ledger:
    """The ledger called `name`. Raises ConfigError."""
    if name not in LEDGERS:
        raise ConfigError(f"config.ledger.name is {name!r}; accepted: {', '.join(LEDGERS)}")
    return LEDGERS[name](chain_id, base_fee=base_fee, gas_limit=gas_limit, parameters=parameters)


def ledger_of(genesis: Genesis) -> Ledger:
    """The ledger that a genesis asks for. Raises ConfigError."""
    return make_ledger(
        genesis.ledger,
        genesis.ledger_parameters,
        genesis.chain_id,
        base_fee=genesis.base_fee,
        gas_limit=genesis.gas_limit,
    )


__all__ = ["LEDGERS", "LedgerFactory", "ledger_of", "make_ledger"]
