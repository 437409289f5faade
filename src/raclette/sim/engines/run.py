"""A whole run of engine fidelity: make the world, let it decide a given amount of work, report."""

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from inspect import signature
from statistics import median
from typing import Any

from raclette.chain.genesis import CHAIN_ID_DEFAULT
from raclette.chain.header import Header
from raclette.engine.contract import Engine, EngineSetup
from raclette.primitives.errors import ConfigError
from raclette.primitives.units import SECOND
from raclette.protocols import find_protocol
from raclette.sim.config import EPOCH_S, MINING_DIFFICULTY, MINING_INTERVAL_S
from raclette.sim.engines.chain import Register, Work, WorkChain
from raclette.sim.engines.letter import Policy
from raclette.sim.engines.plan import Plan, make_plan
from raclette.sim.engines.post import Post, ReferencePost
from raclette.sim.engines.wires import Wires
from raclette.sim.engines.world import EngineWorld, Node
from raclette.sim.fast import choose_kernel
from raclette.sim.faults import Fault
from raclette.sim.models import NetworkModel, make_model
from raclette.sim.topology import random_regular
from raclette.sim.world import make_seal, make_signatures, node_ids

# A link's state is kept for every pair of nodes; beyond this it passes 100 MB. Larger worlds are for relayed blocks.
NODES_MAX = 1_000
# When work begins to arrive: after engines have greeted each other, so that greetings do not mix with decisions.
WORK_START = SECOND

Wrap = Callable[[int, Engine], Engine]


@dataclass(frozen=True, slots=True)
class Decision:
    """One block of the common chain. Times in ns of virtual time; `settled` has those of all nodes that settled on it
    (made it final, or adopted it where nothing is ever final), ascending."""

    number: int
    hash: bytes
    items: int
    made: int
    settled: tuple[int, ...]

    @property
    def latency(self) -> int:
        """From its making until half of the nodes had settled on it."""
        return int(median(self.settled)) - self.made if self.settled else 0


@dataclass(frozen=True)
class EnginesReport:
    """What a run gave, virtual quantities only: the same arguments give the same report, whatever the kernel (but for
    `kernel`). `complete`: every node that is not down for good has decided all work. `sent` and `bytes` (with 90 bytes
    a frame for the wire) count by kind at the sender, `delivered` the copies that had arrived when the run ended,
    `lost` by reason; `told` are the events that engines handled, by name."""

    protocol: str
    nodes: int
    seed: int
    policy: str
    kernel: str
    complete: bool
    virtual_ns: int
    decisions: tuple[Decision, ...]
    sent: dict[str, int]
    bytes: dict[str, int]
    delivered: dict[str, int]
    lost: dict[str, int]
    told: dict[str, int]
    accusations: dict[str, int]
    views: tuple[int, ...]
    digest: str

    @property
    def messages(self) -> int:
        """Delivered in all."""
        return sum(self.delivered.values())

    def to_json(self) -> dict[str, Any]:
        """JSON-able, with the decisions' latencies (ns) instead of their times."""
        result = asdict(self)
        result["decisions"] = [
            {"number": d.number, "hash": "0x" + d.hash.hex(), "items": d.items, "made": d.made, "latency_ns": d.latency}
            for d in self.decisions
        ]
        return result


def run_engines(
    *,
    protocol: str = "pbft",
    nodes: int = 4,
    observers: int = 0,
    parameters: Mapping[str, Any] | None = None,
    network: str | NetworkModel = "lan",
    degree: int = 0,
    blocks: int = 10,
    items: int = 1,
    item_bytes: int = 250,
    pace: int = 0,
    seed: int = 1,
    policy: str | Mapping[str, str] = "every",
    kernel: str = "auto",
    faults: Sequence[Fault] = (),
    loss_ppm: int = 0,
    duplicate_ppm: int = 0,
    deadline: int = 600 * SECOND,
    wrap: Wrap | None = None,
) -> EnginesReport:
    """Run `nodes` engines until all have decided `blocks` blocks' worth of work, or until virtual time `deadline` (ns).

    `parameters` are the protocol's genesis parameters (validators are filled in; the last `observers` nodes have no
    vote). A block's worth is `items` transactions of `item_bytes`; `pace` is the virtual time between the arrivals of
    two blocks' worth (0: all of it comes at once, one second after the start). `network` is a name for
    `models.make_model` or a model; `degree` 0 means that gossip goes to everybody directly, else along a random regular
    graph. `policy` is "every" or "quorum", or a mapping from kinds of messages to "every", "first" or "quorum". `wrap`
    may put something around an engine (a liar).

    To count the messages of single PBFT decisions, let nothing be in flight together and no checkpoint fall into the
    run: parameters {"pipeline": 1, "batch_delay_ms": 0, "checkpoint_interval": 4096, "window": 8192}, and a
    "view_timeout_ms" (600,000 at most) that is long against the run, because idle replicas greet each other every
    second one. The greetings are of kind "status"; "committed" is the announcement for nodes without a vote.

    Raises ConfigError naming the argument and what is accepted.
    """
    return EnginesRun(**locals()).run()


_DEFAULTS = {name: parameter.default for name, parameter in signature(run_engines).parameters.items()}


class EnginesRun:
    """The parts of a run, for those who want to look inside. Arguments as `run_engines`; `make` knows the defaults."""

    def __init__(
        self,
        *,
        protocol: str,
        nodes: int,
        observers: int,
        parameters: Mapping[str, Any] | None,
        network: str | NetworkModel,
        degree: int,
        blocks: int,
        items: int,
        item_bytes: int,
        pace: int,
        seed: int,
        policy: str | Mapping[str, str],
        kernel: str,
        faults: Sequence[Fault],
        loss_ppm: int,
        duplicate_ppm: int,
        deadline: int,
        wrap: Wrap | None,
    ) -> None:
        _check_counts(nodes=nodes, observers=observers, blocks=blocks, items=items, item_bytes=item_bytes, pace=pace)
        self._protocol = find_protocol(protocol)
        self._nodes = nodes
        self._observers = observers
        self._seed = seed
        self._policy = policy
        self._deadline = deadline
        self._wrap = wrap
        self._signatures = make_signatures(seed)
        self._seal = make_seal(seed)
        self._ids = node_ids(nodes, seed)
        self._parameters = self._defaults() | dict(parameters or {})
        model = make_model(network, nodes, seed) if isinstance(network, str) else network
        plan = make_plan(faults, nodes, loss_ppm, duplicate_ppm)
        genesis = Header(
            parent_hash=bytes(32),
            number=0,
            timestamp=EPOCH_S,
            difficulty=int(self._parameters.get("initial_difficulty", 1)),
        )
        register = Register(genesis, Work(blocks, items, item_bytes, pace, WORK_START))
        self.world = EngineWorld(
            self._ids,
            register,
            self._make,
            chain_id=CHAIN_ID_DEFAULT,
            seed=seed,
            plan=plan,
            seal=self._seal,
            hash_power=self._hash_power(),
        )
        neighbours = random_regular(nodes, degree, seed) if degree else None
        self.post = self._make_post(choose_kernel(kernel), model, plan, neighbours)
        self.world.post = self.post

    @classmethod
    def make(cls, **arguments: Any) -> "EnginesRun":
        """With `run_engines`' defaults for what is not given."""
        return cls(**(_DEFAULTS | arguments))

    def run(self) -> EnginesReport:
        """Until the work is done and what was under way has arrived. Python's cycle collector rests meanwhile: nothing
        here makes cycles, and looking for them among a million votes takes an eighth of the time."""
        world = self.world
        collects = gc.isenabled()
        gc.disable()
        try:
            world.start()
            complete = world.run_until(self._deadline)
            if complete:
                world.drain()
        finally:
            if collects:
                gc.enable()
        return self._report(complete)

    # --- making ---------------------------------------------------------------------------------------------------

    def _make_post(
        self, kernel: str, model: NetworkModel, plan: Plan, neighbours: Sequence[Sequence[int]] | None
    ) -> Post:
        default, policies = read_policy(self._policy)
        if kernel == "fast":
            from raclette.sim.engines.fast_post import FastPost
            from raclette.sim.engines.fast_wires import FastWires

            fast = FastWires(model, self._nodes, self._seed, plan)
            return FastPost(self.world, fast, policies, default, neighbours)
        wires = Wires(model, self._nodes, self._seed, plan)
        return ReferencePost(self.world, wires, policies, default, neighbours)

    def _defaults(self) -> dict[str, Any]:
        if self._protocol.seals:
            return {"initial_difficulty": MINING_DIFFICULTY, "block_interval_s": MINING_INTERVAL_S}
        voters = self._ids[: self._nodes - self._observers]
        names = self._protocol.parameters.model_fields
        return {"validators": ["0x" + node_id.hex() for node_id in voters]} if "validators" in names else {}

    def _hash_power(self) -> list[int]:
        if not self._protocol.seals:
            return []
        total = int(self._parameters["initial_difficulty"]) // int(self._parameters["block_interval_s"])
        miners = self._nodes - self._observers
        return [max(1, total // miners)] * miners + [0] * self._observers

    def _make(self, index: int, chain: WorkChain, records: dict[bytes, bytes]) -> Engine:
        node_id = self._ids[index]
        active = index < self._nodes - self._observers
        beneficiary = sha256(node_id).digest()[:20]
        signer = self._signatures.signer(node_id)
        setup = EngineSetup(self._parameters, chain, signer, beneficiary, records, active)
        engine = self._protocol.make(setup, self._seal)
        return engine if self._wrap is None else self._wrap(index, engine)

    # --- reporting ------------------------------------------------------------------------------------------------

    def _report(self, complete: bool) -> EnginesReport:
        world, post = self.world, self.post
        accusations: dict[str, int] = {}
        for accusation in world.accusations:
            accusations[accusation.reason] = accusations.get(accusation.reason, 0) + 1
        return EnginesReport(
            protocol=self._protocol.name,
            nodes=self._nodes,
            seed=self._seed,
            policy=self._policy if isinstance(self._policy, str) else "mixed",
            kernel=post.kernel,
            complete=complete,
            virtual_ns=world.now,
            decisions=tuple(self._decisions()),
            sent=dict(sorted(post.sent.items())),
            bytes=dict(sorted(post.bytes.items())),
            delivered=dict(sorted(post.delivered().items())),
            lost=dict(sorted(post.lost.items())),
            told=dict(sorted(world.told.items())),
            accusations=dict(sorted(accusations.items())),
            views=tuple(int(node.engine.status().get("view", 0)) for node in world.nodes),
            digest=world.trace.digest(),
        )

    def _decisions(self) -> list[Decision]:
        """The branch that the node furthest behind (of those alive) agrees on with all others."""
        world = self.world
        alive = [node for node in world.nodes if node.alive]
        decisions: list[Decision] = []
        number = 1
        while alive:
            headers = {_decided(node, number) for node in alive}
            header = headers.pop()
            if headers or header is None:
                break
            block = world.register.blocks[header.hash]
            items = world.register.taken[header.hash] - world.register.taken[header.parent_hash]
            settled = sorted(time for time in world.settled.get(header.hash, ()) if time >= 0)
            decisions.append(Decision(number, block.hash, items, world.register.made[block.hash], tuple(settled)))
            number += 1
        return decisions


def _decided(node: Node, number: int) -> Header | None:
    top = node.chain.finalized if node.engine.needs_certificate else node.chain.head
    return node.chain.canonical(number) if number <= top.number else None


def read_policy(policy: str | Mapping[str, str]) -> tuple[Policy, dict[str, Policy]]:
    """The default and those of single kinds. Raises ConfigError."""
    if not isinstance(policy, str):
        return Policy.EVERY, {kind: _policy(f"policy.{kind}", name) for kind, name in sorted(policy.items())}
    if policy not in (Policy.EVERY.value, Policy.QUORUM.value):
        raise ConfigError(f"policy: {policy!r} is unknown; accepted are every, quorum, or a mapping by kind")
    return Policy(policy), {}


def _policy(key: str, name: str) -> Policy:
    try:
        return Policy(name)
    except ValueError:
        accepted = ", ".join(policy.value for policy in Policy)
        raise ConfigError(f"{key}: {name!r} is unknown; accepted are {accepted}") from None


def _check_counts(*, nodes: int, observers: int, blocks: int, items: int, item_bytes: int, pace: int) -> None:
    if not 1 <= nodes <= NODES_MAX:
        raise ConfigError(f"nodes: {nodes}; accepted are 1 to {NODES_MAX}")
    if not 0 <= observers < nodes:
        raise ConfigError(f"observers: {observers}; accepted are 0 to {nodes - 1}")
    for name, value in (("blocks", blocks), ("items", items)):
        if value < 1:
            raise ConfigError(f"{name}: {value}; accepted are 1 and more")
    for name, value in (("item_bytes", item_bytes), ("pace", pace)):
        if value < 0:
            raise ConfigError(f"{name}: {value}; accepted are 0 and more")


__all__ = ["NODES_MAX", "Decision", "EnginesReport", "EnginesRun", "run_engines"]
