"""Who sent how much of what, and what attackers got out of it."""

from collections.abc import Callable, Mapping, Sequence

from raclette.lab.figures import Axis, Bars, Figure, Heatmap
from raclette.lab.report.statistics import mean, share
from raclette.sim.record import RunRecord

# Kinds of messages and nodes that one picture shows; the table holds all.
KINDS_MAX, NODES_MAX = 16, 40


def _totals(
    records: Sequence[RunRecord], which: Callable[[RunRecord], Mapping[str, list[int]]]
) -> dict[str, list[int]]:
    """For each kind, the total of each run; the largest kinds first."""
    kinds = sorted({kind for record in records for kind in which(record)})
    found = {kind: [sum(which(record).get(kind, [])) for record in records] for kind in kinds}
    order = sorted(kinds, key=lambda kind: -sum(found[kind]))[:KINDS_MAX]
    return {kind: found[kind] for kind in order}


def messages(records: Sequence[RunRecord]) -> Figure | None:
    """Messages of each kind: the mean over runs with its confidence interval. None if there were none."""
    return _bars(records, "messages", "Messages by kind", "messages a run", lambda record: record.sent)


def volume(records: Sequence[RunRecord]) -> Figure | None:
    """Bytes of each kind, overhead of the wire included."""
    return _bars(records, "bytes", "Bytes by kind", "bytes a run", lambda record: record.sent_bytes)


def _bars(
    records: Sequence[RunRecord],
    name: str,
    title: str,
    label: str,
    which: Callable[[RunRecord], Mapping[str, list[int]]],
) -> Figure | None:
    totals = _totals(records, which)
    if not totals:
        return None
    estimates = [mean(runs) for runs in totals.values()]
    low, high = ([e.low for e in estimates], [e.high for e in estimates]) if len(records) > 1 else ((), ())
    bars = Bars(label, list(totals), [e.value for e in estimates], low, high)
    runs = f"Mean of {len(records)} runs with 95 % confidence intervals." if len(records) > 1 else "One run."
    return Figure(name, title, Axis("kind"), Axis(label), [bars], runs, wide=True)


def node_map(record: RunRecord) -> Figure | None:
    """Messages that each node sent, by kind. None if nothing was sent or there are too many nodes to show."""
    if not record.sent or record.nodes > NODES_MAX:
        return None
    kinds = list(_totals([record], lambda r: r.sent))
    nodes = [f"{node}{' (liar)' if str(node) in record.liars else ''}" for node in range(record.nodes)]
    cells = Heatmap("messages", nodes, kinds, [record.sent[kind] for kind in kinds])
    caption = f"Messages that each node put on the wire, seed {record.seed}."
    return Figure("node-map", "Messages by node and kind", Axis("node"), Axis("kind"), [cells], caption, wide=True)


def revenue(records: Sequence[RunRecord]) -> Figure | None:
    """Share of hash power (or stake) against share of the main chain's blocks, for liars and honest nodes. None without
    liars or power."""
    records = [record for record in records if record.liars and sum(record.power)]
    if not records:
        return None
    lies = list(dict.fromkeys(lie for record in records for lie in record.liars.values()))
    groups = {lie or "honest": _share_of(records, lie) for lie in [*lies, ""]}
    blocks = sum(blocks for _, _, blocks in groups.values())
    if not blocks:
        return None
    gains = [share(won, blocks) for _, _, won in groups.values()]
    names = list(groups)
    bars = [
        Bars("share of power (%)", names, [100 * part / whole for part, whole, _ in groups.values()]),
        Bars(
            "share of the main chain (%)",
            names,
            [100 * g.value for g in gains],
            [100 * g.low for g in gains],
            [100 * g.high for g in gains],
        ),
    ]
    caption = f"{blocks} blocks of the main chain in {len(records)} runs; 95 % confidence intervals (Wilson)."
    return Figure("revenue", "What lying pays", Axis("who"), Axis("share (%)"), bars, caption)


def _share_of(records: Sequence[RunRecord], lie: str) -> tuple[int, int, int]:
    """Power of those who tell this lie ("" for the honest), power of all, blocks of the main chain that they made."""
    part = whole = won = 0
    for record in records:
        members = {node for node in range(record.nodes) if record.liars.get(str(node), "") == lie}
        part += sum(record.power[node] for node in members)
        whole += sum(record.power)
        won += sum(1 for block in record.blocks[1:] if block.canonical and block.miner in members)
    return part, whole, won
