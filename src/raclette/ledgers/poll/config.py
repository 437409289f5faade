"""Reading genesis: `config.ledger` and the accounts of `alloc`. Everything raises ConfigError with the path."""

from collections.abc import Mapping
from typing import Any

from raclette.chain.genesis import address, quantity
from raclette.ledgers.poll.election import Election, check_election
from raclette.ledgers.poll.limits import ELECTIONS_MAX, NEVER
from raclette.primitives.errors import ConfigError, Refused

# Most that a genesis may give away; rewards of 2**64 blocks at 2**128 still fit 256 bits.
SUPPLY_MAX = 2**192
PARAMETERS = ("elections", "organisers")
ACCOUNT_KEYS = ("balance", "name", "publicKey", "node")
ELECTION_KEYS = ("id", "question", "choices", "voters", "opens", "closes", "reveals", "organiser")


def check_keys(data: Mapping[str, Any], accepted: tuple[str, ...], path: str) -> None:
    """Nothing that would be silently ignored."""
    for key in data:
        if key not in accepted:
            raise ConfigError(f"{path}.{key} is unknown; accepted: {', '.join(accepted)}")


def read_organisers(parameters: Mapping[str, Any]) -> list[bytes] | None:
    """Who may open elections; None for all of `alloc`."""
    if "organisers" not in parameters:
        return None
    return _addresses(parameters["organisers"], "config.ledger.organisers")


def read_elections(parameters: Mapping[str, Any]) -> list[tuple[Election, tuple[bytes, ...] | None]]:
    """The elections of genesis, each with its voters; None for all of `alloc`."""
    path = "config.ledger.elections"
    entries = _list(parameters.get("elections", []), path)
    if len(entries) > ELECTIONS_MAX:
        raise ConfigError(f"{path} has {len(entries)} entries; accepted are at most {ELECTIONS_MAX}")
    return [_election(entry, f"{path}[{number}]") for number, entry in enumerate(entries)]


def read_balance(entry: Any, path: str) -> int:
    """The balance of an entry of `alloc`."""
    if not isinstance(entry, Mapping):
        raise ConfigError(f'{path} is {entry!r}; accepted: an object like {{"balance": "1000"}}')
    check_keys(entry, ACCOUNT_KEYS, path)
    return quantity(entry.get("balance", 0), f"{path}.balance", high=SUPPLY_MAX)


def _election(entry: Any, path: str) -> tuple[Election, tuple[bytes, ...] | None]:
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{path} is {entry!r:.60}; accepted: an object with {', '.join(ELECTION_KEYS)}")
    check_keys(entry, ELECTION_KEYS, path)
    voters = entry.get("voters")
    organiser = entry.get("organiser")
    election = Election(
        name=_text(entry.get("id"), f"{path}.id"),
        question=_text(entry.get("question"), f"{path}.question"),
        choices=tuple(_text(item, f"{path}.choices") for item in _list(entry.get("choices"), f"{path}.choices")),
        opens=quantity(entry.get("opens", 0), f"{path}.opens", high=NEVER),
        closes=quantity(entry.get("closes", NEVER), f"{path}.closes", high=NEVER),
        reveals=quantity(entry.get("reveals", 0), f"{path}.reveals", high=NEVER),
        organiser=b"" if organiser is None else address(organiser, f"{path}.organiser"),
    )
    try:
        check_election(election)
    except Refused as refused:
        raise ConfigError(f"{path}: {refused}") from None
    return election, None if voters == "alloc" else tuple(_addresses(voters, f"{path}.voters", '"alloc" or '))


def _addresses(value: Any, path: str, also: str = "") -> list[bytes]:
    found = [address(item, f"{path}[{number}]") for number, item in enumerate(_list(value, path, also))]
    if len(set(found)) < len(found):
        raise ConfigError(f"{path}: an address stands twice")
    return found


def _list(value: Any, path: str, also: str = "") -> list[Any]:
    if not isinstance(value, list):
        raise ConfigError(f"{path} is {value!r:.60}; accepted: {also}a list")
    return value


def _text(value: Any, path: str) -> bytes:
    if not isinstance(value, str):
        raise ConfigError(f"{path} is {value!r:.60}; accepted: text")
    return value.encode("utf-8", "surrogatepass")
