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
    # The crash came between a notarization and the record of the step that it leads to. The replica stayed in its
    # iteration for ever: it had the certificate, so nobody could show it one.
    "a-notarization-without-the-step-after-it": (
        "engines",
        {
            "protocol": "simplex",
            "seed": 7_126,
            "nodes": 5,
            "duration": 606,
            "parameters": {"delta_ms": 100, "delta_cap_ms": 400, "window": 4},
            "liars": [3],
            "silent_end": True,
            "steps": [
                {"kind": "crash", "at": 76, "lasting": 17, "place": 4, "kept": 2},
                {"kind": "crash", "at": 125, "lasting": 328, "place": 3, "within": 1},
                {"kind": "cut", "at": 205, "lasting": 258, "groups": [1, 0, 0, 0, 0]},
                {"kind": "submit", "at": 212, "number": 1, "to": [0, 1]},
                {"kind": "rough", "at": 360, "lasting": 0, "loss": 0, "duplicates": 0, "low": 1, "high": 80},
                {"kind": "crash", "at": 552, "lasting": 1, "place": 1, "within": 3, "kept": 1},
            ],
        },
    ),
    # Blocks of an abandoned branch were kept until a final block had their number, not until one ended their iteration.
    "an-abandoned-branch-with-high-numbers": (
        "nodes",
        {
            "protocol": "simplex",
            "seed": 8_850,
            "parameters": {"delta_ms": 70},
            "accounts": 5,
            "duration": 2_400_066_585,
            "network": "internet-2019",
            "workload": {
                "count": 1,
                "interval": 413_648_470,
                "start": 250_000_000,
                "patience": 2_000_000_000,
                "mischief": 2,
            },
            "faults": [
                {"kind": "full-disk", "at": 335_264_700, "node": 0, "lasting": 1_976_303_723},
                {"kind": "crash", "at": 1_967_128_805, "node": 0, "mode": "clean", "lasting": 1_255_825_485},
                {"kind": "pause", "at": 963_552_406, "node": 3, "lasting": 1_146_124_034},
            ],
            "liars": {"2": {"kind": "forge"}},
        },
    ),
    # One holder alone had heard of a round, and crashed: it had no proof left to show, and its TIMEOUT for the round
    # before, for which the others waited, was not repeated any more.
    "a-round-that-only-a-crashed-holder-knows": (
        "engines",
        {
            "protocol": "senate",
            "seed": 8_721,
            "nodes": 4,
            "duration": 2_000,
            "parameters": {
                "seats": 1_024,
                "malicious": -1,
                "round_timeout_ms": 400,
                "round_timeout_cap_ms": 1_600,
                "entry_window_ms": 200,
                "idle_interval_ms": 500,
            },
            "liars": [3],
            "silent_end": True,
            "steps": [
                {"kind": "rough", "at": 318, "lasting": 1_157, "loss": 0, "duplicates": 0, "low": 100, "high": 100},
                {"kind": "crash", "at": 859, "lasting": 860, "place": 0, "kept": 1},
                {"kind": "crash", "at": 859, "lasting": 1, "place": 1},
                {"kind": "crash", "at": 859, "lasting": 71, "place": 3, "kept": 2},
                {"kind": "submit", "at": 319, "number": 4, "to": [0, 1, 2, 3]},
                {"kind": "crash", "at": 1_539, "lasting": 386, "place": 1, "kept": 1},
                {"kind": "crash", "at": 1_539, "lasting": 397, "place": 2, "kept": 2},
                {"kind": "crash", "at": 1_539, "lasting": 358, "place": 3, "kept": 2},
                {"kind": "lie", "at": 2_000, "lasting": 0, "place": 3, "lie": "own-lock", "fooled": [0, 1, 2, 3]},
            ],
        },
    ),
    # A holder was cut off while the last block was decided. Nobody had a reason to say anything afterwards.
    "a-last-block-before-a-quiet-time": (
        "nodes",
        {
            "protocol": "senate",
            "seed": 4_047,
            "nodes": 10,
            "accounts": 10,
            "duration": 512_387_518,
            "network": "lan",
            "workload": {"count": 1, "interval": 25_619_375, "start": 2_049_550_074, "patience": 2_000_000_000},
            "faults": [
                {
                    "kind": "partition",
                    "at": 689_862_402,
                    "groups": [[0, 1, 2, 3, 4, 5, 6, 7, 8], [9]],
                    "lasting": 2_565_148_115,
                    "one_way": True,
                }
            ],
        },
    ),
    # Late votes made the certificate of a block below those in memory heavier. It was booked on a second copy of the
    # block.
    "a-heavier-certificate-after-a-restart": (
        "engines",
        {
            "protocol": "ballot",
            "seed": 3_211,
            "nodes": 5,
            "duration": 4_185,
            "parameters": {
                "quorum": "1/3",
                "faults": "0/1",
                "initial_difficulty": 1_048_576,
                "block_interval_s": 1,
                "candidates": 40,
                "window_ms": 1_000,
                "claim_bound_ms": 200,
                "time_refresh_ms": 20,
                "round_ms": 200,
                "round_cap_ms": 200,
            },
            "steps": [
                {"kind": "rough", "at": 1_800, "lasting": 900, "loss": 0, "duplicates": 0, "low": 300, "high": 600},
                {"kind": "crash", "at": 1_930, "lasting": 3_520, "place": 2, "within": 9, "kept": 1},
                {"kind": "crash", "at": 4_185, "lasting": 1, "place": 3},
                {"kind": "crash", "at": 4_185, "lasting": 1, "place": 4, "kept": 2},
            ],
        },
    ),
    # Some voters were in round 1, too few to leave one candidate; the others waited there without having voted in it.
    "a-round-that-waits-for-those-who-wait": (
        "engines",
        {
            "protocol": "ballot",
            "seed": 4_083,
            "nodes": 7,
            "duration": 4_380,
            "parameters": {
                "quorum": "1/2",
                "faults": "0/1",
                "initial_difficulty": 1_048_576,
                "block_interval_s": 1,
                "candidates": 40,
                "window_ms": 1_000,
                "claim_bound_ms": 20,
                "time_refresh_ms": 200,
                "round_ms": 200,
                "round_cap_ms": 200,
            },
            "silent_end": True,
            "steps": [
                {"kind": "rough", "at": 1_550, "lasting": 2_513, "loss": 0, "duplicates": 0, "low": 300, "high": 1_200},
                {"kind": "submit", "at": 1_184, "number": 0, "to": [0, 1, 2, 3, 4, 5, 6]},
                {"kind": "cut", "at": 3_600, "lasting": 0, "groups": [0, 1, 0, 0, 0, 0, 0]},
            ],
        },
    ),
    # Two blocks were taken back, newest first: a payment came back to the pool before the one whose change it spends.
    "a-chain-of-payments-taken-back": (
        "nodes",
        {
            "protocol": "ballot",
            "ledger": "coins",
            "seed": 8_115,
            "nodes": 5,
            "observers": 1,
            "accounts": 5,
            "topology": "regular",
            "degree": 2,
            "hash_shares": [1, 7, 4, 7, 8],
            "parameters": {
                "quorum": "1/3",
                "block_interval_s": 1,
                "window_ms": 500,
                "claim_bound_ms": 200,
                "time_refresh_ms": 200,
                "round_ms": 500,
                "round_cap_ms": 4_000,
            },
            "duration": 5_716_147_602,
            "network": "lan",
            "workload": {"count": 25, "interval": 210_236_446, "start": 250_000_000, "outputs": [1, 3]},
            "faults": [
                {"kind": "partition", "at": 450_817_169, "groups": [[2, 3], [0, 1, 4]], "lasting": 2_828_030_577}
            ],
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
