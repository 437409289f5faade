"""What to bid: gas price, priority fee, and the history wallets estimate from."""

import asyncio
from collections import OrderedDict
from typing import Any

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.node.view import NodeView
from raclette.primitives import rlp
from raclette.primitives.rlp import Item, as_bytes
from raclette.rpc.errors import invalid_parameters
from raclette.rpc.kinds import BLOCK, COUNT, PERCENTILES, BlockRef
from raclette.rpc.lookup import AccountLedger, receipts_of, require_header
from raclette.rpc.render import gas_used
from raclette.rpc.table import Context, MethodTable, Parameter

# A pool fuller than this (percent of its limit) makes us advise to outbid the cheapest of its best.
BUSY_PERCENT = 50
BEST_LOOKED_AT = 200
# Blocks whose tips stay in memory.
TIPS_KEPT_MAX = 256

# (priority fee in wei per gas, gas used), cheapest first.
_Tips = list[tuple[int, int]]


def suggested_tip(view: NodeView) -> int:
    """Zero while the pool has room; in a busy one, as much as the cheapest of the best that wait, and a wei more."""
    stats = view.mempool()
    if stats["pending"] * 100 <= stats["limit"] * BUSY_PERCENT:
        return 0
    best = view.pooled_transactions(BEST_LOOKED_AT)
    return max(0, best[-1].fee - view.head.base_fee) + 1 if best else 0


def max_priority_fee(context: Context) -> str:
    """A priority fee that gets a transaction into one of the next blocks, in wei per gas. Zero while the pool has
    room."""
    return hex(suggested_tip(context.view))


def gas_price(context: Context) -> str:
    """Base fee and suggested priority fee together, in wei per gas."""
    return hex(context.view.head.base_fee + suggested_tip(context.view))


class FeeHistory:
    """eth_feeHistory, with a memory of what blocks' transactions paid."""

    def __init__(self) -> None:
        self._tips: OrderedDict[bytes, _Tips] = OrderedDict()

    async def answer(
        self, context: Context, count: int, newest: BlockRef, percentiles: tuple[float, ...] | None
    ) -> dict[str, Any]:
        """Base fees and fullness of up to `count` blocks that end with `newest`, and the given percentiles of the
        priority fees paid in each, weighted by gas. More blocks than the limit are cut to it."""
        view, limits = context.view, context.limits
        if count < 1:
            raise invalid_parameters("invalid argument 0: block count must be at least 1")
        count = min(count, limits.reward_history_max if percentiles else limits.fee_history_max)
        last = require_header(view, newest)
        headers = _last_headers(view, last, count)
        history: dict[str, Any] = {
            "oldestBlock": hex(headers[0].number),
            "baseFeePerGas": [hex(header.base_fee) for header in headers] + [hex(last.base_fee)],
            "gasUsedRatio": [header.gas_used / header.gas_limit if header.gas_limit else 0.0 for header in headers],
        }
        if percentiles:
            history["reward"] = rewards = []
            for header in headers:
                rewards.append([hex(tip) for tip in pick_percentiles(self._tips_of(view, header), percentiles)])
                await asyncio.sleep(0)  # others' turn: a full block takes some 15 ms to read
        return history

    def _tips_of(self, view: NodeView, header: Header) -> _Tips:
        found = self._tips.get(header.hash)
        if found is None:
            block = view.block(header.hash)
            found = [] if block is None else sorted(_tips(view, block))
            self._tips[header.hash] = found
            while len(self._tips) > TIPS_KEPT_MAX:
                self._tips.popitem(last=False)
        return found


def _last_headers(view: NodeView, last: Header, count: int) -> list[Header]:
    """`last` and those before it on its branch, oldest first."""
    headers = [last]
    while len(headers) < count and headers[-1].number > 0:
        parent = view.header(headers[-1].parent_hash)
        if parent is None:
            break
        headers.append(parent)
    return headers[::-1]


def _tips(view: NodeView, block: Block) -> _Tips:
    receipts = receipts_of(view, block)
    base_fee = block.header.base_fee
    if not isinstance(view.ledger, AccountLedger):
        decoded = map(view.ledger.decode, block.transactions)
        return [(item.fee - base_fee, gas_used(receipts, i)) for i, item in enumerate(decoded)]
    return [(tip_of(raw, base_fee), gas_used(receipts, i)) for i, raw in enumerate(block.transactions)]


def tip_of(raw: bytes, base_fee: int) -> int:
    """What a transaction of a block pays above the base fee, in wei per gas. Does not recover its sender."""
    items = rlp.decode_list(raw[1:] if raw[0] < 0xC0 else raw)

    def fee(position: int) -> int:
        item: Item = items[position]
        return int.from_bytes(as_bytes(item), "big")

    if raw[0] == 2:
        return min(fee(2), fee(3) - base_fee)
    return fee(2 if raw[0] == 1 else 1) - base_fee


def pick_percentiles(tips: _Tips, percentiles: tuple[float, ...]) -> list[int]:
    """The tip at each percentile of the gas; zeros for an empty block."""
    if not tips:
        return [0] * len(percentiles)
    total = sum(gas for _, gas in tips)
    picked, position, seen = [], 0, tips[0][1]
    for percentile in percentiles:
        threshold = total * percentile / 100
        while seen < threshold and position < len(tips) - 1:
            position += 1
            seen += tips[position][1]
        picked.append(tips[position][0])
    return picked


def register(table: MethodTable) -> None:
    """Add this file's methods."""
    history = FeeHistory()

    async def fee_history(
        context: Context, count: int, newest: BlockRef, percentiles: tuple[float, ...] | None
    ) -> dict[str, Any]:
        return await history.answer(context, count, newest, percentiles)

    fee_history.__doc__ = FeeHistory.answer.__doc__
    table.add("eth_gasPrice", returns="quantity", example="0x0")(gas_price)
    table.add("eth_maxPriorityFeePerGas", returns="quantity", example="0x0")(max_priority_fee)
    table.add(
        "eth_feeHistory",
        Parameter("blocks", COUNT),
        Parameter("newest", BLOCK),
        Parameter("percentiles", PERCENTILES, None),
        returns="object",
        example={
            "oldestBlock": "0xa",
            "baseFeePerGas": ["0x0", "0x0"],
            "gasUsedRatio": [0.1],
            "reward": [["0x0", "0x1"]],
        },
    )(fee_history)
