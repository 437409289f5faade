"""What the world does to its nodes, on a timeline. See `contract` for what a fault is."""

from raclette.sim.faults.clock import DriftClock, SkewClock
from raclette.sim.faults.contract import Fault
from raclette.sim.faults.disk import FullDisk, SlowDisk
from raclette.sim.faults.form import FAULTS, fault_from_json, fault_to_json
from raclette.sim.faults.network import CutLink, Impair, Partition, SlowLink
from raclette.sim.faults.processes import Churn, Crash, Pause
from raclette.sim.faults.timeline import plan_faults, quiet_from

__all__ = [
    "FAULTS",
    "Churn",
    "Crash",
    "CutLink",
    "DriftClock",
    "Fault",
    "FullDisk",
    "Impair",
    "Partition",
    "Pause",
    "SkewClock",
    "SlowDisk",
    "SlowLink",
    "fault_from_json",
    "fault_to_json",
    "plan_faults",
    "quiet_from",
]
