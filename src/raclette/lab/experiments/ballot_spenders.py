"""A ballot network with double spenders, on a network that falls apart now and then: the world of `ballot-quorum`.

Every node owns something, each another amount. Honest nodes pay each other. Liars vote twice, and pay twice: one nonce,
one transaction to a merchant in one part of the network and another to a friend in the other part, at the same moment.
A double spend *succeeds* if some honest node had the first in its chain with so many confirmations, delivered the goods
therefore, and the chain that remains holds the second.
"""

from dataclasses import dataclass, field
from fractions import Fraction

from raclette.chain.header import Header
from raclette.chain.presets import SAMPLE_BALANCE, sample_key
from raclette.chain.transaction import sign_transfer
from raclette.ledgers import ledger_of
from raclette.node.host import NewHead, Notice
from raclette.primitives.errors import Refused
from raclette.primitives.randomness import Random
from raclette.primitives.units import HOUR, SECOND
from raclette.sim.config import SimConfig, Workload
from raclette.sim.faults import Fault, Partition
from raclette.sim.host import Host
from raclette.sim.kernel import Kind
from raclette.sim.liars import LiarSpec
from raclette.sim.simulate import Simulation, view_of
from raclette.sim.world import World

# The network is whole for a while, then in two parts, again and again. Times in ns.
PERIOD, APART, FIRST_APART = 60 * SECOND, 30 * SECOND, 20 * SECOND
# How often each liar pays twice, and each honest node once.
SPEND_EVERY, PAY_EVERY = 10 * SECOND, 15 * SECOND
# Seconds of virtual time for which there are partitions and payments, for each block that is asked for.
SECONDS_PER_BLOCK = 8
# Checkers of progress; the others are about what is written.
PROGRESS = ("liveness", "progress")
_STREAM_PARTS, _STREAM_PAYMENTS = 901, 902


@dataclass
class Spend:
    """One nonce, two transactions. `seen[c]` are those that some honest node had with c confirmations."""

    raws: tuple[bytes, bytes]
    seen: dict[int, set[bytes]] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """What a run gave.

    `blocks` are on the chain that remains, `stale` those that an honest node adopted and gave up. `succeeded[c]`:
    double spends after c confirmations, of `attempted`. `broken` lists what checkers found, but for
    `stalled`: that the chain did not go on.
    """

    blocks: int
    stale: int
    deepest: int
    attempted: int
    succeeded: dict[int, int]
    convicted: int
    broken: tuple[str, ...]
    stalled: tuple[str, ...]
    minutes: float


def config_of(
    quorum: Fraction, *, nodes: int, liars: int, faults: Fraction, apart: int, blocks: int, seed: int
) -> SimConfig:
    """The run: `apart` of the `nodes` (others each time) are cut off in every period; `faults` is the share of the
    weight that voters who repeat a vote assume to lie. Raises ConfigError."""
    random = Random(seed, _STREAM_PARTS)
    horizon = blocks * SECONDS_PER_BLOCK * SECOND
    cuts: list[Fault] = []
    for start in range(FIRST_APART, horizon, PERIOD):
        small = tuple(sorted(random.sample(range(nodes), apart)))
        rest = tuple(node for node in range(nodes) if node not in small)
        cuts.append(Partition(at=start, groups=(small, rest), lasting=APART))
    # Liars in the middle of the order: no poor ones, and none whose word decides everything.
    first = (nodes - liars) // 2
    return SimConfig(
        protocol="ballot",
        nodes=nodes,
        seed=seed,
        network="wan",
        parameters={
            "quorum": f"{quorum.numerator}/{quorum.denominator}",
            "faults": f"{faults.numerator}/{faults.denominator}",
        },
        accounts=nodes,
        balances=tuple(SAMPLE_BALANCE * (1 + place) for place in range(nodes)),
        workload=Workload(count=0),
        faults=tuple(cuts),
        liars={node: LiarSpec.of("equivocate") for node in range(first, first + liars)},
        duration=horizon,
        blocks=blocks,
        limit=4 * HOUR,
        beyond=True,
    )


class Spenders(Simulation):
    """A simulation whose clients are these. `confirmations` are the depths at which merchants deliver."""

    def __init__(self, config: SimConfig, confirmations: tuple[int, ...]) -> None:
        self.confirmations = confirmations
        self.spends: list[Spend] = []
        self._lawful: set[bytes] = set()
        self._by_raw: dict[bytes, Spend] = {}
        self._adopted: dict[bytes, int] = {}
        self._deepest = 0
        super().__init__(config)
        self._decode_raw = ledger_of(self.genesis).decode
        self.world.observers.append(self)
        self._plan()

    def _sent(self, raw: bytes) -> bool:
        return raw in self._lawful or super()._sent(raw)

    # --- payments -------------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        """Everybody's payments, for as long as the network is troubled."""
        config, random = self.config, Random(self.config.seed, _STREAM_PAYMENTS)
        for node in range(config.nodes):
            lies = node in config.liars
            every = SPEND_EVERY if lies else PAY_EVERY
            for nonce, time in enumerate(range(SECOND + node * SECOND // 4, config.duration, every)):
                to = [other for other in range(config.nodes) if other != node]
                merchant, friend = random.sample(to, 2)
                raws = [self._payment(node, nonce, receiver) for receiver in (merchant, friend)]
                if lies:
                    self._plan_double(time, (merchant, friend), (raws[0], raws[1]), random)
                else:
                    self._submit_at(time, node, raws[0])

    def _payment(self, node: int, nonce: int, receiver: int) -> bytes:
        raw = sign_transfer(
            sample_key(node),
            chain_id=self.genesis.chain_id,
            nonce=nonce,
            to=sample_key(receiver).address,
            value=1 + nonce,
            fee=1,
        )
        self._lawful.add(raw)
        return raw

    def _plan_double(self, time: int, places: tuple[int, int], raws: tuple[bytes, bytes], random: Random) -> None:
        """One to each part of the network, if it is in parts then."""
        apart = [fault for fault in self.config.faults if isinstance(fault, Partition)]
        now = [fault for fault in apart if fault.at <= time < fault.at + fault.lasting]
        if now:
            places = (random.choice(now[0].groups[0]), random.choice(now[0].groups[1]))
        spend = Spend(raws)
        self.spends.append(spend)
        for place, raw in zip(places, raws, strict=True):
            self._by_raw[raw] = spend
            self._submit_at(time, place, raw)

    def _submit_at(self, time: int, place: int, raw: bytes) -> None:
        content = int.from_bytes(raw[-8:], "big") >> 1
        self.world.plan(time, Kind.CLIENT, place, content, self._hand_in, (place, raw))

    def _hand_in(self, order: tuple[int, bytes]) -> None:
        place, raw = order
        try:
            self.world.submit(place, self._decode_raw(raw))
        except Refused:
            return

    # --- what became of them --------------------------------------------------------------------------------------

    def observe(self, world: World, host: Host, notice: Notice) -> None:
        """What honest nodes adopt, and how deep it lies."""
        if not isinstance(notice, NewHead) or not host.honest:
            return
        view = view_of(host)
        self._deepest = max(self._deepest, len(notice.removed))
        for header in notice.added:
            self._adopted[header.hash] = header.number
        lowest = min((header.number for header in notice.added), default=0)
        for confirmations in self.confirmations:
            for number in range(max(1, lowest - confirmations + 1), view.head.number - confirmations + 2):
                self._deliver(view.canonical(number), confirmations, host)

    def _deliver(self, header: Header | None, confirmations: int, host: Host) -> None:
        block = view_of(host).block(header.hash) if header is not None else None
        for raw in block.transactions if block is not None else ():
            spend = self._by_raw.get(raw)
            if spend is not None:
                spend.seen.setdefault(confirmations, set()).add(raw)

    def found(self) -> Found:
        """Run it, and count. The chain that remains is that of the lowest honest node."""
        report = self.run()
        host = next(host for host in self.world.hosts if host.honest)
        view = view_of(host)
        main: set[bytes] = set()
        raws: set[bytes] = set()
        for number in range(1, view.head.number + 1):
            header = view.canonical(number)
            block = view.block(header.hash) if header is not None else None
            if block is not None:
                main.add(block.hash)
                raws.update(block.transactions)
        attempted = [spend for spend in self.spends if any(raw in raws for raw in spend.raws)]
        succeeded = {
            c: sum(1 for spend in attempted if any(raw not in raws for raw in spend.seen.get(c, ())))
            for c in self.confirmations
        }
        told = [f"{one['checker']}: {one['detail']}" for one in report.violations]
        return Found(
            blocks=view.head.number,
            stale=sum(1 for block_hash in self._adopted if block_hash not in main),
            deepest=self._deepest,
            attempted=len(attempted),
            succeeded=succeeded,
            convicted=report.evidence,
            broken=tuple(text for text in told if not text.startswith(PROGRESS)),
            stalled=tuple(text for text in told if text.startswith(PROGRESS)),
            minutes=report.virtual_ms / 60_000,
        )
