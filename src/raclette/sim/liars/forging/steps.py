"""Small steps: one field of a message, changed a little.

Source: Winter et al., "Randomized Testing of Byzantine Fault Tolerant Algorithms" (ByzzFuzz), OOPSLA 2023, section 4:
mutations of small scope (a number by one, a value by another that was seen before) find what random bytes never find,
because they pass the checks of form and authorship and meet the protocol's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from raclette.primitives.randomness import Random

M = TypeVar("M")
_U64_MAX = (1 << 64) - 1


def step(value: Any, random: Random, known: Sequence[Any]) -> Any:
    """A neighbour of `value`: the next number, the other truth, one entry less, or something else among the `known`
    (of a number, how far the next one is, if not 1). `value` itself if it has no neighbour."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        width = known[0] if known else 1
        return min(_U64_MAX, value + width) if value < width or random.chance(1, 2) else value - width
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        if not value:
            return value
        place = random.below(len(value))
        return value[:place] + value[place + 1 :] if random.chance(2, 3) else (*value, value[place])
    others = [other for other in known if other != value]
    return random.choice(others) if others else value


def mutate_field(message: M, known: Mapping[str, Sequence[Any]], random: Random) -> M:
    """`message` (a dataclass) with one of the fields named by `known` changed; `known` says for each what else there
    is. Unchanged if none can be. Raises TypeError for anything but a dataclass."""
    if not is_dataclass(message) or isinstance(message, type):
        raise TypeError(f"{message!r} is no dataclass")
    names = [field.name for field in fields(message) if field.name in known]
    random.shuffle(names)
    for name in names:
        value = getattr(message, name)
        changed = step(value, random, known[name])
        if changed != value:
            return replace(message, **{name: changed})
    return message
