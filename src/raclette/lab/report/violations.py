"""Which violations are worth a reader's time: the first few of a checker say what went wrong, the rest repeat it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

# Of one checker; programs get all.
SHOWN_MAX = 3


def first_of_each(found: Iterable[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], dict[str, int]]:
    """Up to SHOWN_MAX violations of each checker, in their order, and how many more each of them found."""
    counted: Counter[str] = Counter()
    shown = []
    for each in found:
        counted[each["checker"]] += 1
        if counted[each["checker"]] <= SHOWN_MAX:
            shown.append(each)
    return shown, {checker: count - SHOWN_MAX for checker, count in counted.items() if count > SHOWN_MAX}
