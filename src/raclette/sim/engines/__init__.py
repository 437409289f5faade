"""Engine fidelity for any engine: votes, gossip, proofs of work and faults over modelled wires, without whole nodes.

`run_engines` runs a protocol's own engines and reports decisions, times and counts. `world` is the machine, `chain`
what is ordered, `plan` what goes wrong, `wires` what becomes of a frame, `post` and `tally` what an engine hears of it.
"""

from raclette.sim.engines.run import Decision, EnginesReport, EnginesRun, run_engines

__all__ = ["Decision", "EnginesReport", "EnginesRun", "run_engines"]
