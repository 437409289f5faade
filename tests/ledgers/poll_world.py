"""A small electorate for the tests: Alice organises, Bob and Carol vote too, and a state in a dictionary."""

from collections.abc import Mapping
from typing import Any

from raclette.chain.ledger import BlockContext, Execution, Transaction
from raclette.chain.ledger_exam import ExamState
from raclette.ledgers.poll import Election, Open, Poll, sign_action
from raclette.ledgers.poll.actions import Action
from raclette.primitives.errors import Refused
from raclette.primitives.keys import AccountKey, checksum_address

CHAIN = 21057
ALICE, BOB, CAROL, DAVE = (AccountKey(bytes((number,)) * 32) for number in (1, 2, 3, 4))
MINER = b"\x99" * 20
ALLOC = {checksum_address(key.address): {"balance": 1_000} for key in (ALICE, BOB, CAROL)}
DINNER = {"id": "dinner", "question": "What?", "choices": ["raclette", "fondue"], "voters": "alloc"}


def secret(closes: int = 3, reveals: int = 5) -> dict[str, Any]:
    """A secret election for genesis: voting in blocks 1 and 2, revealing in 3 and 4."""
    return {**DINNER, "id": "board", "closes": closes, "reveals": reveals}


def opening(name: bytes = b"new", **changes: Any) -> Open:
    """A new open election of Bob and Carol."""
    election = Election(name, b"Which?", (b"this", b"that"), 0, 100, 0, ALICE.address)
    return Open(election._replace(**changes), (BOB.address, CAROL.address))


class World:
    """Elections, their state, and verbs to move them. Blocks count themselves."""

    def __init__(self, *elections: Mapping[str, Any], **parameters: Any) -> None:
        self.poll = Poll(CHAIN, parameters={"elections": list(elections or (DINNER,)), **parameters})
        self.state = ExamState(self.poll.genesis(ALLOC))
        self.height = 0

    def ask(self, key: AccountKey, action: Action, nonce: int | None = None) -> Transaction:
        """A decoded transaction, at the next nonce unless told."""
        number = self.poll.query("nonce", [key.address], self.state) if nonce is None else nonce
        return self.poll.decode(sign_action(key, chain_id=CHAIN, nonce=number, action=action))

    def block(self, *transactions: Transaction, strict: bool = True, **context: Any) -> Execution:
        """Execute the next block."""
        wanted: dict[str, Any] = {
            "number": self.height + 1,
            "timestamp": 1,
            "beneficiary": MINER,
            "base_fee": 0,
            "gas_limit": 30_000_000,
        }
        execution = self.poll.execute(BlockContext(**(wanted | context)), transactions, self.state, strict=strict)
        self.height += 1
        return execution

    def refusal(self, key: AccountKey, action: Action) -> Refused:
        """What admission says; a proposer must refuse it too, and leave no trace."""
        transaction = self.ask(key, action)
        before = dict(self.state.entries)
        self.block(transaction, strict=False)
        changed = {item for item, value in self.state.entries.items() if before.get(item) != value}
        assert changed <= {b"\x0cheight"}
        self.state.entries = before
        self.height -= 1
        try:
            self.poll.admit(transaction, self.state)
        except Refused as refused:
            return refused
        raise AssertionError(f"{action} is admitted")

    def tally(self, name: str = "dinner") -> dict[str, Any]:
        """The result so far."""
        result: dict[str, Any] = self.poll.query("tally", [name], self.state)
        return result
