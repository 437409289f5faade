"""A small world for statistics: a few real engines, no network, twenty thousand blocks in seconds.

Each engine stands for a group of miners with one view of the chain: a pool with the share `alpha` of the hash power,
and two groups of honest miners. Blocks travel in no time; all that is left of the network is an order. When an honest
miner finds a block and the pool answers with one of its own, the first honest group (the share `gamma` of the honest
power) hears the pool's block first and the second group the honest one: this is the gamma of Eyal and Sirer (FC 2014),
set and not measured. A group is many miners, so a block found in it reaches the group's engine like any other block,
and may come second there.

The engines are the protocol's own, with its fork choice, its header rules and its difficulty; the pool is the one that
`sim.liars` puts around a whole node. Left out are latency, gossip, transactions, and stale blocks among the honest.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import Engine, EngineSetup
from raclette.engine.effects import Adopt, Effect, Publish, Seal
from raclette.engine.events import BlockReceived, Event, Sealed, Started, TimerFired
from raclette.primitives.errors import ConfigError, InvariantBroken
from raclette.primitives.hashing import sha256
from raclette.primitives.randomness import Random
from raclette.primitives.signing import IdealSignatures
from raclette.primitives.units import SECOND
from raclette.protocols.nakamoto import IdealSeal, Parameters, make_engine
from raclette.protocols.nakamoto.difficulty import make_rule
from raclette.protocols.nakamoto.mining import MINE
from raclette.protocols.parameters import parse_parameters
from raclette.sim import fixed
from raclette.sim.attacks.ledger import Ledger
from raclette.sim.attacks.miner import Clock, PoolMiner, true_clock
from raclette.sim.attacks.pool import Pool
from raclette.sim.attacks.strategies import PrivateChain, Strategy
from raclette.sim.attacks.view import View

# Shares of hash power are integers of this many parts, so that every draw is the same everywhere.
PARTS = 1_000_000_000
# Seconds between blocks, and hashes of one, at the start: Bitcoin's interval, and a difficulty with room below it.
INTERVAL_S = 600
DIFFICULTY = 1 << 40
EPOCH = 1_700_000_000 * SECOND
CHAIN_ID = 1
_STREAM_ATTACK = 11
_POOL = 0


@dataclass(frozen=True)
class AttackReport:
    """What came of `blocks` found blocks, of which `height` are on the main chain.

    `revenue` is the pool's part of the main chain, `stale` what is not on it (of which the pool found `pool_stale`).
    `reorganisations` counts, by depth in blocks, how often an honest group had to leave its branch. `attempts`,
    `successes` and `failures` are those of double spends. `seconds` is virtual time; `difficulty` the last block's.
    """

    strategy: str
    alpha: float
    gamma: float
    rule: str
    seed: int
    blocks: int
    height: int
    pool_blocks: int
    pool_main: int
    stale: int
    pool_stale: int
    seconds: int
    difficulty: int
    work: int
    reorganisations: Mapping[int, int] = field(default_factory=dict)
    attempts: int = 0
    successes: int = 0
    failures: int = 0

    @property
    def revenue(self) -> float:
        """The pool's part of the main chain, 0 to 1."""
        return self.pool_main / max(1, self.height)

    @property
    def success_rate(self) -> float:
        """Of double spends that have ended."""
        return self.successes / max(1, self.successes + self.failures)


class Watcher(Protocol):
    """Hears what happens, as it happens; groups are numbered: the pool is 0, those who hear it first 1, the others 2.
    `now` is the virtual time since the beginning (ns)."""

    def found(self, now: int, group: int, header: Header) -> None:
        """`group` found a block."""

    def adopted(self, now: int, group: int, block_hash: bytes, depth: int) -> None:
        """`group` works on this block now, after giving up `depth` blocks of its branch."""


class _Group:
    """An engine, its view, and its hash power in parts."""

    def __init__(self, number: int, power: int, parameters: Mapping[str, Any], genesis: Header) -> None:
        self.number = number
        self.power = power
        self.view = View(genesis, CHAIN_ID)
        self.beneficiary = sha256(b"raclette miners %d" % number)[:20]
        self.setup = EngineSetup(
            parameters=parameters,
            chain=self.view,
            signer=IdealSignatures(bytes(32)).signer(sha256(b"raclette group %d" % number)),
            beneficiary=self.beneficiary,
            records={},
        )
        self.engine: Engine = make_engine(self.setup, seal_check=_SEAL)


_SEAL = IdealSeal(sha256(b"raclette instant world"))


class InstantWorld:
    """The pool, the honest who hear it first, and the honest who hear each other first."""

    def __init__(
        self,
        strategy: Strategy,
        alpha: float,
        gamma: float,
        seed: int = 1,
        *,
        parameters: Mapping[str, Any] | None = None,
        clock: Clock = true_clock,
        watcher: Watcher | None = None,
    ) -> None:
        """`parameters` are nakamoto's, over fixed difficulty and an interval of ten minutes. Raises ConfigError."""
        if not 0 <= alpha < 1:
            raise ConfigError(f"alpha: {alpha}; accepted are 0 up to, not including, 1")
        if not 0 <= gamma <= 1:
            raise ConfigError(f"gamma: {gamma}; accepted are 0 to 1")
        given = {
            "difficulty_rule": "fixed",
            "initial_difficulty": DIFFICULTY,
            "block_interval_s": INTERVAL_S,
            "half_life_s": 72 * INTERVAL_S,
        } | dict(parameters or {})
        self.parameters = parse_parameters(Parameters, given)
        genesis = Header(bytes(32), 0, EPOCH // SECOND, difficulty=self.parameters.initial_difficulty)
        pool_power = round(alpha * PARTS)
        first = round(gamma * (PARTS - pool_power))
        powers = (pool_power, first, PARTS - pool_power - first)
        self.groups = [_Group(number, power, given, genesis) for number, power in enumerate(powers)]
        self.pool = Pool(strategy)
        attacker = self.groups[_POOL]
        attacker.engine = PoolMiner(attacker.engine, attacker.setup, self.pool, clock=clock)
        self.now = EPOCH
        self.ledger = Ledger(genesis)
        self.reorganisations: Counter[int] = Counter()
        self._watcher = watcher
        self._rule = make_rule(self.parameters, genesis)
        self._random = Random(seed, _STREAM_ATTACK)
        # Hashes a second of one part, scaled: so that all parts make a block an interval at the initial difficulty.
        self._scale = self.parameters.initial_difficulty
        for group in self.groups:
            self._handle(group, Started(self.now))

    # One block

    def step(self) -> None:
        """Somebody finds the next block, and everybody hears what there is to hear."""
        group = self._draw()
        header = _SEAL.seal(self._candidate(group))
        self.ledger.found(header, group.number)
        if self._watcher is not None:
            self._watcher.found(self.now - EPOCH, group.number, header)
        if group.number == _POOL:
            shown = self._handle(group, Sealed(self.now, header))
            for honest in self.groups[1:]:
                self._deliver(honest, shown)
            return
        block = Block(header)
        answer = self._handle(self.groups[_POOL], BlockReceived(self.now, None, block, b""))
        self._deliver(self.groups[1], [*answer, block])
        self._deliver(self.groups[2], [block, *answer])

    def _draw(self) -> _Group:
        """When is the next block found, and by whom? Each group searches at the difficulty of its own branch."""
        targets = [self.pool.tip, *(group.view.head.hash for group in self.groups[1:])]
        rates = []
        for group, tip in zip(self.groups, targets, strict=True):
            parent = group.view.header(tip)
            if parent is None:
                raise InvariantBroken(f"group {group.number} mines on a block that it does not have")
            rates.append((group.power << 64) // self._rule.after(parent))
        total = sum(rates)
        mean = self.parameters.block_interval_s * SECOND * ((PARTS << 64) // self._scale) // total
        self.now += 1 + fixed.exponential(mean, self._random.next64())
        pick = self._random.below(total)
        for group, rate in zip(self.groups, rates, strict=True):
            if pick < rate:
                return group
            pick -= rate
        raise InvariantBroken("a draw beyond the total")

    def _candidate(self, group: _Group) -> Header:
        """What the group searches a nonce for. Built only when it is found: a search has no memory."""
        for effect in group.engine.handle(TimerFired(self.now, MINE)):
            if isinstance(effect, Seal):
                return effect.header
        raise InvariantBroken(f"group {group.number} does not mine")

    def _deliver(self, group: _Group, blocks: list[Block]) -> None:
        if group.power:
            for block in blocks:
                self._handle(group, BlockReceived(self.now, None, block, b""))

    def _handle(self, group: _Group, event: Event) -> list[Block]:
        """The blocks that the engine made public."""
        effects: tuple[Effect, ...] = group.engine.handle(event)
        shown: list[Block] = []
        for effect in effects:
            if isinstance(effect, Adopt):
                depth = group.view.adopt(effect.block_hash)
                if depth and group.number != _POOL:
                    self.reorganisations[depth] += 1
                if self._watcher is not None:
                    self._watcher.adopted(self.now - EPOCH, group.number, effect.block_hash, depth)
            elif isinstance(effect, Publish) and (block := getattr(effect.message, "block", None)) is not None:
                shown.append(block)
        return shown

    # The whole run

    @property
    def head(self) -> Header:
        """That of the larger honest group: a race that is on counts for the branch that it works on."""
        return max(self.groups[1:], key=lambda group: group.power).view.head

    def run(self, blocks: int) -> None:
        """`blocks` more blocks."""
        for _ in range(blocks):
            self.step()

    def report(self, seed: int, alpha: float, gamma: float) -> AttackReport:
        """What the honest hold now (see `head`)."""
        head = self.head
        owners = self.ledger.owners_of_branch(head.hash)
        found = self.ledger.found_by(_POOL)
        mine = sum(1 for owner in owners if owner == _POOL)
        strategy = self.pool.strategy
        spends = strategy if isinstance(strategy, PrivateChain) else None
        return AttackReport(
            strategy=strategy.name,
            alpha=alpha,
            gamma=gamma,
            rule=self.parameters.fork_choice,
            seed=seed,
            blocks=self.ledger.blocks,
            height=head.number,
            pool_blocks=found,
            pool_main=mine,
            stale=self.ledger.blocks - head.number,
            pool_stale=found - mine,
            seconds=(self.now - EPOCH) // SECOND,
            difficulty=head.difficulty,
            work=self.ledger.work_of_branch(head.hash),
            reorganisations=dict(sorted(self.reorganisations.items())),
            attempts=spends.attempts if spends else 0,
            successes=spends.successes if spends else 0,
            failures=spends.failures if spends else 0,
        )


def run_attack(
    strategy: Strategy,
    alpha: float,
    gamma: float,
    blocks: int,
    seed: int = 1,
    rule: str = "heaviest",
    *,
    parameters: Mapping[str, Any] | None = None,
    clock: Clock = true_clock,
) -> AttackReport:
    """Let `blocks` blocks be found by a pool with the share `alpha` that plays `strategy`, and by honest miners of whom
    the share `gamma` hears the pool first. `rule` is the fork choice, `heaviest` or `ghost`; `parameters` are further
    ones of nakamoto's; `clock` says what the pool writes as its time. Raises ConfigError."""
    given = {"fork_choice": rule} | dict(parameters or {})
    world = InstantWorld(strategy, alpha, gamma, seed, parameters=given, clock=clock)
    world.run(blocks)
    return world.report(seed, alpha, gamma)
