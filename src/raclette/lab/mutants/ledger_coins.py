"""The ledger of outputs miscounts: sums that overflow, outputs spent twice, signatures over too little.

As with the bank's, every replica makes the same mistake; what notices is an audit of the money there may be, and of
what anybody ever signed.
"""

from collections.abc import Sequence

from raclette.chain.ledger import StateReader
from raclette.lab.mutants.contract import Mutant
from raclette.lab.mutants.planting import Swap, mutant
from raclette.ledgers.coins import coins, execution, transaction
from raclette.ledgers.coins.records import Unspent, read_output
from raclette.ledgers.coins.transaction import Coin, Output, Spend

# The sums of this mutant have 128 bits.
_WORD = 1 << 128

_fee = transaction._fee
_body_hash = transaction.body_hash
_find_obstacle = execution.find_obstacle
_spend = Unspent.spend


def _fee_in_128_bits(spent: Sequence[Coin], made: Sequence[Output]) -> int:
    """Each amount is as large as it may be; together the outputs are a small number, in a word."""
    whole = sum(output.amount for output in made)
    return _fee(spent, [Output(whole % _WORD, b"")])


def _accept_repeated(spent: Sequence[Coin]) -> None:
    """An output may stand among the inputs as often as one likes."""


def _spend_what_is_there(self: Unspent, coin: Coin) -> None:
    """What is not there any more, or is worth something else, does not stop anybody."""
    found = self.get(coin.outpoint)
    if found is not None:
        _spend(self, coin._replace(output=found))


def _hash_of_inputs(chain_id: int, spent: Sequence[Coin], made: Sequence[Output]) -> bytes:
    return _body_hash(chain_id, spent, ())


def _obstacle_of_others(spend: Spend, state: StateReader | Unspent, base_fee: int, gas: int) -> tuple[str, str] | None:
    """That the output exists is asked; what it is worth, the input may say."""
    found = [
        state.get(coin.outpoint) if isinstance(state, Unspent) else read_output(coin.outpoint, state)
        for coin in spend.coins
    ]
    known = (
        coin._replace(output=coin.output if there is None else there)
        for coin, there in zip(spend.coins, found, strict=True)
    )
    return _find_obstacle(spend._replace(coins=tuple(known)), state, base_fee, gas)


def _mutants(protocol: str) -> tuple[Mutant, ...]:
    return (
        mutant(
            "C1",
            protocol,
            "the sum of a payment's outputs overflows",
            source="CVE-2010-5139 (Bitcoin, value overflow)",
            invariants=("supply",),
            swaps=(Swap(transaction, "_fee", _fee_in_128_bits),),
        ),
        mutant(
            "C2",
            protocol,
            "an output may stand twice among the inputs of one transaction",
            source="CVE-2018-17144 (Bitcoin, an input spent twice in one transaction)",
            invariants=("supply",),
            swaps=(
                Swap(transaction, "_require_distinct", _accept_repeated),
                Swap(Unspent, "spend", _spend_what_is_there),
            ),
        ),
        mutant(
            "C3",
            protocol,
            "a signature is over the inputs only: whoever passes a payment on may write its outputs",
            source="Bitcoin's SIGHASH_NONE, taken for every signature",
            invariants=("validity",),
            swaps=(Swap(transaction, "body_hash", _hash_of_inputs),),
        ),
        mutant(
            "C4",
            protocol,
            "what an input says it is worth is believed",
            source="BIP 143 (amounts of inputs that a signer is shown and nobody checks)",
            invariants=("supply",),
            swaps=(
                Swap(execution, "find_obstacle", _obstacle_of_others),
                Swap(coins, "find_obstacle", _obstacle_of_others),
                Swap(Unspent, "spend", _spend_what_is_there),
            ),
        ),
    )


# Every replica makes these mistakes alike, so they are the same on every protocol.
_EVERYWHERE = ("pbft", "nakamoto")
MUTANTS: tuple[Mutant, ...] = tuple(found for name in _EVERYWHERE for found in _mutants(name))
