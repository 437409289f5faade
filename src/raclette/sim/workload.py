"""The clients: they submit transactions on a schedule, and insist."""

from collections.abc import Callable

from raclette.chain.ledger import Transaction
from raclette.node.host import NewHead, Notice
from raclette.node.view import NodeView
from raclette.sim.config import Workload
from raclette.sim.host import Host
from raclette.sim.kernel import Kind
from raclette.sim.world import World


class _Order:
    """One transaction on its way."""

    __slots__ = ("attempts", "executed_at", "node", "submitted_at", "transaction")

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self.node = -1
        self.submitted_at = -1
        self.executed_at = -1
        self.attempts = 0


class Clients:
    """Submits, measures, and submits again elsewhere. An order counts as executed when the first honest node has
    adopted a block with it; whether it stays is for the checkers."""

    def __init__(
        self, world: World, workload: Workload, transactions: list[Transaction], view_of: Callable[[Host], NodeView]
    ) -> None:
        self._view_of = view_of
        self._world = world
        self._workload = workload
        self._orders = [_Order(transaction) for transaction in transactions]
        self._by_raw = {order.transaction.raw: order for order in self._orders}
        world.observers.append(self)
        for number, time in enumerate(workload.times(world.seed)[: len(self._orders)]):
            world.plan(time, Kind.CLIENT, number % len(world.hosts), number, self._submit, number)

    def _submit(self, number: int) -> None:
        order = self._orders[number]
        if order.executed_at >= 0:
            return
        world = self._world
        order.node = self._choose(number + order.attempts)
        order.attempts += 1
        if order.submitted_at < 0:
            order.submitted_at = world.kernel.now
        world.note(order.node, "submit", {"transaction": order.transaction.hash.hex()[:12], "attempt": order.attempts})
        world.submit(order.node, order.transaction)
        again = world.kernel.now + self._workload.patience
        world.plan(again, Kind.CLIENT, order.node, number, self._submit, number)

    def _choose(self, first: int) -> int:
        """The next node that takes connections (or the first, if none does)."""
        hosts = self._world.hosts
        turns = [(first + step) % len(hosts) for step in range(len(hosts))]
        return next((turn for turn in turns if hosts[turn].alive), turns[0])

    def observe(self, world: World, host: Host, notice: Notice) -> None:
        """Notice what was executed."""
        if not isinstance(notice, NewHead) or not host.honest:
            return
        view = self._view_of(host)
        for header in notice.added:
            if not header.gas_used:
                continue
            block = view.block(header.hash)
            for raw in block.transactions if block is not None else ():
                order = self._by_raw.get(raw)
                if order is not None and order.executed_at < 0:
                    order.executed_at = world.kernel.now

    def sent(self, raw: bytes) -> bool:
        """Did a client make this transaction?"""
        return raw in self._by_raw

    def missing_in(self, raws: set[bytes]) -> int:
        """Orders that are not among these."""
        return sum(1 for raw in self._by_raw if raw not in raws)

    @property
    def executed(self) -> int:
        """Orders that some honest node has executed."""
        return len(self._orders) - self.waiting

    @property
    def waiting(self) -> int:
        """Orders that no honest node has executed."""
        return sum(1 for order in self._orders if order.executed_at < 0)

    @property
    def raws(self) -> list[bytes]:
        """The signed transactions, in the order of the schedule."""
        return list(self._by_raw)

    def spans(self) -> list[tuple[int, int]]:
        """(first submission, execution) of each order in ns, in the order of the schedule; -1 for what never was."""
        return [(order.submitted_at, order.executed_at) for order in self._orders]

    def latencies(self) -> list[int]:
        """Nanoseconds from first submission to execution, sorted."""
        return sorted(order.executed_at - order.submitted_at for order in self._orders if order.executed_at >= 0)
