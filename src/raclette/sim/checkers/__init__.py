"""What must hold in every run: one property a file. See `contract` for what a checker is."""

from collections.abc import Sequence

from raclette.sim.checkers.accountability import Accountability
from raclette.sim.checkers.agreement import Agreement
from raclette.sim.checkers.audit import Audit, ExactlyOnce, Supply, Validity
from raclette.sim.checkers.bounded_views import VIEWS_MAX, BoundedViews
from raclette.sim.checkers.certificates import Certificates
from raclette.sim.checkers.contract import Base, Checker, Mode, Subject, ViewOf, Violation
from raclette.sim.checkers.electorates import ELECTORATES
from raclette.sim.checkers.evidence import EvidenceKept
from raclette.sim.checkers.finality import FinalityKept
from raclette.sim.checkers.forensics import FORENSICS
from raclette.sim.checkers.honour import NoFalseAccusation, NoFalseAccusationAttended, NoHonestBan
from raclette.sim.checkers.liveness import Liveness
from raclette.sim.checkers.memory import MemoryBounds
from raclette.sim.checkers.new_views import NewViews
from raclette.sim.checkers.one_verdict import OneVerdict
from raclette.sim.checkers.one_vote import OneVote
from raclette.sim.checkers.progress import Progress
from raclette.sim.checkers.proof_of_work import Difficulty, ForkChoice, Timestamps
from raclette.sim.checkers.quality import ChainGrowth, ChainQuality, CommonPrefix, WorkDone
from raclette.sim.world import Listener, World


def make_checkers(subject: Subject) -> list[Checker]:
    """All that a run of whole nodes is watched by: what holds for any protocol, and what this one promises besides."""
    audit, view_of, protocol = Audit(subject), subject.view_of, subject.config.protocol
    work: list[Checker] = []
    if protocol == "nakamoto":
        work = [ForkChoice(subject), Timestamps(subject), Difficulty(subject)]
        work += [CommonPrefix(subject), ChainQuality(subject), ChainGrowth(subject), WorkDone(subject)]
    return [
        Agreement(view_of),
        FinalityKept(view_of),
        Validity(audit),
        ExactlyOnce(audit),
        Supply(audit),
        OneVerdict(view_of),
        *([OneVote(subject)] if subject.config.ledger == "poll" else []),
        Liveness(view_of, subject.missing),
        MemoryBounds(subject),
        NoFalseAccusationAttended(subject) if protocol == "hybrid" else NoFalseAccusation(subject),
        NoHonestBan(subject),
        Progress(view_of),
        *([NewViews(subject)] if protocol == "pbft" else []),
        *([BoundedViews(subject)] if protocol in VIEWS_MAX else []),
        *([Accountability(subject)] if protocol in FORENSICS else []),
        *([Certificates(subject)] if protocol in ELECTORATES else []),
        *([EvidenceKept(subject)] if protocol == "pbft" else []),
        *work,
    ]


def watch(world: World, checkers: Sequence[Checker]) -> None:
    """Let them observe `world`, and listen, those who do."""
    world.observers += checkers
    world.listeners += [checker for checker in checkers if isinstance(checker, Listener)]


__all__ = [
    "ELECTORATES",
    "FORENSICS",
    "VIEWS_MAX",
    "Accountability",
    "Agreement",
    "Audit",
    "Base",
    "BoundedViews",
    "Certificates",
    "ChainGrowth",
    "ChainQuality",
    "Checker",
    "CommonPrefix",
    "Difficulty",
    "EvidenceKept",
    "ExactlyOnce",
    "FinalityKept",
    "ForkChoice",
    "Liveness",
    "MemoryBounds",
    "Mode",
    "NewViews",
    "NoFalseAccusation",
    "NoHonestBan",
    "OneVerdict",
    "OneVote",
    "Progress",
    "Subject",
    "Supply",
    "Timestamps",
    "Validity",
    "ViewOf",
    "Violation",
    "WorkDone",
    "make_checkers",
    "watch",
]
