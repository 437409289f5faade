"""A space-time diagram of a short run as SVG: time runs to the right, every node is a line, every message an arrow.

In the manner of Lamport (1978). Colour says what kind of message it is; a cross is a message that was lost; a hatched
stretch is a node that is down or paused, a tinted one a node cut off by a partition; a disc is a new head with its
height, a ring around it says that it is final. Plain SVG 1.1 without scripts or fonts of its own.
"""

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from raclette.primitives.errors import Misuse
from raclette.primitives.units import MICROSECOND, MILLISECOND, SECOND
from raclette.sim.log import Entry

# Beyond this many arrows nobody reads a picture any more; it ends where they are used up, and says so.
ARROWS_MAX = 700
NODES_MAX = 40
WIDTH = 1360
_LEFT, _RIGHT, _TOP, _ROW = 74, 34, 96, 88
_INK, _FAINT, _PAPER = "#22252b", "#8a919e", "#ffffff"
_FONT = "font-family='Inter, Helvetica, Arial, DejaVu Sans, sans-serif'"

# The kinds that one sees most have colours of their own, so that pictures compare; others take the spare ones.
COLOURS = {
    "pre-prepare": "#d1495b",
    "prepare": "#2e86ab",
    "commit": "#3a9d5d",
    "checkpoint": "#9b6fb0",
    "view-change": "#e08e1b",
    "new-view": "#b3541e",
    "block": "#2e86ab",
    "transactions": "#b9bfc9",
    "status": "#cfd4dc",
}
_SPARE = ("#6c757d", "#1f8a8a", "#c06c9b", "#7a8b2f", "#5566cc", "#a65c32", "#3d5a80", "#8f2d56")


class _Arrow(NamedTuple):
    kind: str
    sender: int
    receiver: int
    sent: int
    arrived: int
    lost: bool


class _Span(NamedTuple):
    what: str
    node: int
    start: int
    end: int
    label: str = ""


class Diagram:
    """Draws `entries` (in order of time) between virtual times `start` and `end` (ns)."""

    def __init__(
        self, entries: Sequence[Entry], nodes: int, *, start: int = 0, end: int | None = None, title: str = "A run"
    ) -> None:
        """Raises Misuse if there is nothing to draw, or more nodes than can be told apart."""
        if not entries or not 1 <= nodes <= NODES_MAX:
            raise Misuse(f"a diagram needs events and 1 to {NODES_MAX} nodes")
        self._nodes = nodes
        self._title = title
        self._start = start
        stop = entries[-1].time if end is None else end
        arrows = [arrow for arrow in _arrows(entries) if arrow.sent >= start and arrow.arrived <= stop]
        self._cut = len(arrows) > ARROWS_MAX
        if self._cut:
            arrows = arrows[:ARROWS_MAX]
            stop = arrows[-1].arrived
        self._end = max(stop, start + MICROSECOND)
        self._arrows = arrows
        self._entries = [entry for entry in entries if start <= entry.time <= self._end]
        self._spans = _spans(entries, self._end)
        self._colours = _choose_colours(arrows)

    def svg(self) -> str:
        """The picture as text."""
        legend = self._legend()
        height = self._y(self._nodes - 1) + 70 + 24 * legend.count("<g class='legend-row'")
        parts = [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' "
            f"width='{WIDTH}' height='{height}' {_FONT}>",
            f"<rect width='{WIDTH}' height='{height}' fill='{_PAPER}'/>",
            self._defs(),
            self._heading(),
            self._axis(),
            *(self._shade(span) for span in self._spans),
            self._lines(),
            *(self._draw_arrow(arrow) for arrow in self._arrows),
            *self._marks(),
            legend,
            "</svg>",
        ]
        return "\n".join(part for part in parts if part) + "\n"

    # Coordinates

    def _x(self, time: int) -> float:
        inside = min(max(time, self._start), self._end) - self._start
        return round(_LEFT + inside * (WIDTH - _LEFT - _RIGHT) / (self._end - self._start), 1)

    def _y(self, node: int) -> int:
        return _TOP + 34 + node * _ROW

    # Parts

    def _defs(self) -> str:
        heads = "".join(
            f"<marker id='head-{colour[1:]}' viewBox='0 0 8 8' refX='7.4' refY='4' markerWidth='7' markerHeight='7' "
            f"markerUnits='userSpaceOnUse' orient='auto'><path d='M0 .8 8 4 0 7.2z' fill='{colour}'/></marker>"
            for colour in sorted(set(self._colours.values()))
        )
        hatch = (
            "<pattern id='hatch' width='7' height='7' patternUnits='userSpaceOnUse' patternTransform='rotate(45)'>"
            "<rect width='7' height='7' fill='#fbe4e2'/><rect width='2' height='7' fill='#e9aaa4'/></pattern>"
        )
        return f"<defs>{heads}{hatch}</defs>"

    def _heading(self) -> str:
        length = _duration(self._end - self._start)
        cut = f", the first {ARROWS_MAX} messages" if self._cut else f", {len(self._arrows)} messages"
        return (
            f"<text x='{_LEFT - 46}' y='36' font-size='20' font-weight='600' fill='{_INK}'>{escape(self._title)}</text>"
            f"<text x='{_LEFT - 46}' y='58' font-size='13' fill='{_FAINT}'>"
            f"{self._nodes} nodes, {length} of virtual time from {_duration(self._start)}{cut}</text>"
        )

    def _axis(self) -> str:
        top, bottom = _TOP - 4, self._y(self._nodes - 1) + 34
        step, unit, name = _tick(self._end - self._start)
        parts = []
        time = -(-self._start // step) * step
        while time <= self._end:
            x = self._x(time)
            label = f"{time / unit:g} {name}"
            parts.append(f"<path d='M{x} {top}V{bottom}' stroke='#eceef2'/>")
            parts.append(
                f"<text x='{x}' y='{top - 6}' font-size='11' fill='{_FAINT}' text-anchor='middle'>{label}</text>"
            )
            time += step
        return "".join(parts)

    def _lines(self) -> str:
        parts = []
        for node in range(self._nodes):
            y = self._y(node)
            parts.append(f"<path d='M{_LEFT} {y}H{WIDTH - _RIGHT}' stroke='{_INK}' stroke-width='1.3'/>")
            parts.append(
                f"<text x='{_LEFT - 14}' y='{y + 5}' font-size='14' font-weight='600' text-anchor='end' "
                f"fill='{_INK}'>n{node:02d}</text>"
            )
        return "".join(parts)

    def _shade(self, span: _Span) -> str:
        if span.end < self._start or span.start > self._end:
            return ""
        x, y = self._x(span.start), self._y(span.node)
        width = max(2.0, round(self._x(span.end) - x, 1))
        if span.what == "partition":
            body = f"<rect x='{x}' y='{y - 26}' width='{width}' height='52' rx='4' fill='#fff3d6'/>"
        else:
            body = f"<rect x='{x}' y='{y - 26}' width='{width}' height='52' rx='4' fill='url(#hatch)'/>"
        if width < 50:
            return body
        return f"{body}<text x='{x + 6}' y='{y - 14}' font-size='10.5' fill='#9a4a42'>{span.label or span.what}</text>"

    def _draw_arrow(self, arrow: _Arrow) -> str:
        colour = self._colours[arrow.kind]
        x1, y1 = self._x(arrow.sent), self._y(arrow.sender)
        x2, y2 = self._x(arrow.arrived), self._y(arrow.receiver)
        name = f"<title>{escape(arrow.kind)} n{arrow.sender:02d} to n{arrow.receiver:02d}</title>"
        if not arrow.lost:
            return (
                f"<path d='M{x1} {y1}L{x2} {y2}' stroke='{colour}' stroke-width='1.25' stroke-opacity='.85' "
                f"marker-end='url(#head-{colour[1:]})'>{name}</path>"
            )
        x, y = x1 + 9, y1 + (y2 - y1) * 0.3
        return (
            f"<g stroke='{colour}' stroke-width='1.2'>{name}"
            f"<path d='M{x1} {y1}L{x:.1f} {y:.1f}' stroke-dasharray='3 2'/>"
            f"<path d='M{x - 3:.1f} {y - 3:.1f}l6 6m0-6l-6 6' stroke='#c0392b' stroke-width='1.6'/></g>"
        )

    def _marks(self) -> list[str]:
        """Discs for heads, rings for finality: one mark a place, with the highest height."""
        marks: dict[tuple[int, int], tuple[float, int, str, bool]] = {}
        for entry in self._entries:
            if entry.what in ("head", "final") and isinstance(entry.detail.get("height"), int):
                x = self._x(entry.time)
                place = (entry.node, int(x) // 3)
                _, height, _, final = marks.get(place, (x, 0, "", False))
                tall = max(height, entry.detail["height"])
                marks[place] = (x, tall, str(entry.detail["block"]), final or entry.what == "final")
        parts = []
        for (node, _), (x, height, block, final) in marks.items():
            y = self._y(node)
            ring = (
                f"<circle cx='{x}' cy='{y}' r='12.5' fill='none' stroke='{_INK}' stroke-width='1.4'/>" if final else ""
            )
            parts.append(
                f"<g><title>{'final' if final else 'head'} {height} {block}</title>{ring}"
                f"<circle cx='{x}' cy='{y}' r='9.5' fill='{_INK}'/>"
                f"<text x='{x}' y='{y + 3.6}' font-size='10' font-weight='600' fill='#fff' "
                f"text-anchor='middle'>{height}</text></g>"
            )
        return parts

    def _legend(self) -> str:
        counts = Counter(arrow.kind for arrow in self._arrows)
        items = [(f"{kind} ({counts[kind]})", self._colours[kind], "arrow") for kind in self._colours]
        if any(arrow.lost for arrow in self._arrows):
            items.append(("lost", "#c0392b", "cross"))
        shown = {span.what for span in self._spans if span.start <= self._end and span.end >= self._start}
        items += [(what, "#fff3d6" if what == "partition" else "url(#hatch)", "box") for what in sorted(shown)]
        items += [("new head", _INK, "disc"), ("final", _INK, "ring")]
        parts, x, y = ["<g class='legend-row'/>"], _LEFT, self._y(self._nodes - 1) + 66
        for label, colour, shape in items:
            width = 48 + 7 * len(label)
            if x + width > WIDTH - _RIGHT:
                x, y = _LEFT, y + 24
                parts.append("<g class='legend-row'/>")
            parts.append(_symbol(shape, colour, x, y))
            parts.append(f"<text x='{x + 32}' y='{y + 4}' font-size='12' fill='{_INK}'>{escape(label)}</text>")
            x += width
        return "".join(parts)


def _symbol(shape: str, colour: str, x: int, y: int) -> str:
    if shape == "arrow":
        return f"<path d='M{x} {y}H{x + 25}' stroke='{colour}' stroke-width='2' marker-end='url(#head-{colour[1:]})'/>"
    if shape == "cross":
        return f"<path d='M{x + 9} {y - 4}l8 8m0-8l-8 8' stroke='{colour}' stroke-width='2'/>"
    if shape == "box":
        return f"<rect x='{x}' y='{y - 7}' width='25' height='14' rx='3' fill='{colour}' stroke='#e3d9c5'/>"
    ring = f"<circle cx='{x + 13}' cy='{y}' r='9' fill='none' stroke='{colour}' stroke-width='1.4'/>"
    return f"<circle cx='{x + 13}' cy='{y}' r='6.5' fill='{colour}'/>" + (ring if shape == "ring" else "")


def _arrows(entries: Sequence[Entry]) -> list[_Arrow]:
    arrows = []
    for entry in entries:
        detail = entry.detail
        if entry.what == "receive":
            arrows.append(_Arrow(detail["kind"], detail["from"], entry.node, detail["sent"], entry.time, False))
        elif entry.what == "lost":
            arrows.append(_Arrow(detail["kind"], entry.node, detail["to"], detail["sent"], entry.time, True))
    return arrows


def _spans(entries: Sequence[Entry], end: int) -> list[_Span]:
    """Stretches between a crash and a restart, a partition and its healing, a pause and its end."""
    closing = {"restart": "crash", "heal": "partition", "resume": "pause"}
    names = {"crash": "down", "partition": "partition", "pause": "paused"}
    open_since: dict[tuple[str, int], Entry] = {}
    spans = []

    def close(what: str, node: int, until: int) -> None:
        began = open_since.pop((what, node), None)
        if began is not None:
            friends = " ".join(f"n{friend:02d}" for friend in began.detail.get("with", ()))
            spans.append(_Span(names[what], node, began.time, until, f"hears {friends}" if friends else ""))

    for entry in entries:
        if entry.what in names:
            open_since.setdefault((entry.what, entry.node), entry)
        elif entry.what in closing:
            close(closing[entry.what], entry.node, entry.time)
    for what, node in list(open_since):
        close(what, node, end)
    return sorted(spans, key=lambda span: (span.what != "partition", span.start, span.node))


def _choose_colours(arrows: Sequence[_Arrow]) -> dict[str, str]:
    """A colour for each kind: the known ones first, in their own order, then the others by name."""
    seen = {arrow.kind for arrow in arrows}
    known = [kind for kind in COLOURS if kind in seen]
    others = sorted(seen - COLOURS.keys())
    spare = {kind: _SPARE[i % len(_SPARE)] for i, kind in enumerate(others)}
    return {kind: COLOURS[kind] for kind in known} | spare


def _tick(span: int) -> tuple[int, int, str]:
    """(distance between ticks in ns, ns of the unit shown, its name), for 6 to 14 ticks."""
    unit, name = (SECOND, "s") if span >= 2 * SECOND else (MILLISECOND, "ms") if span >= 20_000 else (MICROSECOND, "us")
    step = 1
    while span // step > 14:
        step = step * 2 if span // (step * 2) <= 14 else step * 5 if span // (step * 5) <= 14 else step * 10
    return step, unit, name


def _duration(time: int) -> str:
    if time >= 2 * SECOND:
        return f"{time / SECOND:.4g} s"
    return f"{time / MILLISECOND:.4g} ms"
