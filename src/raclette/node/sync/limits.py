"""Every limit of sync, with its unit and reason."""

from dataclasses import dataclass

from raclette.primitives.units import MEBIBYTE, MILLISECOND, MINUTE, SECOND


@dataclass(frozen=True, slots=True)
class SyncLimits:
    """Delays and ages are in nanoseconds."""

    # How long a peer may take to send headers or bodies: 2 MiB over a 10 Mbit/s link, with a slow round trip.
    deadline: int = 4 * SECOND
    # A peer that failed is left alone this long, doubling with each failure in a row up to the second figure.
    backoff_first: int = 1 * SECOND
    backoff_max: int = 2 * MINUTE
    # A peer whose block the engine did not take, without calling it invalid, is not asked again before this: what the
    # engine waits for (the time, another chain) takes longer than a round trip.
    untaken_rest: int = 500 * MILLISECOND
    # Checked headers whose blocks are not imported yet. About 2 KiB each.
    headers_max: int = 4_096
    # Bodies asked for or waiting for their turn: enough to keep four peers busy.
    bodies_ahead_max: int = 128
    # ... and their bytes.
    bytes_ahead_max: int = 64 * MEBIBYTE
    # Body requests under way with one peer: one travels while the next is prepared.
    requests_per_peer: int = 2
    # Blocks that the engine (or an orphan) wants, with their ancestors, at a time; and of those, by one peer's word.
    fetches_max: int = 32
    fetches_per_peer: int = 8
    # Peers asked for a wanted block before it is given up.
    fetch_peers_max: int = 4
    # Headers followed for one wanted block: a longer gap is the main chase's work, which weighs before it fetches.
    fetch_headers_max: int = 1_024
    # Blocks remembered as invalid, and for how long: nobody makes us check them over and over, and a mistake of ours
    # does not cut us off for good.
    bad_max: int = 1_024
    bad_age: int = 1 * MINUTE
    # Times that all peers are asked for a body before its block is given up.
    rounds_max: int = 3
    # Blocks on unknown parents, their bytes, one peer's share, and how long they are kept.
    orphans_max: int = 256
    orphan_bytes_max: int = 32 * MEBIBYTE
    orphans_per_peer: int = 32
    orphan_age: int = 10 * MINUTE
