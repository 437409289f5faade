"""Proof of work, as Nakamoto described it: the branch that cost most work is the chain.

Source: S. Nakamoto, "Bitcoin: A Peer-to-Peer Electronic Cash System", 2008; with Bitcoin Cash's difficulty rule and,
as an option, the heaviest-subtree fork choice of Sompolinsky and Zohar (FC 2015). The rules are numbered in
`spec/nakamoto.md`; code cites them as NAK-1, NAK-2...

Files: `rules` (what a header must satisfy), `difficulty`, `seal` (what a nonce proves), `forkchoice`, `mining`,
`waiting` (orphans and early blocks), `engine` (the machine that joins them).

Deviations from Bitcoin: headers are Ethereum's; the difficulty is absolute-scheduled (no 2,016-block window); blocks
without transactions pay the full reward; a timestamp may be at most 15 seconds ahead, not two hours; nothing is final
unless the chain's parameters say at which depth.
"""

from raclette.protocols.nakamoto.engine import Nakamoto, make_engine
from raclette.protocols.nakamoto.message import BlockAnnouncement
from raclette.protocols.nakamoto.parameters import Parameters
from raclette.protocols.nakamoto.seal import HashSeal, IdealSeal, difficulty_of, target_of

__all__ = [
    "BlockAnnouncement",
    "HashSeal",
    "IdealSeal",
    "Nakamoto",
    "Parameters",
    "difficulty_of",
    "make_engine",
    "target_of",
]
