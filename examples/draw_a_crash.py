"""Draw what PBFT does when its primary loses power. Usage: python examples/draw_a_crash.py [picture.svg]

Replica 0 is the primary. It loses power, and with it whatever its disk had not synced; the others change the view.
Then it comes back from its own disk and fetches what it missed. The picture in the README was drawn by this.
"""

import sys
from pathlib import Path

from raclette import SimConfig, Workload, simulate
from raclette.sim.diagram import Diagram
from raclette.sim.faults import Crash
from raclette.sim.log import Entry

MS = 1_000_000  # virtual time is in nanoseconds

config = SimConfig(
    protocol="pbft",
    nodes=4,
    seed=1,
    network="wan",
    parameters={"view_timeout_ms": 250},
    workload=Workload(count=2, interval=210 * MS, start=200 * MS),
    faults=(Crash(at=380 * MS, node=0, lasting=320 * MS),),
    duration=1100 * MS,
)
entries: list[Entry] = []
report = simulate(config, entries.append)
title = "PBFT, four replicas: the primary loses power, a view change, and its return"
picture = Path(sys.argv[1] if len(sys.argv) > 1 else "pbft-crash.svg")
picture.write_text(Diagram(entries, config.nodes, start=180 * MS, end=960 * MS, title=title).svg())
print(f"agreed: {report.agreed}, height {report.height}, {report.transactions} transactions; drawn in {picture}")
