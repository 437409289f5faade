"""All protocols on one workload and one network, calm and in trouble: what each costs, and what each bears."""

from raclette.lab.compare.plan import CASES, Case, Comparison, Job, jobs_of
from raclette.lab.compare.run import Row, run_comparison, summarise
from raclette.lab.compare.watch import FinalWatch

__all__ = ["CASES", "Case", "Comparison", "FinalWatch", "Job", "Row", "jobs_of", "run_comparison", "summarise"]
