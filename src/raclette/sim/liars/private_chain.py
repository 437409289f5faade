"""Double spend by a private chain: pay, take the goods, and show a longer branch in which the money went elsewhere.

Each attempt has two transactions with one nonce, signed by the pool's purse: the *payment*, and the *return* that sends
the same money back to the purse. The return waits in the members' mempools, unannounced, until a secret block contains
it; then the payment is sent to everybody but them. When the payment's block has `confirmations` blocks and the secret
branch is longer, it is shown; when it is `give_up` blocks behind, the attempt is given up, and the money with it.
Source: Nakamoto 2008, section 11; with the model of Rosenfeld 2014 (one block is mined before paying).

What the pool has signed stands in the plot under `SIGNED`, so that audits know it, the purchase at hand under
`PURCHASE`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from raclette.chain.ledger import Transaction
from raclette.chain.presets import SAMPLE_BALANCE, sample_key
from raclette.chain.transaction import sign_transfer
from raclette.node.host import HostedNode, HostEffect, Lane, NodeEvent, Transmit
from raclette.node.wire import encode_transactions
from raclette.primitives.errors import Refused
from raclette.primitives.keys import checksum_address
from raclette.primitives.units import ETHER
from raclette.sim.attacks.strategies import PrivateChain
from raclette.sim.liars.contract import LiarKind, LiarSpec, Parameter, Scene
from raclette.sim.liars.pooled import PROOF_OF_WORK, Pooled, join_pool

NAME = "private-chain"
# What is paid each time: small enough for many attempts from one purse.
PRICE = ETHER // 1000
# A pool's purse is the sample account of this number plus its first node's, beyond those that clients use.
PURSES_FROM = 1 << 20
# Who is paid: the first client.
MERCHANT = 0
SIGNED = "signed"
PURCHASE = "purchase"


class Purchase(NamedTuple):
    """One attempt's two transactions. `paid`: the payment is out."""

    number: int
    payment: Transaction
    back: Transaction
    paid: bool = False


class DoubleSpender(Pooled):
    """A member that also sees to the money."""

    def __init__(self, member: Pooled, scene: Scene) -> None:
        super().__init__(member.node, member.pool)
        self._plot = scene.plot
        self._key = sample_key(PURSES_FROM + min(scene.accomplices, default=scene.index))
        self._plot.setdefault(SIGNED, set())

    def handle(self, event: NodeEvent) -> tuple[HostEffect, ...]:
        return (*super().handle(event), *self._spend())

    def _spend(self) -> list[HostEffect]:
        """Keep the return at hand; once it is in a secret block, pay."""
        node, purchase = self.node, self._purchase()
        strategy = self.pool.strategy
        if not (isinstance(strategy, PrivateChain) and strategy.paying):
            self._keep(purchase.back)
            return []
        if purchase.paid or not any(purchase.back.raw in block.transactions for block in self.pool.hidden):
            return []
        self._plot[PURCHASE] = purchase._replace(paid=True)
        return [
            Transmit(node.links.all(), Lane.TRANSACTIONS, encode_transactions([purchase.payment.raw]), "transactions")
        ]

    def _purchase(self) -> Purchase:
        """The one at hand, or the next if a public block has either of its transactions."""
        purchase: Purchase | None = self._plot.get(PURCHASE)
        if purchase is None:
            purchase = self._begin(0)
        elif any(self.node.chain.locate(one.hash) is not None for one in (purchase.payment, purchase.back)):
            purchase = self._begin(purchase.number + 1)
        return purchase

    def _begin(self, number: int) -> Purchase:
        payment, back = (self._sign(number, to) for to in (sample_key(MERCHANT).address, self._key.address))
        self._plot[PURCHASE] = Purchase(number, payment, back)
        self._plot[SIGNED] |= {payment.raw, back.raw}
        return Purchase(number, payment, back)

    def _sign(self, nonce: int, to: bytes) -> Transaction:
        chain_id = self.node.chain.chain_id
        return self.node.decode(sign_transfer(self._key, chain_id=chain_id, nonce=nonce, to=to, value=PRICE))

    def _keep(self, back: Transaction) -> None:
        """In the mempool, told to nobody."""
        node = self.node
        if back.hash not in node.mempool:
            try:
                node.mempool.add(back, node.chain.state(node.chain.head.hash), node.out.now)
            except Refused:
                return  # the payment of an attempt that was given up has come to us, and takes its place


def purses(liars: Mapping[int, LiarSpec]) -> dict[str, Any]:
    """Genesis' `alloc` for the pools among `liars` (by node number)."""
    pools = {liars[index]: index for index in sorted(liars, reverse=True) if liars[index].name == NAME}
    keys = [sample_key(PURSES_FROM + first) for first in sorted(pools.values())]
    return {checksum_address(key.address): {"balance": str(SAMPLE_BALANCE)} for key in keys}


def _make(scene: Scene) -> HostedNode:
    confirmations, give_up = scene.parameters["confirmations"], scene.parameters["give_up"]
    return DoubleSpender(join_pool(scene, lambda: PrivateChain(confirmations, give_up)), scene)


KIND = LiarKind(
    NAME,
    "spends twice: pays, mines a branch without the payment in secret, and shows it when it is longer (Rosenfeld 2014)",
    _make,
    protocols=PROOF_OF_WORK,
    parameters={
        "confirmations": Parameter(6, 1, 100, "blocks after which the goods are handed over, the payment's included"),
        "give_up": Parameter(12, 1, 1_000, "blocks behind at which an attempt is given up"),
    },
)
"""All nodes with this lie are one pool."""
