"""What the hunt has found in the code, each as the small run that showed it. All of these must hold now."""

import pytest

from raclette.lab.hunt.outcome import Outcome
from raclette.lab.hunt.tactics import find_tactic
from raclette.lab.hunt.trial import run_schedule

SCHEDULES = {
    # A timer under a fast clock was rounded down to no time at all, and set again for ever.
    "a-fast-clock-and-a-timer-of-one-nanosecond": (
        "nodes",
        {
            "protocol": "pbft",
            "seed": 1,
            "nodes": 4,
            "duration": 2_000_000_000,
            "workload": {"count": 3, "start": 500_000_000},
            "faults": [
                {"kind": "drift-clock", "at": 8_777_777, "node": 0, "lasting": 1_900_000_000, "drift_ppm": 162_748}
            ],
            "liars": {"3": {"kind": "spam", "burst": 3}},
        },
    ),
    # All crash with every height of the window final and no checkpoint stable: nobody repeated its CHECKPOINTs, so the
    # window stayed where it was for ever.
    "a-crash-of-all-at-the-high-mark": (
        "engines",
        {
            "protocol": "pbft",
            "seed": 20_831,
            "nodes": 4,
            "duration": 183,
            "parameters": {
                "view_timeout_ms": 1_000,
                "view_timeout_cap_ms": 4_000,
                "checkpoint_interval": 1,
                "window": 3,
                "pipeline": 3,
                "batch_delay_ms": 0,
            },
            "steps": [
                {"kind": "hush", "at": 0, "lasting": 0, "kinds": ["commit"], "deaf": [0, 1]},
                *(
                    {"kind": "submit", "at": at, "number": n, "to": [0, 1, 2, 3]}
                    for at, n in ((16, 2), (23, 0), (49, 1))
                ),
                *({"kind": "crash", "at": 183, "lasting": 10, "place": place, "kept": 2} for place in range(4)),
            ],
        },
    ),
    # With `batch_delay_ms` 0 the primary's batch timer fired at once, again and again, while a block was in flight.
    "a-batch-timer-of-no-time": (
        "engines",
        {
            "protocol": "pbft",
            "seed": 1,
            "nodes": 4,
            "duration": 100,
            "parameters": {
                "view_timeout_ms": 400,
                "view_timeout_cap_ms": 1_600,
                "checkpoint_interval": 4,
                "window": 12,
                "pipeline": 3,
                "batch_delay_ms": 0,
            },
            "steps": [{"kind": "submit", "at": 0, "number": 0, "to": [0, 1, 2, 3]}],
        },
    ),
}


def replayed(name: str) -> Outcome:
    tactic_name, values = SCHEDULES[name]
    tactic = find_tactic(tactic_name, "tactic")
    protocol = str(values["protocol"])
    return run_schedule(tactic, tactic.read(protocol, values, name))


@pytest.mark.parametrize("name", SCHEDULES)
def test_what_was_found_once_holds_now(name: str) -> None:
    outcome = replayed(name)
    assert outcome.breaches == ()
    assert outcome.happened["blocks"] >= 1
    assert outcome.happened["events"] < 20_000
