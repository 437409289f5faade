"""What a sweep varies: `key=0.1:0.45:8` (eight values, ends included), `key=1:1000:4:log`, or `key=0,0.5,1`.

Values are made in decimals, not in binary floats, so that 0.1:0.45:8 is 0.1, 0.15, ... 0.45 and a cell has the same
name on every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from raclette.primitives.errors import ConfigError

Value: TypeAlias = int | float | str | bool
# More values than this on one axis is a typing mistake, not a plan.
VALUES_MAX = 100_000
# Digits kept of a value between two ends: more than anybody can read, few enough to hide the rounding.
_DIGITS = 12


@dataclass(frozen=True)
class Axis:
    """`key` is the dotted path of a value in the scenario."""

    key: str
    values: tuple[Value, ...]


def parse_axis(text: str) -> Axis:
    """Raises ConfigError that repeats the text and says what is accepted."""
    key, equals, right = text.partition("=")
    key, right = key.strip(), right.strip()
    if not (equals and key and right):
        raise ConfigError(f"--over {text}: accepted is key=first:last:count, key=first:last:count:log or key=a,b,c")
    parts = right.split(":")
    values = _range(text, parts) if len(parts) > 1 else [parse_value(part.strip()) for part in right.split(",")]
    if len(set(map(repr, values))) != len(values):
        raise ConfigError(f"--over {text}: a value stands twice")
    return Axis(key, tuple(values))


def parse_value(text: str) -> Value:
    """An integer, a decimal, true or false, or else the text itself."""
    if text in ("true", "false"):
        return text == "true"
    try:
        return _plain(Decimal(text))
    except InvalidOperation:
        return text


def _plain(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() and "." not in str(value) else float(value)


def _range(text: str, parts: Sequence[str]) -> list[Value]:
    try:
        first, last, count = Decimal(parts[0]), Decimal(parts[1]), int(parts[2])
        by_factor = parts[3:] == ["log"]
        if len(parts) > 4 or (parts[3:] and not by_factor) or not (first.is_finite() and last.is_finite()):
            raise ValueError
    except (InvalidOperation, ValueError, IndexError):
        raise ConfigError(f"--over {text}: accepted are numbers as first:last:count or first:last:count:log") from None
    if not 2 <= count <= VALUES_MAX:
        raise ConfigError(f"--over {text}: count is {count}; accepted are 2 to {VALUES_MAX}")
    if by_factor and min(first, last) <= 0:
        raise ConfigError(f"--over {text}: a logarithmic range has positive ends")
    whole = first == first.to_integral_value() and last == last.to_integral_value()
    values: list[Value] = []
    for i in range(count):
        share = Decimal(i) / (count - 1)
        value = first * (last / first) ** share if by_factor else first + (last - first) * share
        rounded = round(value, _DIGITS - max(0, value.adjusted() + 1)) if value else value
        values.append(int(rounded) if whole and rounded == rounded.to_integral_value() else float(rounded))
    return values
