"""Values with units, as people write them and as the simulator counts them: integers, exactly.

Text goes through decimals, never through binary floats, so that "0.3" is 300,000 parts per million on every machine.
"""

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from raclette.primitives.units import HOUR, MICROSECOND, MILLISECOND, MINUTE, NANOSECOND, SECOND

MILLION = 1_000_000
_TIMES: dict[str, int] = {
    "ns": NANOSECOND,
    "us": MICROSECOND,
    "ms": MILLISECOND,
    "s": SECOND,
    "min": MINUTE,
    "h": HOUR,
}
_RATES: dict[str, int] = {"bit/s": 1, "kbit/s": 10**3, "Mbit/s": 10**6, "Gbit/s": 10**9}
_AMOUNT = re.compile(r"(-?\d+(?:\.\d+)?)\s*([a-zA-Z/%]+)")
# Longest virtual time of a scenario: within 63 bits of nanoseconds, with room to add.
DURATION_MAX = 1_000_000 * HOUR
DURATION_ACCEPTED = 'a duration with its unit, as "250ms", "1.5s" or "10min" (ns, us, ms, s, min, h)'
SHARE_ACCEPTED = 'a share, as "30%" or 0.3'
RATE_ACCEPTED = 'a rate, as "20Mbit/s" (bit/s, kbit/s, Mbit/s, Gbit/s), or "unlimited"'


def _exact(number: Decimal, factor: int) -> int | None:
    """number * factor, if that is whole."""
    product = number * factor
    return int(product) if product == product.to_integral_value() else None


def parse_duration(value: Any, *, negative: bool = False) -> int:
    """Nanoseconds. Raises ValueError that says what is accepted."""
    if value == 0 and isinstance(value, int) and not isinstance(value, bool):
        return 0
    match = _AMOUNT.fullmatch(value.strip()) if isinstance(value, str) else None
    time = _exact(Decimal(match[1]), _TIMES[match[2]]) if match and match[2] in _TIMES else None
    if time is None or abs(time) > DURATION_MAX or (time < 0 and not negative):
        raise ValueError(f"{value!r}; accepted is {DURATION_ACCEPTED}{', of at least 0' if not negative else ''}")
    return time


def parse_seconds(value: Any) -> int:
    """Nanoseconds from a number of seconds, or from a duration with its unit."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
        number = Decimal(repr(value))
        time = _exact(number, SECOND) if number.is_finite() else None
        if time is not None and time <= DURATION_MAX:
            return time
    if isinstance(value, str):
        return parse_duration(value)
    raise ValueError(f"{value!r}; accepted is a number of seconds of at least 0, or {DURATION_ACCEPTED}")


def parse_share(value: Any, *, negative: bool = False) -> int:
    """Parts per million, 0 (or, if `negative`, -1,000,000) to 1,000,000; finer shares are rounded. Raises
    ValueError."""
    number: Decimal | None = None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = Decimal(repr(value))
    elif isinstance(value, str):
        match = _AMOUNT.fullmatch(value.strip())
        number = Decimal(match[1]) / 100 if match and match[2] == "%" else None
    if number is None or not number.is_finite() or not (-1 if negative else 0) <= number <= 1:
        raise ValueError(f"{value!r}; accepted is {SHARE_ACCEPTED}")
    return int((number * MILLION).to_integral_value())


def parse_rate(value: Any) -> int:
    """Bits a second; 0 for "unlimited". Raises ValueError."""
    if value == "unlimited":
        return 0
    match = _AMOUNT.fullmatch(value.strip()) if isinstance(value, str) else None
    rate = _exact(Decimal(match[1]), _RATES[match[2]]) if match and match[2] in _RATES else None
    if rate is None or rate < 1:
        raise ValueError(f"{value!r}; accepted is {RATE_ACCEPTED}")
    return rate


def show_duration(time: int) -> str:
    """The shortest exact text of nanoseconds."""
    unit = next(name for name in reversed(_TIMES) if time % _TIMES[name] == 0) if time else "s"
    return f"{time // _TIMES[unit]}{unit}"


def show_share(ppm: int) -> str:
    """Parts per million as a percentage."""
    return f"{(Decimal(ppm) / 10_000).normalize():f}%"


def show_rate(rate: int) -> str:
    """The shortest exact text of bits a second."""
    if not rate:
        return "unlimited"
    unit = next(name for name in reversed(_RATES) if rate % _RATES[name] == 0)
    return f"{rate // _RATES[unit]}{unit}"


Duration = Annotated[int, BeforeValidator(parse_duration), PlainSerializer(show_duration)]
"""Nanoseconds, written with a unit."""
Seconds = Annotated[int, BeforeValidator(parse_seconds), PlainSerializer(show_duration)]
"""Nanoseconds, written as seconds or with a unit."""
Share = Annotated[int, BeforeValidator(parse_share), PlainSerializer(show_share)]
"""Parts per million, written as a percentage or a fraction."""
Rate = Annotated[int, BeforeValidator(parse_rate), PlainSerializer(show_rate)]
"""Bits a second, written with a unit."""
