"""The live view: a textual screen over a simulation that runs slice by slice. Space stops it, + and - set its speed."""

from time import perf_counter
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import DataTable, Footer, Header, RichLog, Static

from raclette.cli.watch import drawing
from raclette.primitives.errors import Misuse
from raclette.primitives.units import SECOND
from raclette.sim.record import RunRecord
from raclette.sim.simulate import SimReport, Simulation

# Virtual seconds a second; 0 is as fast as it goes.
SPEEDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 50.0, 0.0)
START_SPEED = 3
# Pictures a second, and the share of each that may be spent on simulating: the rest draws and listens to keys.
FRAME_S, BUSY_S = 0.1, 0.06
# Times shown lie this far apart when speed is measured.
_SMOOTH = 0.8


class WatchApp(App[SimReport]):
    """`simulation` must record. The app returns its report, or None if the user left before the end."""

    CSS = """
    #tree { height: 12; border: round $primary; padding: 0 1; }
    #nodes { width: 3fr; height: 1fr; border: round $primary; }
    #right { width: 2fr; }
    #traffic { height: 1fr; border: round $primary; padding: 0 1; }
    #news { height: 1fr; border: round $primary; }
    #status { height: 2; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        ("space", "pause", "stop / go"),
        ("n", "step", "one step"),
        ("plus,equals_sign", "speed(1)", "faster"),
        ("minus", "speed(-1)", "slower"),
        ("q", "quit", "quit"),
    ]

    def __init__(self, simulation: Simulation, title: str) -> None:
        """Raises Misuse if the simulation does not record."""
        super().__init__()
        if simulation.record is None:
            raise Misuse("only a simulation that records can be watched")
        self.title = title
        self.simulation = simulation
        self.record: RunRecord = simulation.record
        self.report: SimReport | None = None
        self.paused = False
        self.speed = START_SPEED
        self._steps = simulation.steps()
        self._owed = 0.0
        self._seen: dict[str, int] = {}
        self._told = -1
        self._measured = (perf_counter(), 0, 0)
        self._rates = (0.0, 0.0)

    def compose(self) -> ComposeResult:
        """Tree on top, nodes left, traffic and news right."""
        yield Header(show_clock=False)
        yield Static(id="status")
        yield Static(id="tree")
        with Horizontal():
            yield DataTable(id="nodes", cursor_type="none", zebra_stripes=True)
            with Vertical(id="right"):
                yield Static(id="traffic")
                yield RichLog(id="news", wrap=True, min_width=20, max_lines=500)
        yield Footer()

    def on_mount(self) -> None:
        """Begin."""
        table = self.query_one("#nodes", DataTable)
        for name in ("node", "state", "head", "final", "engine"):
            table.add_column(name, key=name)
        for row in drawing.nodes(self.simulation.world, self.record):
            table.add_row(*row, key=row[0])
        self.set_interval(FRAME_S, self._frame)
        self._draw()

    # Keys

    def action_pause(self) -> None:
        """Stop, or go on."""
        self.paused = not self.paused

    def action_step(self) -> None:
        """One slice, then stop."""
        self.paused = True
        self._step()
        self._draw()

    def action_speed(self, by: int) -> None:
        """Faster or slower, by one notch."""
        self.speed = max(0, min(len(SPEEDS) - 1, self.speed + by))

    async def action_quit(self) -> None:
        """Leave, with the report if there is one."""
        self.exit(self.report)

    # Running

    def _frame(self) -> None:
        """As much of the run as this picture's share of time allows."""
        if self.paused or self.report is not None:
            return
        pace = SPEEDS[self.speed]
        self._owed = min(self._owed + pace * FRAME_S, pace)
        until = perf_counter() + BUSY_S
        while self.report is None and perf_counter() < until and (pace == 0 or self._owed > 0):
            before = self.simulation.world.kernel.now
            self._step()
            self._owed -= (self.simulation.world.kernel.now - before) / SECOND
        self._draw()

    def _step(self) -> None:
        if self.report is None and next(self._steps, self) is self:
            self.report = self.simulation.finish()

    # Drawing

    def _draw(self) -> None:
        world, record = self.simulation.world, self.record
        now = world.kernel.now
        self._measure(now, world.kernel.events)
        status = drawing.status_line(record, now, world.kernel.events, *self._rates)
        status.append(Text("\n" + self._state(), style=self._colour()))
        self.query_one("#status", Static).update(status)
        self.query_one("#tree", Static).update(drawing.tree(record, max(40, self.size.width - 4)))
        table = self.query_one("#nodes", DataTable)
        for row in drawing.nodes(world, record):
            for name, value in zip(("state", "head", "final", "engine"), row[1:], strict=True):
                table.update_cell(row[0], name, value, update_width=True)
        text, self._seen = drawing.traffic(record, self._seen)
        self.query_one("#traffic", Static).update(text)
        log = self.query_one("#news", RichLog)
        for line in drawing.news(record, now, self._told):
            log.write(line)
        self._told = now

    def _state(self) -> str:
        if self.report is not None:
            first = self.report.violations[0] if self.report.violations else {}
            verdict = (
                "every property held"
                if self.report.agreed
                else f"broken: {first.get('checker')}: {first.get('detail')}"
            )
            return f"The run is over: {verdict}. Press q."
        pace = SPEEDS[self.speed]
        return (
            "stopped" if self.paused else "running"
        ) + f", speed {f'{pace:g} virtual s/s' if pace else 'as fast as it goes'}"

    def _colour(self) -> str:
        if self.report is None:
            return "yellow" if self.paused else "green"
        return "bold green" if self.report.agreed else "bold red"

    def _measure(self, now: int, events: int) -> None:
        """Rates since the last picture, smoothed."""
        clock = perf_counter()
        then, virtual, count = self._measured
        passed = max(clock - then, 1e-6)
        fresh = ((now - virtual) / SECOND / passed, (events - count) / passed)
        self._rates = (
            self._rates[0] * _SMOOTH + fresh[0] * (1 - _SMOOTH),
            self._rates[1] * _SMOOTH + fresh[1] * (1 - _SMOOTH),
        )
        self._measured = (clock, now, events)


def watch(simulation: Simulation, title: str) -> SimReport | None:
    """Show it until it ends or the user leaves. Raises Misuse if it does not record."""
    return WatchApp(simulation, title).run()
