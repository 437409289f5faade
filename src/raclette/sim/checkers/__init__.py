"""What must hold in every run: one property a file. See `contract` for what a checker is."""

from raclette.protocols import PROTOCOLS
from raclette.sim.checkers.agreement import Agreement
from raclette.sim.checkers.audit import Audit, ExactlyOnce, Supply, Validity
from raclette.sim.checkers.contract import Base, Checker, Mode, Subject, ViewOf, Violation
from raclette.sim.checkers.finality import FinalityKept
from raclette.sim.checkers.liveness import Liveness
from raclette.sim.checkers.progress import Progress
from raclette.sim.checkers.quality import ChainGrowth, ChainQuality, WorkDone


def make_checkers(subject: Subject) -> list[Checker]:
    """All that a run of whole nodes is watched by."""
    audit, view_of = Audit(subject), subject.view_of
    work: list[Checker] = []
    if PROTOCOLS[subject.config.protocol].seals:
        work += [ChainQuality(subject), ChainGrowth(subject), WorkDone(subject)]
    return [
        Agreement(view_of),
        FinalityKept(view_of),
        Validity(audit),
        ExactlyOnce(audit),
        Supply(audit),
        Liveness(view_of, subject.missing),
        Progress(view_of),
        *work,
    ]


__all__ = [
    "Agreement",
    "Audit",
    "Base",
    "ChainGrowth",
    "ChainQuality",
    "Checker",
    "ExactlyOnce",
    "FinalityKept",
    "Liveness",
    "Mode",
    "Progress",
    "Subject",
    "Supply",
    "Validity",
    "ViewOf",
    "Violation",
    "WorkDone",
    "make_checkers",
]
