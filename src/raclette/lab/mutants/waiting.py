"""Published bugs that cannot be planted yet, or not at all, each with its reason: the rest of the catalogue."""

from typing import NamedTuple

# Every id of the catalogue, planted or waiting: P PBFT and its kin, I IBFT, Z Zyzzyva and FaB, T Tendermint,
# H HotStuff, A asynchronous agreement, S committees drawn by lot, N longest chains and their ledgers, F finality
# gadgets.
CATALOGUE: tuple[str, ...] = (
    *(f"P{number}" for number in range(1, 17)),
    *("I1", "I2", "Z1", "Z2"),
    *(f"T{number}" for number in range(1, 8)),
    *(f"H{number}" for number in range(1, 7)),
    *("A1", "A2"),
    *(f"S{number}" for number in range(1, 6)),
    *(f"N{number}" for number in range(1, 11)),
    *(f"F{number}" for number in range(1, 7)),
)


class Waiting(NamedTuple):
    """A bug that is not planted, and why."""

    id: str
    title: str
    source: str
    reason: str


WAITING: tuple[Waiting, ...] = (
    Waiting(
        "P11",
        "read-only requests answered with f+1 or 2f+1 replies",
        "Berger et al., SRDS 2021, arXiv:2107.11144",
        "cannot be: our PBFT has no read-only optimisation; a reader checks certificates and proofs",
    ),
    Waiting(
        "Z1",
        "a view change prefers a commit certificate to a longer speculative history",
        "Abraham et al., arXiv:1712.01367",
        "waits for Zyzzyva or another speculative protocol",
    ),
    Waiting(
        "Z2",
        "a new leader cannot collect a vouching set",
        "Abraham et al., arXiv:1712.01367",
        "waits for FaB or another two-step protocol",
    ),
    Waiting("T1", "prevote without checking the lock", "Buchman et al. 2018", "waits for Tendermint"),
    Waiting(
        "T2",
        "no unlock on a newer proof of lock change",
        "tendermint #1047; Cachin & Vukolic, arXiv:1707.01873",
        "waits for Tendermint; its counterpart in PBFT is planted as I2",
    ),
    Waiting(
        "T3",
        "validRound is only updated for the current round",
        "SOVEREIGN-NET #2619",
        "waits for Tendermint",
    ),
    Waiting(
        "T5",
        "the index of a block part is not bound to that of its Merkle proof",
        "ASA-2025-002, GHSA-r3r4-g7hq-pq4f",
        "cannot be: blocks travel as short ids whose only proof is the transactions root; see N6 for lists that lie",
    ),
    Waiting(
        "T7",
        "a consensus parameter that enables a feature at a height is not checked",
        "GHSA-qr8r-m495-7hc4",
        "cannot be: parameters are genesis' and do not change at run time",
    ),
    Waiting(
        "H1",
        "safeNode does not check the lock",
        "Bano et al., arXiv:2004.10617; nandatown #191",
        "waits for HotStuff",
    ),
    Waiting(
        "H3",
        "two-chain commit without the high QC in the timeout certificate",
        "Bano et al., arXiv:2004.10617; relab/hotstuff #55",
        "waits for HotStuff",
    ),
    Waiting(
        "A1",
        "binary agreement with a weak coin and no CONF phase",
        "amiller/HoneyBadgerBFT #59; poanetwork/hbbft #37",
        "waits for asynchronous agreement",
    ),
    Waiting(
        "A2",
        "the coin is revealed before the votes are fixed",
        "asynchronous agreement with a predictable coin",
        "waits for asynchronous agreement",
    ),
    Waiting(
        "S5",
        "a light client accepts an overlap of a third outside its trusting period",
        "CometBFT light client specification",
        "waits for changing validators: ours are genesis'",
    ),
    Waiting(
        "N4",
        "several algorithms retarget each for itself on one clock",
        "Verge, April and May 2018",
        "cannot be: there is one proof-of-work function",
    ),
    Waiting(
        "F1",
        "fork choice follows the latest justified checkpoint in any slot: bouncing",
        "ethresear.ch 6113",
        "waits for a finality gadget",
    ),
    Waiting(
        "F2",
        "votes released to two halves balance LMD GHOST",
        "Neu, Tas & Tse, S&P 2021",
        "waits for LMD GHOST",
    ),
    Waiting("F3", "equivocating votes count in LMD GHOST: avalanche", "Neu, Tas & Tse 2022", "waits for LMD GHOST"),
    Waiting(
        "F4",
        "a withheld block reorganises without a proposer boost",
        "Schwarz-Schilling et al., FC 2022",
        "waits for LMD GHOST",
    ),
    Waiting(
        "F5",
        "surrounding votes are not slashable",
        "Buterin & Griffith, arXiv:1710.09437",
        "waits for a finality gadget",
    ),
    Waiting("F6", "voting for both branches costs nothing", "nothing at stake", "waits for proof of stake"),
)
