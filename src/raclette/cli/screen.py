"""What a running local network looks like: sampled over RPC once a second, drawn as a table and a sparkline."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from raclette.cli.client import RpcError, Unreachable
from raclette.cli.network import LocalNetwork, LocalNode
from raclette.cli.output import readable, short

# A node that answers later than this counts as not answering in this sample.
ANSWER_TIMEOUT_S = 2.0
# Blocks counted in one sample: more than a second of the fastest chain here.
BLOCKS_PER_SAMPLE_MAX = 200
RATES_KEPT = 40
_NUMBERS = ("height", "final", "peers", "pool", "pid")
# What of an engine's status says whose turn it is.
_TURN = ("view", "leader", "day", "own_seats", "difficulty", "mining")
_BARS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class NodeSample:
    """One node at one moment. Everything after `answers` is empty where it does not answer; `last_line` is the end of
    its log where it has ended. `turn` says who may propose: the view or day and its leader, or
    the difficulty."""

    name: str
    rpc: str
    pid: int | None
    answers: bool
    height: int = 0
    head: str = ""
    finalized: int = 0
    peers: int = 0
    mempool: int = 0
    turn: Mapping[str, Any] = field(default_factory=dict)
    last_line: str = ""

    def to_json(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self) | {"turn": dict(self.turn)}


@dataclass
class Rates:
    """Committed transactions a second, counted from new blocks of whichever node is ahead."""

    kept: deque[float] = field(default_factory=lambda: deque(maxlen=RATES_KEPT))
    transactions: int = 0
    _counted: int | None = None  # height up to which blocks have been counted
    _at: float = 0.0

    async def take(self, network: LocalNetwork, samples: Sequence[NodeSample]) -> float:
        """Count the blocks since the last call."""
        now = time.monotonic()
        height = max((sample.height for sample in samples), default=0)
        if self._counted is None:
            self._counted, self._at = height, now
        found = 0
        if height > self._counted:
            leading = next(i for i, sample in enumerate(samples) if sample.answers and sample.height == height)
            found = await _transactions(
                network.members[leading], max(self._counted, height - BLOCKS_PER_SAMPLE_MAX), height
            )
            self._counted = height
        rate = found / (now - self._at) if now > self._at else 0.0
        self._at = now
        self.transactions += found
        self.kept.append(rate)
        return rate


async def _transactions(node: LocalNode, after: int, last: int) -> int:
    """How many transactions the blocks above `after` up to `last` contain."""
    calls = [("eth_getBlockTransactionCountByNumber", (hex(number),)) for number in range(after + 1, last + 1)]
    try:
        answers = await node.client.batch(calls)
    except (Unreachable, RpcError):
        return 0
    return sum(int(answer, 16) for answer in answers if isinstance(answer, str))


async def sample(network: LocalNetwork) -> list[NodeSample]:
    """Every node of the network, now."""
    return list(await asyncio.gather(*(_sample_node(node) for node in network.members)))


async def _sample_node(node: LocalNode) -> NodeSample:
    pid = node.pid if node.running else None
    try:
        calls = [("raclette_status", ()), ("raclette_consensusState", ())]
        status, consensus = await asyncio.wait_for(node.client.batch(calls), ANSWER_TIMEOUT_S)
    except (Unreachable, RpcError, TimeoutError):
        last_line = "" if node.running else node.last_words().rpartition("\n")[2]
        return NodeSample(node.name, node.rpc_url, pid, answers=False, last_line=last_line)
    if isinstance(status, RpcError) or isinstance(consensus, RpcError):
        return NodeSample(node.name, node.rpc_url, pid, answers=False, last_line=f"{status} {consensus}")
    pool = status["mempool"]
    return NodeSample(
        name=node.name,
        rpc=node.rpc_url,
        pid=pid,
        answers=True,
        height=status["height"],
        head=status["head"],
        finalized=status["finalized"]["number"],
        peers=status["peers"],
        mempool=pool["pending"] + pool["queued"],
        turn={key: consensus[key] for key in _TURN if key in consensus},
    )


def draw(samples: Sequence[NodeSample], rates: Rates, names: Mapping[str, str], footer: str) -> RenderableType:
    """The status screen. `names` are the nodes' names by their id."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for column in ("node", "height", "head", "final", "peers", "pool", "turn", "pid"):
        table.add_column(column, justify="right" if column in _NUMBERS else "left", no_wrap=True)
    for node in samples:
        if node.answers:
            cells = [node.name, f"{node.height:,}", short(node.head), f"{node.finalized:,}", str(node.peers)]
            cells += [str(node.mempool), _turn(node.turn, names), str(node.pid or "another")]
            table.add_row(*(Text(cell) for cell in cells))
        else:
            state = "no answer" if node.pid else "ended"
            table.add_row(Text(node.name), Text(state, style="red"), "", "", "", "", "", str(node.pid or ""))
    parts: list[RenderableType] = [table, Text(_rate_line(rates))]
    parts += [Text(f"{node.name}: {readable(node.last_line)}", style="red") for node in samples if node.last_line]
    return Group(*parts, Text(footer, style="dim"))


def _turn(turn: Mapping[str, Any], names: Mapping[str, str]) -> str:
    if turn.get("own_seats") == 0:
        return f"day {turn['day']}: no seat"
    if "leader" in turn:
        leader = turn["leader"]
        who = names.get(leader, short(leader)) if leader else "nobody"
        term = next((name for name in ("day", "view") if name in turn), "")
        return f"{term} {turn[term]}: {who}" if term else who
    if "difficulty" in turn:
        return f"difficulty {turn['difficulty']:,}"
    return ""


def _rate_line(rates: Rates) -> str:
    now = rates.kept[-1] if rates.kept else 0.0
    return f"\n{sparkline(rates.kept)} {now:,.0f} transactions a second, {rates.transactions:,} since this screen began"


def sparkline(values: Sequence[float]) -> str:
    """One character a value, the largest as high as can be."""
    top = max(values, default=0.0)
    if top <= 0:
        return _BARS[1] * len(values)
    return "".join(_BARS[max(1, round(value / top * (len(_BARS) - 1)))] for value in values)
