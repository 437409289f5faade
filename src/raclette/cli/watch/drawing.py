"""What the screen shows, as rich texts made from the record and the world. Reads only; nothing here changes a run."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.text import Text

from raclette.node.node import Node
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.sim.host import Host
from raclette.sim.record import NEVER, RunRecord
from raclette.sim.world import World

# Lanes of the tree that are drawn; deeper forks at one moment are counted instead.
LANES_MAX = 6
_COLUMN = 6
_FINAL, _ADOPTED, _LEFT, _LIAR = "bold green", "white", "red", "magenta"


def tree(record: RunRecord, width: int) -> Text:
    """The newest heights that fit into `width` characters: the branch of most honest heads on top, others below it."""
    heads = _heads(record)
    best = max(heads, key=lambda block: (heads[block], -block)) if heads else 0
    main = _branch(record, best)
    final = {block for _, node, block in record.finals[-4 * record.nodes :] if record.honest[node]}
    final_height = max((record.blocks[block].height for block in final), default=0)
    top = max(block.height for block in record.blocks)
    columns = max(2, (width - 2) // _COLUMN)
    lowest = max(0, top - columns + 1)
    text = Text("".join(f"{height:>{_COLUMN}}" for height in range(lowest, top + 1)) + "\n", style="dim")
    lanes = _lanes(record, main, lowest)
    for lane, blocks in enumerate(lanes[:LANES_MAX]):
        text.append(_lane(record, blocks, lane == 0, lowest, top, final_height))
        text.append("\n")
    if len(lanes) > LANES_MAX:
        text.append(f"  and {len(lanes) - LANES_MAX} more branches\n", style=_LEFT)
    counts = Counter(record.blocks[block].height for block in heads.elements())
    text.append("".join(f"{counts[h]:>{_COLUMN}}" if counts[h] else " " * _COLUMN for h in range(lowest, top + 1)))
    text.append("\nnodes whose head is here", style="dim")
    return text


def _heads(record: RunRecord) -> Counter[int]:
    """How many honest nodes have which block as their head."""
    newest = {change.node: change.block for change in record.heads if record.honest[change.node]}
    return Counter(newest.values())


def _branch(record: RunRecord, block: int) -> set[int]:
    found = set()
    while block >= 0:
        found.add(block)
        block = record.blocks[block].parent
    return found


def _lanes(record: RunRecord, main: set[int], lowest: int) -> list[dict[int, int]]:
    """Blocks by height, lane by lane: the main branch, then each other branch in the first lane with room."""
    lanes: list[dict[int, int]] = [{record.blocks[b].height: b for b in main if record.blocks[b].height >= lowest}]
    for number, block in enumerate(record.blocks):
        if number in main or block.height < lowest:
            continue
        room = (lane for lane in lanes[1:] if lane.get(block.height - 1) == block.parent and block.height not in lane)
        free = (
            lane for lane in lanes[1:] if not any(block.height - 1 <= height <= block.height + 1 for height in lane)
        )
        lane = next(room, None) or next(free, None)
        if lane is None:
            lane = {}
            lanes.append(lane)
        lane[block.height] = number
    return lanes


def _lane(record: RunRecord, blocks: dict[int, int], is_main: bool, lowest: int, top: int, final_height: int) -> Text:
    text = Text()
    for height in range(lowest, top + 1):
        number = blocks.get(height)
        if number is None:
            text.append(" " * _COLUMN)
            continue
        block = record.blocks[number]
        style = _FINAL if is_main and height <= final_height else _ADOPTED if is_main else _LEFT
        if str(block.miner) in record.liars:
            style = _LIAR
        continues = blocks.get(height - 1) == block.parent
        text.append("─────" if continues else "     " if is_main else "  └──", style="dim")
        text.append("■" if is_main else "□", style=style)
    return text


def nodes(world: World, record: RunRecord) -> list[tuple[str, ...]]:
    """One row a node: number, what it is, head, final, and what its engine says of itself."""
    return [_node_row(world, host, record.liars.get(str(host.index), "")) for host in world.hosts]


def _node_row(world: World, host: Host, lie: str) -> tuple[str, ...]:
    paused = host.ready_at > world.kernel.now + MILLISECOND
    state = "down" if not host.alive else lie if lie else "paused" if paused else "up"
    if not isinstance(host.node, Node):
        return (str(host.index), state, "", "", "")
    view = host.node.view
    return (str(host.index), state, str(view.head.number), str(view.finalized.number), _said(host.node.engine.status()))


def _said(status: dict[str, Any]) -> str:
    """The first numbers of an engine's status: view, votes, difficulty."""
    numbers = {key: value for key, value in status.items() if isinstance(value, int)}
    return " ".join(f"{key}={value}" for key, value in list(numbers.items())[:4])


def traffic(record: RunRecord, before: dict[str, int], kinds_max: int = 12) -> tuple[Text, dict[str, int]]:
    """Messages of each kind so far, with a bar for those since `before`; and the counts, to be given next time."""
    now = {kind: sum(sent) for kind, sent in record.sent.items()}
    new = {kind: count - before.get(kind, 0) for kind, count in now.items()}
    most = max(new.values(), default=0) or 1
    text = Text()
    for kind in sorted(now, key=lambda each: -now[each])[:kinds_max]:
        text.append(f"{kind:<23}{now[kind]:>10,} ", style="white")
        text.append("█" * (new[kind] * 24 // most) + "\n", style="cyan")
    return text, now


def status_line(record: RunRecord, now: int, events: int, virtual_per_s: float, events_per_s: float) -> Text:
    """Time, speed, forks and finality, in a line."""
    executed = sum(1 for order in record.orders if order.executed != NEVER)
    best = max((record.blocks[change.block].height for change in record.heads[-record.nodes :]), default=0)
    beside = len(record.blocks) - 1 - best
    waits = record.times_to_finality()
    parts = [
        f"t = {now / SECOND:8.2f} s",
        f"{virtual_per_s:6.1f} virtual s/s",
        f"{events:,} events",
        f"{events_per_s:,.0f} events/s",
        f"{max(0, beside)} blocks beside the highest branch",
    ]
    if waits:
        parts.append(f"finality p50 {waits[len(waits) // 2] / MILLISECOND:,.0f} ms")
    if executed:
        parts.append(f"{executed} executed")
    return Text("   ".join(parts), style="bold")


def news(record: RunRecord, now: int, before: int) -> Sequence[str]:
    """What happened after `before` (ns): faults that began or ended, heads that were given up."""
    lines = [(f.start, f"fault: {f.what} {f.detail}") for f in record.faults if before < f.start <= now]
    lines += [(f.end, f"over: {f.what} {f.detail}") for f in record.faults if before < f.end <= now]
    for change in reversed(record.heads):
        if change.time <= before:
            break
        if change.removed:
            height = record.blocks[change.block].height
            lines.append((change.time, f"node {change.node} gave up {change.removed} block(s) for height {height}"))
    return [f"{time / SECOND:8.2f} s  {line}" for time, line in sorted(lines)]
