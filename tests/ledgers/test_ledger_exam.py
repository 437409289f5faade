"""The bank passes the exam of a ledger; ledgers that are wrong in one way each do not."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from bank_world import ALICE, BOB, CAROL, CHAIN, MINER, World

from raclette.chain.ledger import BlockContext, Execution, Standing, StateReader, StateWriter, Transaction
from raclette.chain.ledger_exam import LedgerSamples, check_ledger
from raclette.chain.transaction import LEGACY, sign_transaction, sign_transfer
from raclette.ledgers.bank import Bank, sign_registration
from raclette.ledgers.bank.account import decode_account, encode_account
from raclette.primitives.errors import InvalidBlock, InvariantBroken
from raclette.primitives.keys import AccountKey, checksum_address


def transfer(key: AccountKey, nonce: int, to: AccountKey, value: int, fee: int = 1) -> bytes:
    return sign_transfer(key, chain_id=CHAIN, nonce=nonce, to=to.address, value=value, fee=fee)


def samples() -> LedgerSamples:
    return LedgerSamples(
        alloc={checksum_address(key.address): {"balance": 10**6} for key in (ALICE, BOB)},
        context=BlockContext(number=1, timestamp=1, beneficiary=MINER, base_fee=0, gas_limit=30_000_000, reward=50),
        valid=[
            transfer(ALICE, 0, BOB, 100),
            transfer(BOB, 0, CAROL, 500_000),
            transfer(CAROL, 0, CAROL, 7),
            sign_transaction(ALICE, chain_id=CHAIN, nonce=1, to=BOB.address, max_fee=3, kind=LEGACY),
            sign_registration(BOB, chain_id=CHAIN, nonce=1, name="bob"),
        ],
        invalid=[transfer(ALICE, 9, BOB, 1), transfer(BOB, 0, ALICE, 10**9)],
        undecodable=[b"", b"\x00", b"\xc0", b"\x02\xc0", b"cheese", bytes(64)],
    )


def make_bank() -> Bank:
    return Bank(CHAIN)


def test_the_bank_passes() -> None:
    check_ledger(make_bank, samples())


def test_the_bank_passes_where_the_beneficiary_is_a_sender() -> None:
    check_ledger(make_bank, replace(samples(), context=replace(samples().context, beneficiary=ALICE.address)))


class Wrong(Bank):
    """A bank to be broken. What it adds to a state goes through `touch`."""

    def __init__(self) -> None:
        super().__init__(CHAIN)
        self.blocks = 0

    @staticmethod
    def touch(state: StateWriter, address: bytes, wei: int) -> None:
        nonce, balance = decode_account(state.get(address))
        state.set(address, encode_account(nonce, balance + wei))


class Mints(Wrong):
    """Pays the reward twice."""

    def execute(
        self, context: BlockContext, transactions: Iterable[Transaction], state: StateWriter, *, strict: bool
    ) -> Execution:
        execution = super().execute(context, transactions, state, strict=strict)
        self.touch(state, context.beneficiary, context.reward)
        return execution


class Remembers(Wrong):
    """Depends on how many blocks this very process has executed."""

    def execute(
        self, context: BlockContext, transactions: Iterable[Transaction], state: StateWriter, *, strict: bool
    ) -> Execution:
        self.blocks += 1
        execution = super().execute(context, transactions, state, strict=strict)
        state.set(b"blocks", self.blocks.to_bytes(8))
        return execution


class Lenient(Wrong):
    """Skips invalid transactions in somebody's block instead of refusing the block."""

    def execute(
        self, context: BlockContext, transactions: Iterable[Transaction], state: StateWriter, *, strict: bool
    ) -> Execution:
        return super().execute(context, transactions, state, strict=False)


class ChargesRefusals(Wrong):
    """A proposer's refusals leave a trace that a validator never sees."""

    def execute(
        self, context: BlockContext, transactions: Iterable[Transaction], state: StateWriter, *, strict: bool
    ) -> Execution:
        execution = super().execute(context, transactions, state, strict=strict)
        for transaction, _ in execution.refused:
            self.touch(state, transaction.sender, -1)
            self.touch(state, context.beneficiary, 1)
        return execution


class Replays(Wrong):
    """Forgets to count nonces up."""

    def execute(
        self, context: BlockContext, transactions: Iterable[Transaction], state: StateWriter, *, strict: bool
    ) -> Execution:
        transactions = list(transactions)
        before = {tx.sender: decode_account(state.get(tx.sender))[0] for tx in transactions}
        execution = super().execute(context, transactions, state, strict=strict)
        for sender, nonce in before.items():
            state.set(sender, encode_account(nonce, decode_account(state.get(sender))[1]))
        return execution


class IgnoresGas(Wrong):
    """Fills blocks without end."""

    def execute(
        self, context: BlockContext, transactions: Iterable[Transaction], state: StateWriter, *, strict: bool
    ) -> Execution:
        return super().execute(replace(context, gas_limit=10**12), transactions, state, strict=strict)


class RefusesWhatWaits(Wrong):
    """Reports what no longer fits as refused, so that the mempool drops it."""

    def execute(
        self, context: BlockContext, transactions: Iterable[Transaction], state: StateWriter, *, strict: bool
    ) -> Execution:
        transactions = list(transactions)
        execution = super().execute(context, transactions, state, strict=strict)
        handled = len(execution.included) + len(execution.refused)
        execution.refused += [(transaction, "gas-limit") for transaction in transactions[handled:]]
        return execution


class WritesOnAdmission(Wrong):
    """Admission counts."""

    def admit(self, transaction: Transaction, state: StateReader) -> Standing:
        state.set(b"admitted", transaction.hash)  # type: ignore[attr-defined]
        return super().admit(transaction, state)


class Crashes(Wrong):
    """Lets a stranger's bytes raise what they like."""

    def decode(self, raw: bytes) -> Transaction:
        if raw[0] == 0:
            raise InvalidBlock("oops")
        return super().decode(raw)


class Malleable(Wrong):
    """Ignores what follows a transaction, so anybody can change its hash."""

    def decode(self, raw: bytes) -> Transaction:
        decoded = super().decode(raw.rstrip(b"\x00"))
        return replace(decoded, raw=raw)


class OrderedGenesis(Wrong):
    """Numbers its accounts as the file lists them."""

    def genesis(self, alloc: Mapping[str, Any]) -> dict[bytes, bytes]:
        state = super().genesis(alloc)
        return state | {b"first": next(iter(alloc)).encode()}


class AnswersAnything(Wrong):
    """Never says that a question is wrong."""

    def query(self, path: str, arguments: object, state: StateReader) -> Any:
        return None


@pytest.mark.parametrize(
    ("wrong", "claim"),
    [
        (Mints, "supply grows by the reward and by nothing else"),
        (Remembers, "the same block gives the same state"),
        (Lenient, "a block with an invalid transaction raises InvalidBlock"),
        (ChargesRefusals, "what a proposer leaves out leaves no trace"),
        (Replays, "a transaction is executed once"),
        (IgnoresGas, "a proposer stays under the gas limit"),
        (RefusesWhatWaits, "what no longer fits is not refused"),
        (WritesOnAdmission, "admission writes nothing"),
        (Crashes, "decode raises Refused only"),
        (Malleable, "bytes changed by a stranger keep no author"),
        (OrderedGenesis, "genesis does not depend on the order"),
        (AnswersAnything, "an unknown query raises Misuse"),
    ],
)
def test_a_wrong_ledger_fails_by_the_claim_it_breaks(wrong: Callable[[], Wrong], claim: str) -> None:
    with pytest.raises(InvariantBroken, match=claim):
        check_ledger(wrong, samples())


def test_the_exam_needs_samples_of_both_kinds() -> None:
    with pytest.raises(InvariantBroken, match="two valid and an invalid"):
        check_ledger(make_bank, replace(samples(), invalid=[]))


def test_the_samples_are_what_they_say() -> None:
    """An exam passes vacuously if its samples do: the invalid ones are refused, the valid ones move money."""
    world = World({ALICE: 10**6, BOB: 10**6})
    valid = [world.bank.decode(raw) for raw in samples().valid]
    invalid = [world.bank.decode(raw) for raw in samples().invalid]
    execution = world.block(*valid, *invalid, strict=False)
    assert execution.included == valid
    assert [reason for _, reason in execution.refused] == ["nonce-too-high", "nonce-too-low"]
    assert world.balance(MINER) == 3 * 21_000 + 3 * 21_000
