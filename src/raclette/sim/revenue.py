"""What lying earned: blocks, stale blocks, reorganisations and double spends of a proof-of-work run with attackers."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from raclette.chain.header import Header
from raclette.node.host import NewHead, Notice
from raclette.protocols.nakamoto.mining import TAG_BYTES
from raclette.sim.attacks.pool import Pool
from raclette.sim.attacks.strategies import PrivateChain
from raclette.sim.checkers.contract import Subject
from raclette.sim.checkers.quality import branch, miner_tag
from raclette.sim.host import Host
from raclette.sim.liars.contract import LiarSpec
from raclette.sim.liars.pooled import POOL
from raclette.sim.world import World

# Where a share of anything is rounded in reports.
DIGITS = 6


class Revenue:
    """An observer: what honest nodes adopted and what they had to give up again.

    A block is counted once any honest node has adopted it; a pool's hidden blocks are known to the pool, so its `found`
    counts those too.
    """

    def __init__(self, subject: Subject, plots: Mapping[LiarSpec, Mapping[str, Any]]) -> None:
        self._subject = subject
        self._plots = plots
        self._seen: dict[bytes, Header] = {}
        self._depths: Counter[int] = Counter()

    def observe(self, world: World, host: Host, notice: Notice) -> None:
        """Remember what is adopted, and how deep reorganisations go."""
        if isinstance(notice, NewHead) and host.honest:
            self._seen.update((header.hash, header) for header in notice.added)
            if notice.removed:
                self._depths[len(notice.removed)] += 1

    def report(self, world: World) -> dict[str, Any]:
        """Per pool and for the honest: nodes, share of the hash power, blocks found, on the main chain and stale, and
        relative revenue (part of the main chain)."""
        line = branch(world, self._subject)
        main = {header.hash for header in line}
        groups: dict[str, Any] = {}
        for spec, members in self._groups(world).items():
            groups[spec] = self._group(world, members, line, main)
        for lie, plot in self._plots.items():
            pool = plot.get(POOL)
            if isinstance(pool, Pool):
                groups[str(lie)] |= _of_pool(pool, groups[str(lie)]["main"])
        return {
            "height": len(line),
            "stale": sum(group["stale"] for group in groups.values()),
            "reorganisations": {str(depth): self._depths[depth] for depth in sorted(self._depths)},
            "groups": groups,
        }

    def _groups(self, world: World) -> dict[str, list[Host]]:
        groups: dict[str, list[Host]] = {"honest": []}
        for host in world.hosts:
            spec = self._subject.config.liars.get(host.index)
            groups.setdefault("honest" if spec is None else str(spec), []).append(host)
        return groups

    def _group(self, world: World, members: list[Host], line: list[Header], main: set[bytes]) -> dict[str, Any]:
        tags = {host.node_id[:TAG_BYTES] for host in members}
        won = sum(1 for header in line if miner_tag(header) in tags)
        stale = sum(1 for header in self._seen.values() if miner_tag(header) in tags and header.hash not in main)
        power = sum(host.hash_power for host in world.hosts)
        share = sum(host.hash_power for host in members) / power if power else 0.0
        return {
            "nodes": [host.index for host in members],
            "hash_share": round(share, DIGITS),
            "found": won + stale,
            "main": won,
            "stale": stale,
            "revenue": round(won / max(1, len(line)), DIGITS),
        }


def _of_pool(pool: Pool, main: int) -> dict[str, Any]:
    """What only the pool knows."""
    known: dict[str, Any] = {"found": pool.found, "stale": pool.found - main}
    if isinstance(pool.strategy, PrivateChain):
        spends = pool.strategy
        known |= {"attempts": spends.attempts, "successes": spends.successes, "failures": spends.failures}
    return known
