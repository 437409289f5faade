"""Executing a block of coins: what inputs name must be unspent and just as they say; everything else is known.

Fees and reward of a block together are one output to its beneficiary, the *coinbase*. Its outpoint is a hash of the
block's height and beneficiary, so it is new in each block of a branch.

Deviation from Bitcoin: a coinbase may be spent in the next block. Where a reorganisation takes the block away, what was
paid from its coinbase goes with it; who sells for coins waits for finality, as for any payment.
"""

from raclette.chain.ledger import BlockContext, StateReader, StateWriter, Transaction
from raclette.chain.roll import ROLL_KEY, change_roll, encode_roll, read_roll
from raclette.ledgers.coins.records import Unspent, read_output
from raclette.ledgers.coins.script import lock_to
from raclette.ledgers.coins.transaction import Coin, Output, RollChange, Spend, coins_made
from raclette.primitives.hashing import keccak256


def coinbase_hash(number: int, beneficiary: bytes) -> bytes:
    """In place of a transaction's hash: where a block's coinbase stands (index 0)."""
    return keccak256(b"raclette/coins/block" + number.to_bytes(8) + beneficiary)


def genesis_hash(owner: bytes) -> bytes:
    """In place of a transaction's hash: where what genesis gives `owner` stands (index 0)."""
    return keccak256(b"raclette/coins/genesis" + owner)


def find_obstacle(spend: Spend, state: StateReader | Unspent, base_fee: int, gas: int) -> tuple[str, str] | None:
    """Why it cannot be executed now, as a slug and a sentence; None if it can."""
    if spend.fee < base_fee * gas:
        return "fee-below-base", f"the fee {spend.fee} is less than {base_fee} for each of {gas} gas"
    for coin in spend.coins:
        found = state.get(coin.outpoint) if isinstance(state, Unspent) else read_output(coin.outpoint, state)
        name = f"output {coin.place} of 0x{coin.hash.hex()}"
        if found is None:
            return "unknown-output", f"{name} is spent, or was never made"
        if found != coin.output:
            return "wrong-output", f"{name} has another amount or script than the input says"
    return None


class Execute:
    """One block's working set. `attempt` each transaction; `finish` writes."""

    def __init__(self, context: BlockContext, state: StateWriter) -> None:
        self._context = context
        self._state = state
        self._unspent = Unspent(state)
        self._roll: tuple[tuple[bytes, bytes], ...] | None = None
        self._fees = 0

    def attempt(self, transaction: Transaction) -> bool | str:
        """Execute one, or say why not and change nothing. Its outputs may be spent further down in the same block. It
        fails if it asked for a change of the roll that cannot be; the money moves either way."""
        spend: Spend = transaction.detail
        obstacle = find_obstacle(spend, self._unspent, self._context.base_fee, transaction.gas)
        if obstacle is not None:
            return obstacle[0]
        for coin in spend.coins:
            self._unspent.spend(coin)
        for coin in coins_made(transaction.hash, spend.outputs):
            self._unspent.add(coin)
        self._fees += spend.fee
        return spend.roll is None or self._enroll(spend.owner, spend.roll)

    def _enroll(self, owner: bytes, change: RollChange) -> bool:
        before = self._roll if self._roll is not None else read_roll(self._state)
        after = change_roll(before, owner, change.node_id)
        if after is None:
            return False
        self._roll = after
        return True

    def finish(self) -> None:
        """Make the coinbase and write what changed."""
        amount = self._fees + self._context.reward
        if amount:
            beneficiary = self._context.beneficiary
            coinbase = Coin(coinbase_hash(self._context.number, beneficiary), 0, Output(0, lock_to(beneficiary)))
            # There is one only where somebody executes one height in parts, as the ledgers' exam does.
            part = self._unspent.get(coinbase.outpoint)
            if part is not None:
                self._unspent.spend(coinbase._replace(output=part))
                amount += part.amount
            self._unspent.add(coinbase._replace(output=Output(amount, lock_to(beneficiary))))
        self._unspent.write()
        if self._roll is not None:
            self._state.set(ROLL_KEY, encode_roll(self._roll))
