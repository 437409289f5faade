"""A failing schedule becomes small and keeps failing in the same way; what is written down runs again."""

import json
from pathlib import Path

import pytest

from raclette.lab.hunt import HuntConfig, Replay, hunt, read_replay, run_schedule, run_seed, tactic_of, write_finding
from raclette.lab.hunt.engines.schedule import EngineSchedule
from raclette.lab.hunt.engines.steps import Crash, Cut, Hush, Rough, Submit
from raclette.lab.hunt.finding import DIAGRAM, REPLAY, TRANSCRIPT
from raclette.lab.hunt.shrink import Shrinker
from raclette.lab.hunt.tactic import Schedule
from raclette.lab.hunt.tactics import TACTICS
from raclette.primitives.errors import ConfigError

NOISE = (
    Rough(0, 100, 5, 0, 1, 20),
    Cut(10, 50, (0, 1, 0, 1)),
    Crash(20, 30, 2),
    Rough(200, 100, 20, 10, 1, 80),
    Crash(300, 50, 3),
    Hush(350, 20, ("commit", "prepare"), (1, 2)),
)


def forgetful() -> EngineSchedule:
    """Under P5 (a view change drops what was prepared): commits reach nobody, and the view changes without them."""
    steps = (Submit(0, 0, (0, 1, 2, 3)), *NOISE, Hush(0, 900, ("commit", "checkpoint", "status"), (0, 1, 2, 3)))
    parameters = {"view_timeout_ms": 400, "view_timeout_cap_ms": 1_600, "checkpoint_interval": 4, "window": 12}
    return EngineSchedule("pbft", 7, 4, 1_000, parameters, steps=steps)


def fails_with(checker: str, mutant: str, schedule: Schedule) -> bool:
    return checker in run_schedule(TACTICS["engines"], schedule, mutant).checkers


def test_a_known_failing_schedule_is_reduced_to_its_core() -> None:
    schedule = forgetful()
    assert fails_with("view-base", "P5", schedule)
    assert not fails_with("view-base", "", schedule)
    shrunk = Shrinker(lambda candidate: fails_with("view-base", "P5", candidate), lambda: True).shrink(schedule)
    assert shrunk.finished
    assert isinstance(shrunk.schedule, EngineSchedule)
    kinds = [type(step) for step in shrunk.schedule.steps]
    assert kinds.count(Submit) == 1
    assert Hush in kinds
    assert len(kinds) <= 3
    assert fails_with("view-base", "P5", shrunk.schedule)


def test_shrinking_stops_when_its_time_is_over_with_the_best_so_far() -> None:
    left = iter(range(5))
    shrunk = Shrinker(
        lambda candidate: fails_with("view-base", "P5", candidate), lambda: next(left, None) is not None
    ).shrink(forgetful())
    assert not shrunk.finished
    assert shrunk.tries == 5
    assert len(shrunk.schedule.parts) < len(forgetful().parts)


@pytest.mark.parametrize("protocol", ["pbft", "nakamoto"])
def test_every_schedule_survives_being_written_down(protocol: str) -> None:
    for seed in range(40):
        tactic = tactic_of(protocol, seed)
        schedule = tactic.draw(protocol, seed)
        text = json.dumps(schedule.to_json())
        assert tactic.read(protocol, json.loads(text), "here") == schedule
        assert schedule.describe()


@pytest.mark.parametrize("name", TACTICS)
def test_a_finding_leaves_a_replay_a_transcript_and_a_diagram(name: str, tmp_path: Path) -> None:
    mutant = "P1"
    failing = (s for s in range(40) if tactic_of("pbft", s).name == name and run_seed("pbft", s, mutant).failed)
    seed = next(failing)
    tactic = tactic_of("pbft", seed)
    first = run_seed("pbft", seed, mutant)
    assert first.failed
    write_finding(tmp_path / "a", Replay(tactic, tactic.draw("pbft", seed), mutant, first.checkers), ["seed"])
    replay = read_replay(tmp_path / "a" / REPLAY, "pbft")
    again = run_schedule(replay.tactic, replay.schedule, replay.mutant)
    assert again == first
    assert replay.checkers == first.checkers
    text = (tmp_path / "a" / TRANSCRIPT).read_text()
    assert first.breaches[0].detail in text
    assert "receive" in text
    assert (tmp_path / "a" / DIAGRAM).read_text().startswith("<svg")


def test_a_hunt_shrinks_and_writes_what_it_finds(tmp_path: Path) -> None:
    config = HuntConfig("pbft", seeds=4, first=1, mutant="P1", jobs=1, out=tmp_path / "out", shrink_seconds=2)
    report = hunt(config)
    assert report.caught
    (finding, *_) = report.findings
    assert Path(finding.folder) == tmp_path / "out"
    assert finding.tries > 0
    assert finding.shrunk
    drawn = tactic_of("pbft", finding.seed).draw("pbft", finding.seed)
    small = read_replay(tmp_path / "out" / REPLAY, "pbft")
    assert len(small.schedule.parts) < len(drawn.parts)
    assert finding.breach.checker in run_schedule(small.tactic, small.schedule, small.mutant).checkers


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"format": 9}, "format"),
        ({"protocol": "nakamoto"}, "protocol"),
        ({"tactic": "luck"}, "nodes, engines, twins, phases"),
        ({"schedule": []}, "JSON object"),
        ({"schedule": {"protocol": "pbft"}}, "missing"),
        ({"schedule": {"protocol": "pbft", "seed": 1, "nodes": 4, "duration": 5, "wind": 3}}, "schedule.wind"),
        ({"schedule": {"protocol": "pbft", "seed": 1, "nodes": 0, "duration": 5}}, "nodes"),
        ({"schedule": {"protocol": "pbft", "seed": "x", "nodes": 4, "duration": 5}}, "schedule.seed"),
        ({"steps": [{"kind": "meteor"}]}, "steps.0.kind"),
        ({"steps": [{"kind": "crash", "at": 1, "lasting": 1, "place": 77}]}, "places are 0 to 3"),
        ({"steps": [{"kind": "cut", "at": 1, "lasting": 1, "groups": [0]}]}, "groups"),
    ],
)
def test_a_replay_file_that_cannot_be_is_refused_with_the_key(
    change: dict[str, object], names: str, tmp_path: Path
) -> None:
    schedule: dict[str, object] = {"protocol": "pbft", "seed": 1, "nodes": 4, "duration": 5}
    if "steps" in change:
        schedule["steps"] = change.pop("steps")
    values = {"format": 1, "protocol": "pbft", "tactic": "engines", "schedule": schedule} | change
    path = tmp_path / "replay.json"
    path.write_text(json.dumps(values))
    with pytest.raises(ConfigError, match=names):
        read_replay(path, "pbft")
