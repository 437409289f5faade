"""Amounts of money as people write them: a decimal number of coins, or of another unit that is named."""

import re

from raclette.primitives.errors import ConfigError
from raclette.primitives.units import ETHER, GWEI, WEI

DECIMALS = 18
# What a transaction can carry.
WEI_MAX = 2**256 - 1
# A coin is what wallets show as one ether.
UNITS = {"coin": ETHER, "coins": ETHER, "ether": ETHER, "gwei": GWEI, "wei": WEI}
_AMOUNT = re.compile(
    rf"(?P<whole>[0-9]{{1,60}})(?:\.(?P<part>[0-9]{{1,{DECIMALS}}}))?(?: ?(?P<unit>[A-Za-z]{{1,20}}))?"
)


def parse_amount(text: str) -> int:
    """Wei, from "2.5" (coins), "3 gwei", "100wei". Raises ConfigError."""
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise ConfigError(
            f"{text[:80]!r} is no amount; accepted: a number like 1.5, at most {DECIMALS} decimals, and perhaps a unit"
        )
    scale = UNITS.get((found["unit"] or "coin").lower())
    if scale is None:
        raise ConfigError(f"{text[:80]!r} is no amount: unknown unit {found['unit']!r}; accepted: {', '.join(UNITS)}")
    part = found["part"] or ""
    ones: int = 10 ** len(part)
    wei, rest = divmod(int(found["whole"] + part) * scale, ones)
    if rest:
        raise ConfigError(f"{text[:80]!r} is no amount: no whole number of wei")
    if wei > WEI_MAX:
        raise ConfigError(f"{text[:80]!r} is no amount; accepted: at most 2**256 - 1 wei")
    return wei


def format_amount(wei: int) -> str:
    """Coins, without trailing zeros."""
    whole, rest = divmod(wei, ETHER)
    decimals = f"{rest:0{DECIMALS}d}".rstrip("0")
    return f"{whole}.{decimals}" if decimals else str(whole)
