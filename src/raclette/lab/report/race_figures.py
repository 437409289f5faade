"""Races at instant fidelity: what an attacker earned, how often it succeeded, how deep it cut; theory beside it."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from raclette.lab.figures import Axis, Bars, Figure, Layer, Line
from raclette.lab.report.statistics import Estimate, mean, share
from raclette.lab.sweep.axes import Axis as SweepAxis
from raclette.lab.sweep.axes import Value
from raclette.lab.sweep.results import Row
from raclette.sim.record import RunRecord

# Runs that one figure shows: more curves, or bars, cannot be told apart.
CURVES_MAX, BARS_MAX = 6, 20
# Points of a curve of earnings.
_POINTS = 200
# Where a report says what theory has to say, by metric; and whose words that is.
PUBLISHED = "attack.published."
THEORY = {
    "revenue": ("Eyal and Sirer, eq. (8)", "Dashed: Eyal and Sirer 2014, equation (8)."),
    "success-rate": ("Rosenfeld, eq. (1)", "Dashed: Rosenfeld 2014, equation (1), an attacker who never gives up."),
}
_ATTACKER = 0


class Raced(Protocol):
    """A run with its record, as `report.run.Run`."""

    @property
    def report(self) -> Mapping[str, Any]:
        """`SimReport.to_json()`."""

    @property
    def record(self) -> RunRecord:
        """Of the same run."""


def _attacker(report: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = report["attack"]["groups"]["attacker"]
    return found


def race_table(reports: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """Means over runs with their intervals; what theory says, or a dash."""
    attack = [report["attack"] for report in reports]
    theory, share_of = attack[0]["published"], _attacker(reports[0])["hash_share"]
    rows: list[tuple[Any, ...]] = [("share of the hash power", share_of, "", "", "")]
    rows.append(_row("revenue", [_attacker(r)["revenue"] for r in reports], theory.get("revenue")))
    if share_of:
        gains = [100 * (_attacker(r)["revenue"] / share_of - 1) for r in reports]
        theirs = 100 * (theory["revenue"] / share_of - 1) if "revenue" in theory else None
        rows.append(_row("gain over the share (%)", gains, theirs))
    rows.append(_row("stale blocks (%)", [100 * a["stale"] / max(1, a["stale"] + a["height"]) for a in attack], None))
    for group in attack[0]["groups"]:
        lost = [100 * a["groups"][group]["stale"] / max(1, a["groups"][group]["found"]) for a in attack]
        rows.append(_row(f"stale of the blocks found, {group} (%)", lost, None))
    won, ended = _spends(reports)
    if ended:
        said = theory.get("success-rate", "")
        rows.append(("double spends that succeeded, all runs", *share(won, ended), said))
    return rows


def _row(name: str, values: Sequence[float], theory: float | None) -> tuple[Any, ...]:
    return (name, *mean([float(value) for value in values]), "" if theory is None else theory)


def _spends(reports: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Double spends that succeeded, and that ended, in all runs together."""
    won = sum(_attacker(report).get("successes", 0) for report in reports)
    return won, won + sum(_attacker(report).get("failures", 0) for report in reports)


def earnings(runs: Sequence[Raced]) -> Figure | None:
    """The attacker's part of the chain as it grows, one curve a run; its share of the power and theory beside it.
    None for an empty chain."""
    layers: list[Layer] = []
    longest = 0
    for run in runs[:CURVES_MAX]:
        line = _earned(run.record, f"seed {run.record.seed}")
        if line is not None:
            layers.append(line)
            longest = max(longest, int(line.x[-1]))
    if not layers:
        return None
    attack = runs[0].report["attack"]
    power = _attacker(runs[0].report)["hash_share"]
    layers.append(Line("share of the hash power", (0, longest), (power, power), dashed=True, series=7))
    caption = f"Of the main chain up to each height, for {len(layers) - 1} of {len(runs)} runs."
    if "revenue" in attack["published"]:
        said = attack["published"]["revenue"]
        name, words = THEORY["revenue"]
        if said != power:
            layers.append(Line(name, (0, longest), (said, said), dashed=True, series=6))
            caption += f" {words}"
    title = "The attacker's part of the chain"
    return Figure("race-revenue", title, Axis("height"), Axis("part of the chain", limits=(0, 1)), layers, caption)


def _earned(record: RunRecord, name: str) -> Line | None:
    main = sorted((block.height, block.miner) for block in record.blocks if block.canonical and block.height)
    if not main:
        return None
    won, heights, parts = 0, [], []
    step = max(1, len(main) // _POINTS)
    for count, (height, miner) in enumerate(main, 1):
        won += miner == _ATTACKER
        if count % step == 0 or count == len(main):
            heights.append(height)
            parts.append(won / count)
    return Line(name, heights, parts)


def successes(reports: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Double spends that succeeded, of those that ended, in each run and in all. None if none ended."""
    won, ended = _spends(reports)
    if not ended:
        return None
    names, rates = ["all runs"], [share(won, ended)]
    for report in reports[:BARS_MAX] if len(reports) > 1 else ():
        mine, theirs = _spends([report])
        if theirs:
            names.append(f"seed {report['seed']}")
            rates.append(share(mine, theirs))
    layers: list[Layer] = [_bars("succeeded", names, rates)]
    theory = reports[0]["attack"]["published"].get("success-rate")
    caption = f"{won} of {ended} attempts; 95 % confidence intervals (Wilson)."
    if theory is not None:
        layers.append(Bars(THEORY["success-rate"][0], names, [theory] * len(names)))
        caption += " Rosenfeld's attacker never gives up; here one does when it is `give_up` blocks behind."
    title = "Double spends that succeeded"
    return Figure("race-success", title, Axis(""), Axis("probability", limits=(0, 1)), layers, caption)


def _bars(name: str, labels: Sequence[str], found: Sequence[Estimate]) -> Bars:
    return Bars(name, labels, [e.value for e in found], [e.low for e in found], [e.high for e in found])


def depths(reports: Sequence[Mapping[str, Any]]) -> Figure | None:
    """How many blocks honest miners had to give up at once, and how often in a thousand found. None if they never
    had to."""
    found = sorted({int(depth) for report in reports for depth in report["attack"]["reorganisations"]})
    if not found:
        return None
    per = [report["events"] / 1_000 for report in reports]
    labels = list(range(1, found[-1] + 1))
    rates = [
        mean([r["attack"]["reorganisations"].get(str(depth), 0) / each for r, each in zip(reports, per, strict=True)])
        for depth in labels
    ]
    caption = f"Means over {len(reports)} runs with 95 % confidence intervals; both honest groups are counted."
    title = "Reorganisations by depth"
    y = Axis("for each 1,000 blocks found")
    bars = _bars("reorganisations", [str(depth) for depth in labels], rates)
    return Figure("race-depths", title, Axis("blocks given up at once"), y, [bars], caption)


# Beside a sweep's curves


def theory_curve(
    rows: Sequence[Row], metric: str, first: SweepAxis, others: Sequence[SweepAxis], rest: Sequence[Value], series: int
) -> Line | None:
    """What theory says of `metric` along the first axis, where the rows know it for at least two values; in the colour
    of the curve that it belongs to."""
    told: dict[float, float] = {}
    for row in rows:
        at, said = row.get(first.key), row.get(f"{PUBLISHED}{metric}")
        here = all(row.get(axis.key) == value for axis, value in zip(others, rest, strict=True))
        if here and isinstance(at, (int, float)) and said is not None:
            told[at] = float(said)
    if len(told) < 2:
        return None
    where = ", ".join(f"{axis.key} = {value}" for axis, value in zip(others, rest, strict=True))
    name = THEORY[metric][0] if metric in THEORY else "theory"
    x = sorted(told)
    return Line(f"{name}, {where}" if where else name, x, [told[at] for at in x], dashed=True, series=series)


def honest_line(rows: Sequence[Row], metric: str, first: SweepAxis) -> Line | None:
    """What honest mining would earn, along an axis that changes the attacker's share. None elsewhere."""
    told = {
        row[first.key]: float(row["share"])
        for row in rows
        if metric == "revenue" and "share" in row and isinstance(row.get(first.key), (int, float))
    }
    if len(set(told.values())) < 2:
        return None
    x = sorted(told)
    return Line("honest mining", x, [told[at] for at in x], dashed=True, series=7)
