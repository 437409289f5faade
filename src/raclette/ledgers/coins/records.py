"""The records of the state, and a block's working copies of them.

    0x05 | outpoint (36)             -> RLP [amount, locking script]
    0x06 | owner (20)                -> RLP [sum, which pages are there (a bit each)]
    0x07 | owner (20) | page (1)     -> the owner's outpoints (36 bytes each) whose hash begins with that byte, sorted

The first alone would do for consensus. The others make `stake` one read and answer an owner who asks what is his;
pages keep a miner's ten thousand outputs from being one record. All three depend on the set of unspent outputs only,
not on the order in which they came.
"""

from collections.abc import Iterator

from raclette.chain.ledger import StateReader, StateWriter
from raclette.ledgers.coins.script import owner_of
from raclette.ledgers.coins.transaction import INDEX_BYTES, OUTPOINT_BYTES, Coin, Output
from raclette.primitives import rlp
from raclette.primitives.rlp import as_bytes, bytes_to_int, int_to_bytes

_OUTPUT = b"\x05"
_OWNER = b"\x06"
_PAGE = b"\x07"
_OUTPUT_KEY_BYTES = 1 + OUTPOINT_BYTES


def output_key(outpoint: bytes) -> bytes:
    """State key of an unspent output."""
    return _OUTPUT + outpoint


def encode_output(output: Output) -> bytes:
    """The record of an unspent output."""
    return rlp.encode([int_to_bytes(output.amount), output.lock])


def read_output(outpoint: bytes, state: StateReader) -> Output | None:
    """The unspent output at `outpoint`."""
    record = state.get(_OUTPUT + outpoint)
    return None if record is None else _decode_output(record)


def _decode_output(record: bytes) -> Output:
    amount, lock = rlp.decode_list(record, 2)
    return Output(bytes_to_int(amount), as_bytes(lock))


def amount_of(key: bytes, value: bytes) -> int:
    """What an entry of the state holds: 0 for all that are no outputs."""
    return _decode_output(value).amount if len(key) == _OUTPUT_KEY_BYTES and key.startswith(_OUTPUT) else 0


def read_total(owner: bytes, state: StateReader) -> int:
    """The sum of an owner's unspent outputs."""
    return _Owner(owner, state).total


def read_coins(owner: bytes, state: StateReader, after: bytes = b"") -> Iterator[Coin]:
    """An owner's unspent outputs whose outpoints come after `after`, in the order of their outpoints."""
    for outpoint in _Owner(owner, state).outpoints(after):
        output = read_output(outpoint, state)
        if output is not None:
            yield Coin(outpoint[:-INDEX_BYTES], int.from_bytes(outpoint[-INDEX_BYTES:]), output)


class _Owner:
    """A working copy of one owner's sum and pages."""

    def __init__(self, owner: bytes, state: StateReader) -> None:
        self._owner = owner
        self._state = state
        self._pages: dict[int, set[bytes]] = {}
        record = state.get(_OWNER + owner)
        self.total = self._there = 0
        if record is not None:
            self.total, self._there = (bytes_to_int(item) for item in rlp.decode_list(record, 2))

    def outpoints(self, after: bytes) -> Iterator[bytes]:
        for number in range(after[0] if after else 0, 256):
            yield from (item for item in sorted(self._page(number)) if item > after)

    def change(self, outpoint: bytes, amount: int) -> None:
        """Add an output, or remove it (an amount below zero)."""
        self.total += amount
        page = self._page(outpoint[0])
        if amount > 0:
            page.add(outpoint)
        else:
            page.remove(outpoint)

    def write(self, state: StateWriter) -> None:
        for number, page in self._pages.items():
            bit = 1 << number
            self._there = self._there | bit if page else self._there & ~bit
            _write(state, self._page_key(number), b"".join(sorted(page)) or None)
        record = rlp.encode([int_to_bytes(self.total), int_to_bytes(self._there)]) if self._there else None
        _write(state, _OWNER + self._owner, record)

    def _page_key(self, number: int) -> bytes:
        return _PAGE + self._owner + bytes((number,))

    def _page(self, number: int) -> set[bytes]:
        page = self._pages.get(number)
        if page is None:
            record = self._state.get(self._page_key(number)) if self._there >> number & 1 else None
            page = self._pages[number] = set(_cut(record or b""))
        return page


def _cut(record: bytes) -> Iterator[bytes]:
    return (record[at : at + OUTPOINT_BYTES] for at in range(0, len(record), OUTPOINT_BYTES))


def _write(state: StateWriter, key: bytes, value: bytes | None) -> None:
    if state.get(key) != value:
        state.set(key, value)


class Unspent:
    """The unspent outputs while a block is executed. Nothing reaches the state before `write`."""

    def __init__(self, state: StateWriter) -> None:
        self._state = state
        # In order of first use, which is the order of writing; None for what is spent.
        self._outputs: dict[bytes, Output | None] = {}
        self._owners: dict[bytes, _Owner] = {}

    def get(self, outpoint: bytes) -> Output | None:
        """The unspent output at `outpoint`, if there is one now."""
        if outpoint in self._outputs:
            return self._outputs[outpoint]
        return read_output(outpoint, self._state)

    def spend(self, coin: Coin) -> None:
        """Take out what is there."""
        self._outputs[coin.outpoint] = None
        self._owner(coin.output).change(coin.outpoint, -coin.output.amount)

    def add(self, coin: Coin) -> None:
        """Put in what is not there."""
        self._outputs[coin.outpoint] = coin.output
        self._owner(coin.output).change(coin.outpoint, coin.output.amount)

    def write(self) -> None:
        """Everything that changed, once."""
        for outpoint, output in self._outputs.items():
            _write(self._state, _OUTPUT + outpoint, None if output is None else encode_output(output))
        for owner in self._owners.values():
            owner.write(self._state)

    def _owner(self, output: Output) -> _Owner:
        owner = owner_of(output.lock)
        held = self._owners.get(owner)
        if held is None:
            held = self._owners[owner] = _Owner(owner, self._state)
        return held
