"""A comparison as tables, figures and a page."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from raclette.lab.compare.plan import CASES, Comparison, parameters_of
from raclette.lab.compare.run import QUANTITIES, Row, Summary, summarise
from raclette.lab.figures import Axis, Bars, Figure
from raclette.lab.report.document import Document

COSTS_HEAD = (
    "protocol",
    "final by",
    "latency p50 (ms)",
    "latency p99 (ms)",
    "throughput (1/s)",
    "messages a block",
    "bytes a block",
    "messages a tx",
    "bytes a tx",
)
TROUBLE_HEAD = (
    "protocol",
    "case",
    "held",
    "final",
    "longest pause (s)",
    "latency p50 (ms)",
    "latency p99 (ms)",
    "evidence",
    "remark",
)


def costs(found: Sequence[Summary]) -> list[tuple[str, ...]]:
    """What each costs while nothing goes wrong: a row for each protocol, as text."""
    names = (
        "latency_p50_ms",
        "latency_p99_ms",
        "throughput",
        "messages_per_block",
        "bytes_per_block",
        "messages_per_transaction",
        "bytes_per_transaction",
    )
    return [
        (each.protocol, each.finality, *(number(each, name) for name in names)) for each in found if each.case == "calm"
    ]


def trouble(found: Sequence[Summary]) -> list[tuple[str, ...]]:
    """What each bears: a row for each protocol and case, as text."""
    return [
        (
            each.protocol,
            each.case,
            f"{each.held} of {each.runs}",
            f"{each.final} of {each.submitted}",
            number(each, "pause_s"),
            number(each, "latency_p50_ms"),
            number(each, "latency_p99_ms"),
            str(each.evidence),
            remark(each),
        )
        for each in found
    ]


def number(summary: Summary, name: str) -> str:
    """The mean, or a dash where no run had it."""
    estimate = summary.estimates.get(name)
    if estimate is None:
        return "-"
    value = estimate.value
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def remark(summary: Summary) -> str:
    """What a reader must know beside the numbers."""
    parts = []
    if summary.lie:
        parts.append(f"lie: {summary.lie}")
    if summary.beyond:
        parts.append("beyond its claim")
    if summary.violated:
        parts.append(f"violated: {summary.violated}")
    if summary.reverted:
        parts.append(f"{summary.reverted} final blocks reverted")
    return "; ".join(parts)


def figures(found: Sequence[Summary], seeds: int) -> list[Figure]:
    """Latency, pause, messages and bytes, each protocol beside the others."""
    runs = f"Mean of {seeds} runs with 95 % confidence intervals." if seeds > 1 else "One run."
    calm = [each for each in found if each.case == "calm"]
    return [
        _cases(
            found,
            "latency",
            "From submission to finality, by case",
            "latency_p50_ms",
            Axis("median latency (ms)", "log"),
            f"Mean of {seeds} runs." if seeds > 1 else runs,
        ),
        _cases(
            found,
            "pause",
            "Longest time without progress, by case",
            "pause_s",
            Axis("longest pause (s)"),
            f"Something waited and nothing became final. {runs}",
        ),
        _costs(
            calm, "messages", "Messages, while nothing goes wrong", "messages_per_block", "messages_per_transaction"
        ),
        _costs(calm, "bytes", "Bytes, while nothing goes wrong", "bytes_per_block", "bytes_per_transaction"),
    ]


def _cases(found: Sequence[Summary], name: str, title: str, quantity: str, y: Axis, caption: str) -> Figure:
    layers = []
    for case in CASES:
        rows = [each for each in found if each.case == case and quantity in each.estimates]
        values = [each.estimates[quantity] for each in rows]
        low, high = [max(0.0, value.low) for value in values], [value.high for value in values]
        many = any(each.runs > 1 for each in rows) and y.scale == "linear"
        layers.append(
            Bars(
                case,
                [each.protocol for each in rows],
                [value.value for value in values],
                low if many else (),
                high if many else (),
            )
        )
    return Figure(name, title, Axis("protocol"), y, layers, caption, wide=True)


def _costs(calm: Sequence[Summary], name: str, title: str, *quantities: str) -> Figure:
    layers = [
        Bars(
            quantity.replace("_", " "),
            [each.protocol for each in calm if quantity in each.estimates],
            [each.estimates[quantity].value for each in calm if quantity in each.estimates],
        )
        for quantity in quantities
    ]
    caption = "All that honest nodes and liars put on the wire, transactions' own gossip included."
    return Figure(name, title, Axis("protocol"), Axis(name), layers, caption, wide=True)


def to_json(comparison: Comparison, rows: Sequence[Row]) -> dict[str, Any]:
    """All that a program may want to know."""
    return {
        "protocols": list(comparison.protocols),
        "nodes": comparison.nodes,
        "network": comparison.network,
        "seeds": list(range(comparison.first_seed, comparison.first_seed + comparison.seeds)),
        "seconds": comparison.seconds,
        "rate": comparison.rate,
        "depth": comparison.depth,
        "parameters": {name: parameters_of(comparison, name) for name in comparison.protocols},
        "units": dict(QUANTITIES),
        "cases": dict(CASES),
        "summary": [each.to_json() for each in summarise(rows)],
        "runs": [row.to_json() for row in rows],
    }


def _set(comparison: Comparison) -> list[tuple[str, str, str]]:
    """Parameters that are not at their defaults."""
    return [
        (name, key, str(value))
        for name in comparison.protocols
        for key, value in parameters_of(comparison, name).items()
    ]


def write_page(comparison: Comparison, rows: Sequence[Row], directory: Path, *, command: str = "") -> Path:
    """`report.html`, `figures/` and `comparison.json` in `directory`; the page's path. Raises OSError."""
    found = summarise(rows)
    load = f"{comparison.rate} transfers a second for {comparison.seconds} s"
    document = Document(
        "Protocols side by side",
        f"{comparison.nodes} nodes, network {comparison.network}, {load}, {comparison.seeds} seeds",
    )
    document.section("What it costs when nothing goes wrong")
    document.table(COSTS_HEAD, costs(found))
    document.text(
        "Latency runs from a client's first submission to finality at the first honest node. Protocols with "
        "certificates are final by certificate; the others when they say so, or by depth, which is a bet that no "
        "better branch appears."
    )
    document.section("What it bears")
    document.table(("case", "what happens"), list(CASES.items()))
    document.table(TROUBLE_HEAD, trouble(found))
    document.text(
        "Held: no checker objected (agreement, validity, nothing spent twice, liveness, and each protocol's own), and "
        "nothing final was reverted. A pause is a time in which something waited and nothing became final."
    )
    document.section("Figures")
    for figure in figures(found, comparison.seeds):
        document.figure(figure)
    document.section("What ran")
    if command:
        document.code(command)
    document.text(
        "Whole nodes in the simulator, parameters at their defaults unless they stand here: no protocol is tuned to "
        "this network. How many seats hybrid elects follows from the number of nodes, so that one liar is within its "
        "claim."
    )
    document.table(("protocol", "parameter", "value"), _set(comparison))
    document.table(("protocol", "case", "seed", "digest"), [(r.protocol, r.case, r.seed, r.digest) for r in rows])
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "comparison.json").write_text(json.dumps(to_json(comparison, rows), indent=1) + "\n")
    return document.write(directory)
