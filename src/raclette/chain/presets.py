"""Ready-made starting chains, with keys that everybody can derive: for tests, demos and benchmarks, never for money.

The key of account `index` is a hash of its index; its secret is therefore public. Balances are in ether (10**18 wei),
so that wallets show "100" where the text says 100.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from raclette.primitives.errors import ConfigError
from raclette.primitives.hashing import keccak256
from raclette.primitives.keys import CURVE_ORDER, AccountKey, checksum_address
from raclette.primitives.units import ETHER

SAMPLE_ACCOUNTS = 1_000
SAMPLE_BALANCE = 100 * ETHER
# What the few owners of the rich chains hold together.
RICH_TOTAL = 1_000_000 * ETHER


@lru_cache(maxsize=2 * SAMPLE_ACCOUNTS)
def sample_key(index: int) -> AccountKey:
    """The key of sample account `index`. Public knowledge: its money is anybody's."""
    seed = keccak256(b"raclette sample account" + index.to_bytes(8))
    return AccountKey((int.from_bytes(seed) % (CURVE_ORDER - 1) + 1).to_bytes(32))


def sample_name(index: int) -> str:
    """The directory name of sample account `index`."""
    return f"sample-{index}"


def even_alloc(owners: int, each: int) -> dict[str, Any]:
    """Genesis `alloc` of the first `owners` sample accounts with `each` wei, their names and public keys, so that
    anybody can seal a memo to them before they ever spend."""
    alloc: dict[str, Any] = {}
    for index in range(owners):
        key = sample_key(index)
        alloc[checksum_address(key.address)] = {
            "balance": str(each),
            "name": sample_name(index),
            "publicKey": "0x" + key.public_key.hex(),
        }
    return alloc


# Name: (owners, wei of each).
PRESETS: Mapping[str, tuple[int, int]] = {
    "bank": (SAMPLE_ACCOUNTS, SAMPLE_BALANCE),
    "genic": (1, RICH_TOTAL),
    "10_rich_man": (10, RICH_TOTAL // 10),
    "100_rich_man": (100, RICH_TOTAL // 100),
}


def preset_alloc(name: str) -> dict[str, Any]:
    """The `alloc` of a preset. Raises ConfigError naming the presets there are."""
    if name not in PRESETS:
        raise ConfigError(f"no starting chain {name!r}; accepted: {', '.join(PRESETS)}")
    return even_alloc(*PRESETS[name])
