"""The loop that most ledgers' `execute` is: in order, up to the gas limit, the invalid left out, or the end of it."""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from raclette.chain.ledger import BlockContext, Execution, Transaction
from raclette.chain.receipt import Receipt
from raclette.primitives.errors import InvalidBlock

Attempt: TypeAlias = Callable[[Transaction], bool | str]
"""Execute one transaction. Returns whether it succeeded, which its receipt says; or, if it cannot be executed now, the
reason (a slug), and then nothing has changed."""


def run_in_order(
    context: BlockContext, transactions: Iterable[Transaction], attempt: Attempt, *, strict: bool
) -> Execution:
    """What `Ledger.execute` gives, without the reward. Each transaction uses exactly its `gas`; its receipt has the
    type of its envelope (EIP-2718). Raises InvalidBlock if `strict`: the caller reverts."""
    result = Execution()
    for transaction in transactions:
        if result.gas_used + transaction.gas > context.gas_limit:
            if strict:
                place = len(result.included)
                raise InvalidBlock("gas-limit", f"transaction {place} exceeds the block's {context.gas_limit} gas")
            break
        outcome = attempt(transaction)
        if isinstance(outcome, str):
            if strict:
                raise InvalidBlock(outcome, f"transaction {len(result.included)}, 0x{transaction.hash.hex()}")
            result.refused.append((transaction, outcome))
            continue
        result.gas_used += transaction.gas
        result.included.append(transaction)
        kind = transaction.raw[0] if transaction.raw[0] < 0x80 else 0
        result.receipts.append(Receipt(outcome, result.gas_used, kind))
    return result
