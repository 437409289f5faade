"""Values of a program as bytes of the ledger: one canonical JSON text for each.

Canonical is what orjson writes with sorted keys. Bytes that are no such text are never valid in a chain with a rule,
so a rule sees values only; and no value has two forms, which would be two entries.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from raclette.ledgers.data import Entry, Past
from raclette.ledgers.data import Rule as RawRule
from raclette.primitives.errors import Misuse
from raclette.primitives.keys import checksum_address


@dataclass(frozen=True, slots=True)
class Record:
    """A value that `author` (an address) has signed; `block` is the number of the block that has it, -1 while a rule is
    asked."""

    author: str
    value: Any
    block: int = -1


class History:
    """The records before one that a rule is asked about, oldest first. Made anew for each question."""

    def __init__(self, past: Past) -> None:
        self._past = past

    def __len__(self) -> int:
        return len(self._past)

    def __iter__(self) -> Iterator[Record]:
        return map(as_record, self._past)

    def by(self, author: str) -> Iterator[Record]:
        """Those of one author, newest first: costs nothing for those of others."""
        return map(as_record, self._past.by(bytes.fromhex(author.removeprefix("0x"))))


Valid: TypeAlias = Callable[[Record, History], bool]
"""May this record follow those? Pure, and the same at every peer: see `raclette.ledgers.data`."""


def encode_value(value: Any) -> bytes:
    """Raises Misuse for what JSON cannot hold exactly."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise Misuse(f"data is JSON: texts, numbers, lists, dictionaries with texts as keys ({error})") from None


def decode_value(data: bytes) -> Any:
    """Raises ValueError unless `data` is a value's canonical text."""
    value = orjson.loads(data)
    if encode_value(value) != data:
        raise ValueError("not canonical JSON")
    return value


def as_record(entry: Entry, block: int = -1) -> Record:
    """Raises ValueError as `decode_value`."""
    return Record(checksum_address(entry.author), decode_value(entry.data), block)


def raw_rule(valid: Valid) -> RawRule:
    """A program's rule as the ledger asks it. Bytes that are no value raise, and what raises is not valid."""

    def rule(entry: Entry, past: Past) -> bool:
        return bool(valid(as_record(entry), History(past)))

    return rule
