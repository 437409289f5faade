"""What a decision of PBFT costs: messages between replicas, and message delays.

Castro and Liskov 1999, section 4.2: the primary sends a pre-prepare to n - 1 replicas, each of them a prepare to all
others, and every replica a commit to all others: 2 n (n - 1) in all. A replica has committed three message delays
after the primary proposed. The engines are the real ones, over wires of one fixed delay; nothing overlaps, and what
is not part of a decision (greetings, checkpoints, announcements for nodes without a vote) is not counted.

Deviation: a client's request and the n replies to it do not exist in engine fidelity: transactions wait in mempools.
"""

from math import log

from raclette.lab.experiments.contract import Experiment, Paper, Parameter, Progress, Result, Row, Settings
from raclette.lab.experiments.plots import having, points
from raclette.lab.experiments.statistics import bound, compare, slope
from raclette.lab.figures import Axis, Figure, Line
from raclette.primitives.errors import InvariantBroken
from raclette.primitives.units import MILLISECOND, SECOND

CASTRO_LISKOV = Paper("Castro and Liskov 1999, Practical Byzantine fault tolerance", "section 4.2")
YIN = Paper("Yin et al. 2019, HotStuff", "table 1")
KINDS = ("pre-prepare", "prepare", "commit")
# One decision at a time, no checkpoint, no timeout within the run: what the paper's normal case is.
_PARAMETERS = {
    "pipeline": 1,
    "batch_delay_ms": 0,
    "checkpoint_interval": 4096,
    "window": 8192,
    "view_timeout_ms": 600_000,
    "view_timeout_cap_ms": 600_000,
}
DELAYS = 3
# Decisions of a run are so far apart that one is over before the next is proposed.
_PACE = 100
# Distance of the slope from 2 that Yin et al.'s O(n^2) leaves to lower orders, for n from 4 to 100.
_SLOPE_TOLERANCE = 0.15
_SLOPE_SPAN = 8


def messages(n: int) -> int:
    """Between replicas, a decision."""
    return 2 * n * (n - 1)


def run(settings: Settings, progress: Progress) -> Result:
    """Rows for every n, and the slope over all of them."""
    sizes = settings.wholes("n")
    rows: list[Row] = []
    for number, n in enumerate(sizes):
        progress(sum(size**2 for size in sizes[:number]) / sum(size**2 for size in sizes), f"n = {n}")
        rows += _point(settings, n)
    counts = having(rows, "messages a decision")
    if len(counts) > 2 and max(sizes) >= _SLOPE_SPAN * min(sizes):
        rows.append(_slope_row(settings, counts))
    return Result(tuple(rows), (_figure(settings, rows),))


def _point(settings: Settings, n: int) -> list[Row]:
    from raclette.sim.engines import run_engines
    from raclette.sim.models import Lan

    delay = settings.whole("delay_ms") * MILLISECOND
    report = run_engines(
        protocol="pbft",
        nodes=n,
        blocks=settings.whole("decisions"),
        network=Lan(latency=delay, bits_per_s=0),
        parameters=_PARAMETERS,
        pace=_PACE * delay,
        seed=settings.seed,
        deadline=600 * SECOND,
    )
    decisions = len(report.decisions)
    if not report.complete or decisions == 0:
        raise InvariantBroken(f"{n} replicas decided {decisions} of {settings.whole('decisions')}")
    sent = sum(report.sent.get(kind, 0) for kind in KINDS)
    waits = [decision.latency / delay for decision in report.decisions]
    shared = {"trials": decisions, "seed": settings.seed}
    rows = []
    for quantity, value, theory in (
        ("messages a decision", sent / decisions, float(messages(n))),
        ("delays to commit", sum(waits) / decisions, float(DELAYS)),
    ):
        rows.append(
            compare(
                quantity,
                {"n": n},
                value,
                (value, value),
                published=theory,
                closed_form=theory,
                tolerance=0.0,
                grounds="exact",
                trials=shared["trials"],
                seed=shared["seed"],
                source=str(CASTRO_LISKOV),
            )
        )
    return rows


def _slope_row(settings: Settings, counts: list[Row]) -> Row:
    found = slope([log(row.parameters["n"]) for row in counts], [log(row.simulated) for row in counts])
    return bound(
        "slope of log messages over log n",
        {},
        found,
        (found, found),
        at_least=2.0,
        at_most=2.0,
        tolerance=_SLOPE_TOLERANCE,
        grounds="lower orders of n (2 n squared - 2 n)",
        trials=sum(row.trials for row in counts),
        seed=settings.seed,
        source=str(YIN),
    )


def _figure(settings: Settings, rows: list[Row]) -> Figure:
    sizes = sorted(set(settings.wholes("n")))
    return Figure(
        "pbft-messages",
        "What a decision of PBFT costs",
        Axis("replicas", scale="log"),
        Axis("messages a decision", scale="log"),
        [
            Line("2 n (n - 1)", sizes, [messages(n) for n in sizes], series=0),
            points("counted", having(rows, "messages a decision"), "n", series=0),
        ],
        caption="Points: messages that the real engines sent for a decision. Line: Castro and Liskov's normal case.",
    )


EXPERIMENT = Experiment(
    id="pbft-messages",
    title="Messages and delays of a PBFT decision",
    claim="Replicas exchange 2 n (n - 1) messages, and commit after three message delays.",
    papers=(CASTRO_LISKOV, YIN),
    parameters=(
        Parameter("n", "replicas", (4, 7, 10, 16, 31, 64, 100), 4, 400, quick=(4, 7, 16, 40), whole=True),
        Parameter("decisions", "decisions in a run", 3, 1, 100, whole=True),
        Parameter("delay_ms", "delay of every message (ms)", 10, 1, 1_000, whole=True),
    ),
    run=run,
)
