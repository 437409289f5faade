"""Transactions of coins: outputs of earlier ones are consumed whole, new ones are made.

    0x55 | RLP [chain id, [input, ...], [output, ...]]
    input  = [hash of the transaction that made it, index, amount, locking script, unlocking script]
    output = [amount, locking script]

What inputs bring more than outputs take is the fee. An input repeats amount and locking script of what it spends, so
that scripts, signatures, sums and fee follow from these bytes alone and are checked once, without a state; whether the
output exists, unspent and just so, is all that remains to be asked (as BIP-341 signs them for hardware wallets).

A signature is over `sighash`: chain id, all inputs but their unlocking scripts, all outputs, and the index of its
input. Nothing can be added, dropped, reordered or re-priced; a signature holds on one chain, in one transaction, for
one input. With one encoding of everything (see `script`), nobody but its signers can change a transaction's hash.

One output may have the amount zero and, instead of a locking script, pushes only: `ROLL_ADDRESS`, then a node id and
the node's signature, or nothing. It enters the node of the first input's owner on the roll, or lets it leave.

Source of the idea: Nakamoto, "Bitcoin: A Peer-to-Peer Electronic Cash System" (2008), sections 2 and 9.
"""

from collections.abc import Sequence
from typing import NamedTuple

from raclette.chain.roll import ROLL_ADDRESS, parse_entry
from raclette.ledgers.coins.limits import (
    AMOUNT_MAX,
    INPUTS_MAX,
    OUTPUTS_MAX,
    SIGNATURES_MAX,
    TRANSACTION_BYTES_MAX,
)
from raclette.ledgers.coins.script import DATA, operations, owner_of, push, run, signatures_of_lock, unlock_with
from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError, Misuse, Refused
from raclette.primitives.hashing import keccak256
from raclette.primitives.keys import AccountKey
from raclette.primitives.rlp import Encodable, Item, as_bytes, as_list, bytes_to_int, int_to_bytes

# The envelope's first byte (EIP-2718): "U" for unspent. Ethereum has given out 0 to 4.
TRANSACTION_TYPE = 0x55
INDEX_BYTES = 4
OUTPOINT_BYTES = 32 + INDEX_BYTES
_DOMAIN = b"raclette/coins"
_ROLL_PUSH = push(ROLL_ADDRESS)


class Output(NamedTuple):
    """Money and who may spend it. `amount` in the smallest unit."""

    amount: int
    lock: bytes


class Coin(NamedTuple):
    """An output and where it stands: number `place` of the transaction with that `hash`."""

    hash: bytes
    place: int
    output: Output

    @property
    def outpoint(self) -> bytes:
        """The 36 bytes that name it."""
        return self.hash + self.place.to_bytes(INDEX_BYTES)


class RollChange(NamedTuple):
    """What a transaction asks of the roll: enter this node, or leave (None)."""

    node_id: bytes | None


class Spend(NamedTuple):
    """A decoded transaction; `Transaction.detail` of this ledger. `signatures` were checked, `fee` is in total."""

    coins: tuple[Coin, ...]
    unlocks: tuple[bytes, ...]
    outputs: tuple[Output, ...]
    signatures: int
    fee: int
    roll: RollChange | None

    @property
    def owner(self) -> bytes:
        """Whose money it is: the owner of the first input."""
        return owner_of(self.coins[0].output.lock)

    @property
    def spent(self) -> int:
        """What the inputs bring."""
        return sum(coin.output.amount for coin in self.coins)


def decode_spend(raw: bytes, chain_id: int) -> Spend:
    """Decode and check everything that needs no state, the scripts last. Raises Refused or DecodeError."""
    if len(raw) > TRANSACTION_BYTES_MAX:
        raise Refused("oversized", f"oversized data: transaction size {len(raw)}, limit {TRANSACTION_BYTES_MAX}")
    if raw[:1] != bytes((TRANSACTION_TYPE,)):
        raise Refused("type-not-supported", f"transaction type not supported: coins begin with {TRANSACTION_TYPE:#x}")
    chain, inputs, outputs = rlp.decode_list(raw[1:], 3)
    have = bytes_to_int(chain, size_max=8)
    if have != chain_id:
        raise Refused("wrong-chain", f"invalid chain id: have {have} want {chain_id}")
    read = _bounded(outputs, OUTPUTS_MAX, "output")
    made = tuple(_read_output(*_fields(item, 2)) for item in read)
    consumed = [_read_input(*_fields(item, 5)) for item in _bounded(inputs, INPUTS_MAX, "input")]
    coins = tuple(coin for coin, _ in consumed)
    unlocks = tuple(unlock for _, unlock in consumed)
    _require_distinct(coins)
    fee = _fee(coins, made)
    roll = _check_outputs(made, chain_id, owner_of(coins[0].output.lock))
    needed = sum(signatures_of_lock(coin.output.lock) for coin in coins)
    if needed > SIGNATURES_MAX:
        raise Refused("too-many-signatures", f"{needed} signatures to check, at most {SIGNATURES_MAX}")
    body = body_hash(chain_id, coins, made)
    signatures = sum(
        run(unlock, coin.output.lock, sighash(body, index)) for index, (coin, unlock) in enumerate(consumed)
    )
    return Spend(coins, unlocks, made, signatures, fee, roll)


def body_hash(chain_id: int, coins: Sequence[Coin], outputs: Sequence[Output]) -> bytes:
    """keccak256 of all that every signature is over."""
    spent = [[coin.hash, int_to_bytes(coin.place), *_output_fields(coin.output)] for coin in coins]
    made = [_output_fields(output) for output in outputs]
    return keccak256(_DOMAIN + rlp.encode([int_to_bytes(chain_id), spent, made]))


def sighash(body: bytes, index: int) -> bytes:
    """What the signatures of input `index` are over; `body` as `body_hash` gives it."""
    return keccak256(_DOMAIN + body + index.to_bytes(INDEX_BYTES))


def encode_spend(chain_id: int, coins: Sequence[Coin], unlocks: Sequence[bytes], outputs: Sequence[Output]) -> bytes:
    """The raw transaction. Checks nothing."""
    inputs: list[Encodable] = [
        [coin.hash, int_to_bytes(coin.place), *_output_fields(coin.output), unlock]
        for coin, unlock in zip(coins, unlocks, strict=True)
    ]
    made = [_output_fields(output) for output in outputs]
    return bytes((TRANSACTION_TYPE,)) + rlp.encode([int_to_bytes(chain_id), inputs, made])


def sign_spend(
    chain_id: int, coins: Sequence[Coin], outputs: Sequence[Output], keys: Sequence[Sequence[AccountKey]]
) -> bytes:
    """A raw transaction that spends `coins`; `keys` holds those of each input, in the order in which its locking script
    names them. Raises Misuse if amounts are none."""
    for output in outputs:
        if not 0 <= output.amount <= AMOUNT_MAX:
            raise Misuse(f"an amount is from 0 to {AMOUNT_MAX}, not {output.amount}")
    body = body_hash(chain_id, coins, outputs)
    unlocks = []
    for index, signers in enumerate(keys):
        digest = sighash(body, index)
        unlocks.append(unlock_with(*(key.sign_compact(digest) for key in signers)))
    return encode_spend(chain_id, coins, unlocks, outputs)


def roll_output(data: bytes) -> Output:
    """The output that changes the roll. `data` is `chain.roll.sign_entry`'s to enter, empty to leave."""
    return Output(0, _ROLL_PUSH + (push(data[:32]) + push(data[32:]) if data else b""))


def coins_made(raw_hash: bytes, outputs: Sequence[Output]) -> list[Coin]:
    """The coins that the transaction of that hash makes."""
    return [Coin(raw_hash, index, output) for index, output in enumerate(outputs) if output.amount]


def _output_fields(output: Output) -> list[bytes]:
    return [int_to_bytes(output.amount), output.lock]


def _bounded(item: Item, most: int, what: str) -> list[Item]:
    items = as_list(item)
    if not 0 < len(items) <= most:
        raise Refused(f"{what}-count", f"a transaction with {len(items)} {what}s; accepted are 1 to {most}")
    return items


def _fields(item: Item, count: int) -> list[bytes]:
    items = as_list(item)
    if len(items) != count:
        raise DecodeError("rlp-count", f"{len(items)} items where {count} belong")
    return [as_bytes(field) for field in items]


def _read_output(amount: bytes, lock: bytes) -> Output:
    value = bytes_to_int(amount)
    if value > AMOUNT_MAX:
        # Two's complement, as some languages write a number below zero, ends here too.
        raise Refused("amount-overflow", f"an amount of {value}, at most {AMOUNT_MAX}")
    return Output(value, lock)


def _read_input(parent: bytes, index: bytes, amount: bytes, lock: bytes, unlock: bytes) -> tuple[Coin, bytes]:
    coin = Coin(as_bytes(parent, 32), bytes_to_int(index, size_max=INDEX_BYTES), _read_output(amount, lock))
    if not coin.output.amount:
        raise Refused("amount-zero", "an input of nothing")
    return coin, unlock


def _require_distinct(coins: Sequence[Coin]) -> None:
    if len({coin.outpoint for coin in coins}) < len(coins):
        raise Refused("repeated-input", "an output is spent twice in one transaction")


def _fee(coins: Sequence[Coin], outputs: Sequence[Output]) -> int:
    brought = sum(coin.output.amount for coin in coins)
    taken = sum(output.amount for output in outputs)
    for what, total in (("inputs", brought), ("outputs", taken)):
        if total > AMOUNT_MAX:
            raise Refused("amount-overflow", f"the {what} hold {total} together, at most {AMOUNT_MAX}")
    if taken > brought:
        raise Refused("outputs-exceed-inputs", f"outputs take {taken}, inputs bring {brought}")
    return brought - taken


def _check_outputs(outputs: Sequence[Output], chain_id: int, owner: bytes) -> RollChange | None:
    """Locks that somebody can open, amounts above zero, but for one that changes the roll."""
    change: RollChange | None = None
    for index, output in enumerate(outputs):
        if output.amount:
            signatures_of_lock(output.lock)
        elif not output.lock.startswith(_ROLL_PUSH):
            raise Refused("amount-zero", f"output {index} holds nothing")
        elif change is not None:
            raise Refused("bad-roll-entry", "roll: one change for each transaction")
        else:
            change = _roll_change(output.lock, chain_id, owner)
    return change


def _roll_change(script: bytes, chain_id: int, owner: bytes) -> RollChange:
    steps = list(operations(script))
    if any(step.opcode != DATA for step in steps) or len(steps) not in (1, 3):
        raise Refused("bad-roll-entry", "roll: the roll's address, then a node id and its signature, or nothing")
    if len(steps) == 3 and len(steps[1].item) != 32:
        raise Refused("bad-roll-entry", "roll: a node id has 32 bytes")
    return RollChange(parse_entry(b"".join(step.item for step in steps[1:]), chain_id, owner))
