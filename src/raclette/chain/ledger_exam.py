"""The exam of a ledger. Any implementation, ours or yours, must pass `check_ledger`; a failure names the broken claim.

The exam knows nothing about a ledger's rules. It needs samples: a genesis, transactions that are valid in their order,
some that are not, and a block to run them in. It checks what consensus relies on: replicas that execute the same
block have the same state, a proposer's block passes a validator's check, a refusal leaves no trace, nothing is
spent twice, and money is neither made nor lost.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from raclette.chain.dict_state import DictState
from raclette.chain.ledger import BlockContext, Execution, Ledger, Transaction
from raclette.primitives.errors import InvalidBlock, InvariantBroken, Misuse, Refused
from raclette.primitives.hashing import keccak256
from raclette.primitives.randomness import Random

MakeLedger = Callable[[], Ledger]
State = dict[bytes, bytes]

# Damaged copies of each sample that `decode` is tried on.
_DAMAGES = 24


@dataclass(frozen=True)
class LedgerSamples:
    """What a ledger is examined with.

    `valid`: at least two raw transactions that can be executed in this order on `alloc` within `context`. `invalid`:
    raw transactions that decode but can be executed neither before nor after `valid`. `undecodable`: bytes that
    `decode` refuses.
    """

    alloc: Mapping[str, Any]
    context: BlockContext
    valid: Sequence[bytes]
    invalid: Sequence[bytes]
    undecodable: Sequence[bytes]


class ExamState(DictState):
    """Notes whether it was written, and insists on bytes."""

    def __init__(self, entries: Mapping[bytes, bytes]) -> None:
        super().__init__(entries)
        self.writes = 0

    def set(self, key: bytes, value: bytes | None) -> None:
        """Write (None removes)."""
        _claim(type(key) is bytes and (value is None or type(value) is bytes), "keys and values of the state are bytes")
        self.writes += 1
        super().set(key, value)


def check_ledger(make_ledger: MakeLedger, samples: LedgerSamples) -> None:
    """Run every check on ledgers from `make_ledger`. Raises InvariantBroken at the first broken claim."""
    _claim(len(samples.valid) >= 2 and len(samples.invalid) >= 1, "the samples have two valid and an invalid one")
    for check in _CHECKS:
        check(make_ledger, samples)


def _claim(holds: bool, claim: str) -> None:
    if not holds:
        raise InvariantBroken(f"ledger exam: {claim}")


def _run(
    ledger: Ledger,
    context: BlockContext,
    transactions: Iterable[Transaction],
    entries: State,
    *,
    strict: bool = True,
) -> tuple[Execution, State]:
    state = ExamState(entries)
    return ledger.execute(context, transactions, state, strict=strict), state.entries


def _begin(make_ledger: MakeLedger, samples: LedgerSamples) -> tuple[Ledger, State, list[Transaction]]:
    ledger = make_ledger()
    return ledger, ledger.genesis(samples.alloc), [ledger.decode(raw) for raw in samples.valid]


def _genesis_is_a_function_of_alloc(make_ledger: MakeLedger, samples: LedgerSamples) -> None:
    ledger = make_ledger()
    first = ledger.genesis(samples.alloc)
    turned = dict(reversed(list(samples.alloc.items())))
    _claim(first == ledger.genesis(samples.alloc), "genesis twice gives the same state")
    _claim(first == make_ledger().genesis(turned), "genesis does not depend on the order in which alloc is written")
    supply = ledger.supply(first.items())
    _claim(supply == ledger.supply(reversed(list(first.items()))), "supply does not depend on the order of entries")
    _claim(ledger.supply(iter(())) == 0, "nothing holds no money")


def _decoding_is_a_function_of_bytes(make_ledger: MakeLedger, samples: LedgerSamples) -> None:
    ledger, other = make_ledger(), make_ledger()
    for raw in (*samples.valid, *samples.invalid):
        transaction = ledger.decode(raw)
        _claim(transaction == other.decode(raw), "two ledgers decode the same bytes to the same transaction")
        _claim(transaction.raw == raw and transaction.hash == keccak256(raw), "a transaction keeps its bytes and hash")
        _claim(transaction.fee >= 0 and transaction.gas > 0, "a transaction has a price and a positive gas")
        _claim(transaction.nonce is not None or bool(transaction.conflicts), "a nonce or conflicts order a transaction")


def _damaged_bytes_are_refused(make_ledger: MakeLedger, samples: LedgerSamples) -> None:
    """A damaged copy may decode (to another sender, say), but never as the same author's same nonce."""
    ledger = make_ledger()
    random = Random(len(samples.valid))
    for raw in samples.undecodable:
        _claim(_decoded(ledger, raw) is None, f"{raw[:40].hex()} is refused")
    for raw in samples.valid:
        original = ledger.decode(raw)
        damaged = [raw[: random.below(len(raw))], raw + b"\x00", b"", raw[::-1]]
        for _ in range(_DAMAGES):
            at = random.below(len(raw))
            damaged.append(raw[:at] + bytes((raw[at] ^ (1 << random.below(8)),)) + raw[at + 1 :])
        for copy in damaged:
            forged = _decoded(ledger, copy)
            _claim(forged is None or forged.sender != original.sender, "bytes changed by a stranger keep no author")


def _decoded(ledger: Ledger, raw: bytes) -> Transaction | None:
    try:
        return ledger.decode(raw)
    except Refused as refusal:
        _claim(bool(refusal.reason) and " " not in refusal.reason, "a refusal has a slug")
        return None
    except Exception as other:
        raise InvariantBroken(f"ledger exam: decode raises Refused only, not {other!r}") from other


def _admission_reads_only(make_ledger: MakeLedger, samples: LedgerSamples) -> None:
    ledger, entries, valid = _begin(make_ledger, samples)
    state = ExamState(entries)
    standing = ledger.admit(valid[0], state)
    _claim(standing == ledger.admit(valid[0], state), "admission twice gives the same standing")
    _claim(standing.next_nonce == valid[0].nonce, "the first valid transaction has its sender's next nonce")
    _claim(0 <= standing.cost <= standing.funds, "an admitted transaction is covered")
    execution, _ = _run(ledger, samples.context, [valid[0]], entries)
    _claim(execution.included == [valid[0]], "what is admitted with the next nonce can be executed")
    for raw in samples.invalid:
        try:
            ledger.admit(ledger.decode(raw), state)
        except Refused:
            continue
    _claim(state.writes == 0, "admission writes nothing")


def _execution_is_deterministic(make_ledger: MakeLedger, samples: LedgerSamples) -> None:
    ledger, entries, valid = _begin(make_ledger, samples)
    execution, after = _run(ledger, samples.context, valid, entries)
    _claim(execution.included == valid and not execution.refused, "valid transactions are included, in order")
    turned = dict(reversed(list(entries.items())))
    for again, start in ((ledger, entries), (make_ledger(), turned)):
        # An iterator too: nothing says that the transactions can be walked twice.
        repeated, state = _run(again, samples.context, iter(valid), start)
        _claim(repeated == execution, "the same block gives the same receipts and gas")
        _claim(state == after, "the same block gives the same state, whatever the order in memory")


def _proposer_and_validator_agree(make_ledger: MakeLedger, samples: LedgerSamples) -> None:
    ledger, entries, valid = _begin(make_ledger, samples)
    invalid = [ledger.decode(raw) for raw in samples.invalid]
    execution, after = _run(ledger, samples.context, valid, entries)
    proposed, state = _run(ledger, samples.context, [*invalid, *valid, *invalid, *valid[:1]], entries, strict=False)
    _claim(proposed.included == valid, "a proposer includes the valid ones among others, in order")
    _claim(proposed.receipts == execution.receipts, "leaving others out changes no receipt")
    _claim(state == after, "what a proposer leaves out leaves no trace")
    _claim([tx for tx, _ in proposed.refused] == [*invalid, *invalid, valid[0]], "a proposer lists what it refused")
    _claim(all(reason for _, reason in proposed.refused), "each refusal has a reason")


def _a_bad_block_changes_nothing(make_ledger: MakeLedger, samples: LedgerSamples) -> None:
    ledger, entries, valid = _begin(make_ledger, samples)
    bad = [[*valid, ledger.decode(raw)] for raw in samples.invalid]
    bad += [[ledger.decode(raw), *valid] for raw in samples.invalid]
    bad.append([*valid, valid[0]])
    for transactions in bad:
        state = ExamState(entries)
        mark = state.checkpoint()
        try:
            ledger.execute(samples.context, transactions, state, strict=True)
        except InvalidBlock:
            state.revert(mark)
            _claim(state.entries == entries, "a bad block reverts to the state before")
        else:
            raise InvariantBroken("ledger exam: a block with an invalid transaction raises InvalidBlock")
        execution, after = _run(ledger, samples.context, valid, state.entries)
        _, fresh = _run(make_ledger(), samples.context, valid, entries)
        _claim(execution.included == valid and after == fresh, "a ledger remembers nothing of a bad block")


def _nothing_is_spent_twice(make_ledger: MakeLedger, samples: LedgerSamples) -> None:
    ledger, entries, valid = _begin(make_ledger, samples)
    _, after = _run(ledger, samples.context, valid, entries)
    replayed, state = _run(ledger, replace(samples.context, reward=0), valid, after, strict=False)
    _claim(replayed.included == [] and state == after, "a transaction is executed once, in a later block too")


def _money_is_conserved(make_ledger: MakeLedger, samples: LedgerSamples) -> None:
    ledger, entries, valid = _begin(make_ledger, samples)
    before = ledger.supply(entries.items())
    for reward in (0, 1, samples.context.reward, 10**18):
        context = replace(samples.context, reward=reward)
        for count in range(len(valid) + 1):
            _, after = _run(ledger, context, valid[:count], entries)
            _claim(ledger.supply(after.items()) == before + reward, "supply grows by the reward and by nothing else")


def _block_borders_do_not_matter(make_ledger: MakeLedger, samples: LedgerSamples) -> None:
    ledger, entries, valid = _begin(make_ledger, samples)
    context = replace(samples.context, reward=0)
    whole, after = _run(ledger, context, valid, entries)
    gas, state = 0, entries
    for transaction in valid:
        part, state = _run(ledger, context, [transaction], state)
        gas += part.gas_used
    _claim(state == after, "the same transactions in more blocks give the same state")
    _claim(gas == whole.gas_used, "the same transactions in more blocks use the same gas")


def _gas_is_counted_and_bounded(make_ledger: MakeLedger, samples: LedgerSamples) -> None:
    ledger, entries, valid = _begin(make_ledger, samples)
    execution, _ = _run(ledger, samples.context, valid, entries)
    gas = [receipt.cumulative_gas for receipt in execution.receipts]
    _claim(len(gas) == len(valid) and gas == sorted(set(gas)), "each receipt counts more gas than the one before")
    _claim(gas[-1] == execution.gas_used <= samples.context.gas_limit, "the last receipt counts the block's gas")
    tight = replace(samples.context, gas_limit=execution.gas_used - 1, reward=0)
    proposed, state = _run(ledger, tight, valid, entries, strict=False)
    _claim(proposed.gas_used <= tight.gas_limit, "a proposer stays under the gas limit")
    count = len(proposed.included)
    _claim(proposed.included == valid[:count] and count < len(valid), "a proposer stops at the gas limit")
    _claim(proposed.refused == [], "what no longer fits is not refused: it waits for the next block")
    checked, same = _run(ledger, tight, proposed.included, entries)
    _claim(same == state and checked.gas_used == proposed.gas_used, "what a proposer made passes the check")
    try:
        _run(ledger, tight, valid, entries)
    except InvalidBlock:
        return
    raise InvariantBroken("ledger exam: a block over its gas limit raises InvalidBlock")


def _unknown_questions_are_misuse(make_ledger: MakeLedger, samples: LedgerSamples) -> None:
    ledger, entries, _ = _begin(make_ledger, samples)
    try:
        ledger.query("no such question", [], ExamState(entries))
    except Misuse:
        return
    raise InvariantBroken("ledger exam: an unknown query raises Misuse")


_CHECKS: tuple[Callable[[MakeLedger, LedgerSamples], None], ...] = (
    _genesis_is_a_function_of_alloc,
    _decoding_is_a_function_of_bytes,
    _damaged_bytes_are_refused,
    _admission_reads_only,
    _execution_is_deterministic,
    _proposer_and_validator_agree,
    _a_bad_block_changes_nothing,
    _nothing_is_spent_twice,
    _money_is_conserved,
    _block_borders_do_not_matter,
    _gas_is_counted_and_bounded,
    _unknown_questions_are_misuse,
)
