"""Run a network in virtual time and look at what happened. Usage: python examples/simulate.py [seed]"""

import sys

from raclette import SimConfig, simulate

report = simulate(SimConfig(protocol="pbft", nodes=4, seed=int(sys.argv[1]) if len(sys.argv) > 1 else 7))
print(f"agreed: {report.agreed}, height {report.height}, {report.transactions} transactions")
print(f"median latency {report.p50_ms} virtual ms, {sum(report.messages.values())} messages")
print(f"the same seed gives the same run, everywhere: {report.digest[:16]}")
