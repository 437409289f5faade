"""Checkpoints: every K blocks the replicas sign what they have executed; a quorum makes it stable and the log shorter.

Castro & Liskov 1999, 4.3. The header holds the state root, so the block's hash is the paper's state digest.
"""

from collections.abc import Iterable

from raclette.chain.header import Header
from raclette.protocols.pbft import records
from raclette.protocols.pbft.core import Core
from raclette.protocols.pbft.messages import CheckpointVote
from raclette.protocols.pbft.quorum import Certificate


class Checkpoints:
    """Collects CHECKPOINTs and moves the low watermark."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.interval = core.parameters.checkpoint_interval
        # sender -> height -> vote; per sender at most `kept_max`, the highest.
        self.votes: dict[int, dict[int, CheckpointVote]] = {}
        self.kept_max = core.parameters.window // self.interval + 1
        # A stable checkpoint above what we have executed.
        self.ahead: Certificate | None = None

    def on_final(self, path: list[Header]) -> None:
        """We finalised these blocks, oldest first."""
        core = self.core
        for header in path:
            if core.me is not None and header.number % self.interval == 0:
                # PBFT-26: sign and announce every K-th final block.
                vote = core.own_checkpoint(header.number, header.hash, core.me)
                self._file(vote)
                core.broadcast(vote)
                self._count(vote)
        if core.final.number > core.high:
            # PBFT-30: beyond anything we could have voted on: state transfer brought us here, its certificate is proof.
            core.raise_low(core.final.number - core.final.number % self.interval)
        if self.ahead is not None:
            self.learn(self.ahead)

    def on_checkpoint(self, vote: CheckpointVote) -> None:
        """Somebody's CHECKPOINT."""
        self.on_checkpoints((vote,))

    def on_checkpoints(self, votes: Iterable[CheckpointVote]) -> None:
        """File each, then count what each says that is new."""
        core = self.core
        news: dict[tuple[int, bytes], CheckpointVote] = {}
        for vote in votes:
            if vote.sender == core.me or vote.height <= core.low or vote.height % self.interval:
                continue
            if self._file(vote):
                news[vote.height, vote.block_hash] = vote
        for vote in news.values():
            self._count(vote)

    def repeat_own(self) -> None:
        """PBFT-43: after a restart, our CHECKPOINTs for what is final and not yet stable. Perhaps nobody remembers
        them: after a crash of all, the low mark would stay for ever, and nothing be voted on above the high one."""
        core = self.core
        first = core.low - core.low % self.interval + self.interval
        for height in range(first, core.final.number + 1, self.interval):
            header = core.chain.canonical(height)
            if core.me is not None and header is not None:
                vote = core.own_checkpoint(height, header.hash, core.me)
                self._file(vote)
                core.broadcast(vote)
                self._count(vote)

    def own_votes_above(self, height: int) -> list[CheckpointVote]:
        """Ours, for a replica whose low mark is `height`; oldest first."""
        mine = self.votes.get(self.core.me, {}) if self.core.me is not None else {}
        return [mine[known] for known in sorted(mine) if known > height]

    def learn(self, certificate: Certificate) -> None:
        """A verified stable checkpoint: forget what is below, or fetch what we lack."""
        core = self.core
        if certificate.height <= core.low:
            return
        if certificate.height > core.final.number:
            # PBFT-30: a quorum is past us; the block's certificate and ancestors are the state transfer.
            if self.ahead is None or certificate.height > self.ahead.height:
                self.ahead = certificate
                core.want(certificate.block_hash, core.committee.ids[certificate.votes[0][0]])
            return
        own = self.votes.get(core.me, {}).get(certificate.height) if core.me is not None else None
        if own is not None and own.block_hash != certificate.block_hash:
            return
        # PBFT-27: stable.
        core.checkpoint = certificate
        core.persist(records.CHECKPOINT, records.encode_certificate(core.codec, certificate))
        core.raise_low(certificate.height)
        if self.ahead is not None and self.ahead.height <= core.low:
            self.ahead = None
        for votes in self.votes.values():
            for old in [height for height in votes if height < core.low]:
                del votes[old]

    def _file(self, vote: CheckpointVote) -> bool:
        votes = self.votes.setdefault(vote.sender, {})
        if vote.height in votes:
            return False
        votes[vote.height] = vote
        if len(votes) > self.kept_max:
            # PBFT-51: the lowest goes: an honest replica has moved on from it.
            del votes[min(votes)]
        return vote.height in votes

    def _count(self, vote: CheckpointVote) -> None:
        core = self.core
        signatures = []
        for sender in sorted(self.votes):
            other = self.votes[sender].get(vote.height)
            if other is not None and other.block_hash == vote.block_hash:
                signatures.append((sender, other.claim.signature))
        votes = tuple(signatures)
        if core.committee.weigh_votes(votes) >= core.committee.quorum:
            self.learn(Certificate(0, vote.height, vote.block_hash, core.committee.fewest_votes(votes)))
