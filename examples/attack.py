"""Put a liar among four replicas: one node with two lives that tells each half of the network something else.

PBFT bears one of four. The honest ones agree all the same, and what the liar signed twice is kept as evidence.
"""

from raclette import LiarSpec, SimConfig, simulate

for seed in range(3):
    report = simulate(SimConfig(protocol="pbft", nodes=4, seed=seed, liars={1: LiarSpec("twins")}))
    print(f"seed {seed}: honest nodes agree: {report.agreed}, height {report.height}, violations {report.violations}")
