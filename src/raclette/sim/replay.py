"""The auditor: executes a chain again from genesis with nothing but ledger and blocks, and compares."""

from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from raclette.chain.dict_state import DictState
from raclette.chain.genesis import Genesis
from raclette.chain.header import Header
from raclette.chain.ledger import BlockContext, Ledger, Transaction
from raclette.chain.roll import Member, read_roll
from raclette.chain.trie import root_of_mapping
from raclette.node.view import NodeView
from raclette.primitives.errors import InvalidBlock, Refused

Property: TypeAlias = Literal["validity", "exactly-once", "supply"]


class ReplayFailed(Exception):
    """The chain does not say what executing it gives; `broken` is the property that says it should."""

    def __init__(self, broken: Property, detail: str) -> None:
        super().__init__(detail)
        self.broken: Property = broken


class Replayer:
    """Audits chains of one genesis. `reward` is what consensus pays for a block of that height; `decode` proves a
    transaction's author (and may remember)."""

    def __init__(
        self, genesis: Genesis, ledger: Ledger, reward: Callable[[int], int], decode: Callable[[bytes], Transaction]
    ) -> None:
        self._ledger = ledger
        self._reward = reward
        self._decode = decode
        self._entries = ledger.genesis(genesis.alloc)
        self._supply = ledger.supply(self._entries.items())

    def check(self, view: NodeView, head: Header, submitted: Callable[[bytes], bool]) -> None:
        """Execute everything up to `head`. Raises ReplayFailed that says what is wrong at which height."""
        state = DictState(self._entries)
        counted: set[bytes] = set()
        rewards = 0
        for header in self._path(view, head):
            rewards += self._execute(view, header, state, counted, submitted)
        if root_of_mapping(state.entries) != head.state_root:
            raise ReplayFailed("validity", f"height {head.number}: the state root is not that of the state")
        supply = self._ledger.supply(state.entries.items())
        if supply != self._supply + rewards:
            surplus = supply - self._supply - rewards
            raise ReplayFailed("supply", f"height {head.number}: {surplus} units appeared from nowhere")

    def members(self, view: NodeView, height: int) -> tuple[Member, ...]:
        """The roll, with its accounts' stakes, after the block at `height` of a view's branch. Raises ReplayFailed."""
        state = DictState(self._entries)
        head = view.canonical(height)
        if head is None:
            raise ReplayFailed("validity", f"height {height}: no such block")
        counted: set[bytes] = set()
        for header in self._path(view, head):
            self._execute(view, header, state, counted, lambda raw: True)
        return tuple(Member(node, account, self._ledger.stake(account, state)) for node, account in read_roll(state))

    def _path(self, view: NodeView, head: Header) -> Iterable[Header]:
        path = []
        header: Header | None = head
        while header is not None and header.number:
            path.append(header)
            header = view.header(header.parent_hash)
        if header is None or header.hash != view.genesis.hash:
            raise ReplayFailed("validity", f"height {head.number}: no path to genesis")
        return reversed(path)

    def _execute(
        self, view: NodeView, header: Header, state: DictState, counted: set[bytes], submitted: Callable[[bytes], bool]
    ) -> int:
        block = view.block(header.hash)
        if block is None:
            raise ReplayFailed("validity", f"height {header.number}: the body is missing")
        for raw in block.transactions:
            if raw in counted:
                raise ReplayFailed("exactly-once", f"height {header.number}: a transaction for the second time")
            if not submitted(raw):
                raise ReplayFailed("validity", f"height {header.number}: a transaction that no client sent")
            counted.add(raw)
        reward = self._reward(header.number)
        context = BlockContext(
            number=header.number,
            timestamp=header.timestamp,
            beneficiary=header.beneficiary,
            base_fee=header.base_fee,
            gas_limit=header.gas_limit,
            reward=reward,
        )
        try:
            self._ledger.execute(context, [self._decode(raw) for raw in block.transactions], state, strict=True)
        except (InvalidBlock, Refused) as fault:
            raise ReplayFailed("validity", f"height {header.number}: {fault}") from fault
        return reward
