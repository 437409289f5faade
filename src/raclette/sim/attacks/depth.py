"""How deep is deep enough? The confirmations after which a block is settled, against attackers of a known share.

Rosenfeld's probability that a branch mined in secret overtakes z confirmations is the regularised incomplete beta
function I_s(z, 1/2) with s = 4 p q, q the attackers' share and p = 1 - q (Grunspan and Perez-Marco, "Double spend
races", 2018). Substituting t = s u in its integral shows that it is at most s**z, which is what is used here: exact
enough (a factor of sqrt(pi z (1 - s))), and integers all the way.

A protocol's `finality_depth`, and the depth that a run's checkers hold it to, are chosen by this: a hunt in which
attackers have a share q needs a depth of at least `safe_depth(q)`, or it will find what Nakamoto told us.
"""

# Odds against a reorganisation deeper than what is called safe: a thousand runs of a thousand blocks may pass.
SAFE_ODDS = 10**9
# Shares are per mille; from this one on no depth that anybody would wait for is safe.
SHARE_MAX = 450


def safe_depth(share: int, odds: int = SAFE_ODDS) -> int:
    """Blocks after which attackers with `share` (per mille of the hash power) overtake at most once in `odds` tries.

    Raises ValueError if `share` is negative or above `SHARE_MAX`.
    """
    if not 0 <= share <= SHARE_MAX:
        raise ValueError(f"share is {share} per mille; there is a safe depth from 0 to {SHARE_MAX}")
    draw, depth, chance = 4 * share * (1000 - share), 1, 4 * share * (1000 - share)
    scale = 1_000_000
    while chance * odds > scale:
        chance, scale, depth = chance * draw, scale * 1_000_000, depth + 1
    return depth
