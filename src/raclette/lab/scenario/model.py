"""A scenario file as data: what is run, attacked, broken and asked, and nothing about who runs it.

Simulator and testbed read the same model. Times are virtual nanoseconds, shares parts per million, rates bits a second;
node numbers count from 0. Which nodes lie or break may be left to the seed, see `nodes.py`.
"""

from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from raclette.lab.scenario.attacker import Attacker
from raclette.lab.scenario.section import Section, wrong
from raclette.lab.scenario.values import Duration, Rate, Seconds, Share, parse_share
from raclette.ledgers.coins.limits import OUTPUTS_MAX
from raclette.primitives.units import HOUR, MICROSECOND, MILLISECOND, SECOND

# Nodes of the largest world that a kernel holds; whole nodes are bounded further, by the simulator's NODES_MAX.
NODES_MAX = 100_000
# Runs of one command. A sweep of more has a journal (`raclette sweep`).
SEEDS_MAX = 100_000
SEED_MAX = 2**63 - 1
_VIOLATES = "violates:"


def _as_tuple(value: Any) -> Any:
    """TOML's lists are lists; ours do not change."""
    return tuple(_as_tuple(item) for item in value) if isinstance(value, list) else value


def _is_number(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _read_nodes(value: Any) -> Any:
    """Raises ValueError."""
    if isinstance(value, (list, tuple)):
        if value and all(_is_number(node, 0, NODES_MAX - 1) for node in value) and len(set(value)) == len(value):
            return tuple(value)
    elif isinstance(value, float) or (isinstance(value, str) and value.endswith("%")):
        return Portion(parse_share(value))
    elif _is_number(value, 1, NODES_MAX) or (isinstance(value, str) and value):
        return value
    raise ValueError(
        f"{value!r}; accepted is a list of different node numbers, how many (1 and more), a share as "
        '"30%" or 0.3, or the name of a group'
    )


def _read_seeds(value: Any) -> Any:
    """Raises ValueError."""
    if isinstance(value, dict) and set(value) <= {"first", "count"}:
        first, count = value.get("first", 1), value.get("count", 1)
        if _is_number(first, 0, SEED_MAX - SEEDS_MAX) and _is_number(count, 1, SEEDS_MAX):
            return tuple(range(first, first + count))
    seeds = [value] if isinstance(value, int) else value
    listed = isinstance(seeds, (list, tuple)) and 0 < len(seeds) <= SEEDS_MAX
    if listed and all(_is_number(seed, 0, SEED_MAX) for seed in seeds) and len(set(seeds)) == len(seeds):
        return tuple(seeds)
    raise ValueError(
        f"{value!r}; accepted is a seed of at least 0, a list of different ones (at most {SEEDS_MAX:,}), or "
        "{ first = 1, count = 20 }"
    )


def _read_outputs(value: Any) -> Any:
    """Raises ValueError."""
    pair = tuple(value) if isinstance(value, (list, tuple)) else (value, value)
    if len(pair) == 2 and all(_is_number(part, 1, OUTPUTS_MAX - 1) for part in pair) and pair[0] <= pair[1]:
        return pair
    raise ValueError(f"{value!r}; accepted is how many (1 to {OUTPUTS_MAX - 1}), or [least, most]")


class Portion(int):
    """A share of nodes or of what they hold, in parts per million."""


Tuple = BeforeValidator(_as_tuple)
Node: TypeAlias = Annotated[int, Field(ge=0, lt=NODES_MAX)]
Choice: TypeAlias = int | Portion | str | tuple[int, ...]
"""Which nodes: numbers, how many (drawn from the seed), a `Portion`, or the name of a group."""
Nodes: TypeAlias = Annotated[Any, BeforeValidator(_read_nodes)]
"""A `Choice`, as it is written."""
Outputs: TypeAlias = Annotated[tuple[int, int], BeforeValidator(_read_outputs)]
Seeds: TypeAlias = Annotated[tuple[int, ...], BeforeValidator(_read_seeds)]


class Protocol(Section):
    """The consensus protocol; every other key is one of its parameters (`raclette protocols` lists them)."""

    model_config = ConfigDict(extra="allow")
    choice: ClassVar[str] = "name"
    name: str = Field(default="pbft", description="Name of the protocol.")

    @property
    def parameters(self) -> dict[str, Any]:
        """All keys but `name`."""
        return dict(self.model_extra or {})


class Network(Section):
    """How long messages take."""

    choice: ClassVar[str] = "model"
    belong: ClassVar = {
        "lan": frozenset[str](),
        "wan": frozenset[str](),
        "constant": frozenset({"latency", "jitter", "bandwidth"}),
        "internet-2019": frozenset({"nodes"}),
        "regions": frozenset({"nodes", "regions", "latencies", "upload", "download", "overhead", "spread"}),
    }
    model: Literal["lan", "wan", "constant", "internet-2019", "regions"] = Field(
        default="lan",
        description="`lan`: one switch, 0.5 ms, 1 Gbit/s. `wan`: 20 to 25 ms, 100 Mbit/s. `internet-2019`: the six "
        "regions of Aoki et al. `constant` and `regions` take the figures below.",
    )
    latency: Duration = Field(default=20 * MILLISECOND, description="constant: from any node to any other.")
    jitter: Duration = Field(default=0, description="constant: up to this much more, drawn uniformly for each message.")
    bandwidth: Rate = Field(default=100_000_000, description="constant: of every node's port.")
    nodes: dict[str, Annotated[int, Field(ge=0)]] = Field(
        default_factory=dict,
        description="internet-2019, regions: how many nodes are in each region. Default: by the model's shares.",
    )
    regions: Annotated[tuple[str, ...], Tuple] = Field(default=(), description="regions: their names.")
    latencies: Annotated[tuple[tuple[Duration, ...], ...], Tuple] = Field(
        default=(), description="regions: a row for each region: latency to each region, in whole milliseconds."
    )
    upload: Annotated[tuple[Rate, ...], Tuple] = Field(default=(), description="regions: of a node in each region.")
    download: Annotated[tuple[Rate, ...], Tuple] = Field(default=(), description="regions: of a node in each region.")
    overhead: Duration = Field(default=0, description="regions: added to every message, in whole milliseconds.")
    spread: Literal["exact", "pareto"] = Field(
        default="exact", description="regions: latencies as they stand, or drawn as in SimBlock around them."
    )

    @model_validator(mode="after")
    def _tables_fit(self) -> Self:
        if self.model != "regions":
            return self
        count = len(self.regions)
        if not count or len(set(self.regions)) != count:
            raise wrong("regions", "accepted is a list of different names, at least one")
        for key in ("latencies", "upload", "download"):
            if len(getattr(self, key)) != count:
                raise wrong(key, f"has {len(getattr(self, key))} entries; accepted is one for each of {count} regions")
        for row, latencies in enumerate(self.latencies):
            if len(latencies) != count or any(latency % MILLISECOND for latency in latencies):
                raise wrong(f"latencies[{row}]", f"accepted are {count} durations in whole milliseconds")
        if self.overhead % MILLISECOND:
            raise wrong("overhead", "accepted is a duration in whole milliseconds")
        unknown = [name for name in self.nodes if name not in self.regions]
        if unknown:
            raise wrong(f"nodes.{unknown[0]}", f"is no region; accepted are {', '.join(self.regions)}")
        return self


class Topology(Section):
    """Who is linked with whom."""

    choice: ClassVar[str] = "kind"
    belong: ClassVar = {
        "full": frozenset[str](),
        "regular": frozenset({"degree"}),
        "bitcoin": frozenset[str](),
        "file": frozenset({"file"}),
    }
    kind: Literal["full", "regular", "bitcoin", "file"] = Field(
        default="full",
        description="`full`: everybody with everybody. `regular`: a random graph, `degree` neighbours each. `bitcoin`: "
        "outbound degrees as measured in 2015. `file`: pairs of node numbers.",
    )
    degree: int = Field(default=8, ge=2, description="regular: neighbours of each node.")
    file: str = Field(default="", description="file: a JSON list of pairs; relative to the scenario file.")


class Distribution(Section):
    """How something is divided among nodes (hash power) or accounts (stake). Whole numbers, drawn from the seed."""

    choice: ClassVar[str] = "kind"
    belong: ClassVar = {
        "equal": frozenset[str](),
        "list": frozenset({"values"}),
        "shares": frozenset({"shares"}),
        "zipf": frozenset({"exponent"}),
        "pareto": frozenset({"shape"}),
        "normal": frozenset({"deviation"}),
    }
    kind: Literal["equal", "list", "shares", "zipf", "pareto", "normal"] = Field(
        default="equal",
        description="`equal`; `list`: as `values` say; `shares`: of named groups, the rest equally to the others; "
        "`zipf`: the k-th largest has 1 / k**exponent, who is which is drawn; `pareto`, `normal`: drawn one by one.",
    )
    values: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Tuple] = Field(
        default=(), description="list: one relative amount each."
    )
    shares: dict[str, Share] = Field(default_factory=dict, description="shares: of each named group, together.")
    exponent: float = Field(default=1.0, ge=0, le=4, description="zipf: 0 is equal, 1 is Zipf's law.")
    shape: float = Field(default=1.16, ge=0.1, le=20, description="pareto: 1.16 gives a fifth of them four fifths.")
    deviation: Share = Field(default=250_000, description="normal: standard deviation as a share of the mean.")


class Workload(Section):
    """The transactions that clients submit, signed by sample accounts. With `bank` they pay each other; with `coins`
    too, from change; with `poll` they vote and register voters; with `data` they add entries."""

    count: int = Field(default=100, ge=0, le=1_000_000, description="How many.")
    rate: float = Field(default=20.0, gt=0, le=1_000_000, description="How many a second.")
    start: Duration = Field(default=SECOND, description="When the first comes.")
    arrivals: Literal["even", "poisson"] = Field(default="even", description="At equal distances, or at random.")
    accounts: int = Field(default=100, ge=1, le=1_000, description="Sample accounts that send and receive.")
    values: Literal["uniform", "fixed", "pareto"] = Field(
        default="uniform", description="Amounts: 1 to `value_max`, all `value_max`, or mostly small (Pareto, 80/20)."
    )
    value_max: int = Field(default=1_000_000, ge=1, le=10**18, description="Largest amount, in wei.")
    outputs: Outputs = Field(
        default=(1, 1),
        description="coins: receivers of one payment, or `[least, most]` to draw from. A single one is drawn from all; "
        "several are the next accounts, and share the amount in random parts.",
    )
    mischief: int = Field(
        default=0, ge=0, description="Tricks that clients who mean harm play beside them, with accounts of their own."
    )
    patience: Duration = Field(default=3 * SECOND, description="After this a client tries the next node, too.")
    block_bytes: int = Field(
        default=535_000, ge=1, le=2_097_152, description="Engine fidelity: how large every block pretends to be."
    )


class Liars(Section):
    """Nodes that lie, all in the same way and in the same plot; every other key is a parameter of the kind."""

    model_config = ConfigDict(extra="allow")
    kind: str = Field(description="What they do.")
    nodes: Nodes = Field(
        default=1,
        description="Who: a list of numbers, how many (drawn from the seed), a share of the hash power or of the "
        'votes ("30%": as many nodes as hold at most that), or the name of a group.',
    )
    power: Share | None = Field(
        default=None, description="Proof of work: what they have together, whatever `[hash-power]` says."
    )

    @property
    def parameters(self) -> dict[str, Any]:
        """The keys that are not declared here."""
        return dict(self.model_extra or {})


class Fault(Section):
    """Something that goes wrong at a time; the kind decides which other keys there are."""

    model_config = ConfigDict(extra="allow")
    kind: str = Field(description="What goes wrong.")
    at: Duration = Field(description="When it begins.")
    lasting: Duration = Field(default=0, alias="for", description="How long it lasts; 0: it has no end.")
    nodes: Nodes = Field(
        default=None,
        description="Whom, one fault each: as for liars. Instead of `node`, for the kinds that have it.",
    )
    stagger: Duration = Field(default=0, description="With `nodes`: each begins this much after the one before.")
    repeat: int = Field(default=1, ge=1, le=10_000, description="How often; each time `nodes` are drawn anew.")
    every: Duration = Field(default=0, description="With `repeat`: from one time to the next.")

    @property
    def details(self) -> dict[str, Any]:
        """The keys that are not declared here."""
        return dict(self.model_extra or {})

    @model_validator(mode="after")
    def _repeats_go_on(self) -> Self:
        if self.repeat > 1 and not self.every:
            raise wrong("every", "is missing: with repeat, accepted is a duration above 0")
        return self


class Stop(Section):
    """When a run is over."""

    seconds: Seconds = Field(default=10 * SECOND, description="Virtual time at least.")
    blocks: int = Field(default=0, ge=0, description="Go on until every honest node's head has this height.")
    final_blocks: int = Field(default=0, ge=0, description="Go on until this height is final at every honest node.")
    limit: Seconds = Field(default=HOUR, description="With a height: give up after this much virtual time.")
    settle: Seconds = Field(
        default=120 * SECOND, description="Then wait at most this long until all agree and nothing is pending."
    )


class Machine(Section):
    """The computer that each node runs on."""

    fsync: Duration = Field(default=200 * MICROSECOND, description="What making a write durable costs; whole us.")
    cpu: Duration = Field(default=0, description="How long a node is busy with each event; whole us.")
    real_keys: bool = Field(default=False, description="Sign with Ed25519 instead of ideal signatures.")

    @model_validator(mode="after")
    def _whole_microseconds(self) -> Self:
        for key in ("fsync", "cpu"):
            if getattr(self, key) % MICROSECOND:
                raise wrong(key, "accepted is a duration in whole microseconds")
        return self


class Scenario(Section):
    """A whole file. Everything has a default: an empty file is four PBFT nodes and a hundred transfers."""

    title: str = Field(default="", max_length=200, description="What it shows, in one line.")
    about: str = Field(default="", description="What to look at, in as many lines as it needs.")
    nodes: int = Field(default=4, ge=1, le=NODES_MAX, description="Number of nodes.")
    observers: int = Field(default=0, ge=0, description="The last so many of them only follow.")
    ledger: str = Field(default="bank", description="Name of the ledger (`raclette ledgers`).")
    fidelity: Literal["full", "engine", "instant"] = Field(
        default="full",
        description="`full`: whole nodes with gossip, sync, mempool and ledger. `engine`: the protocol's engine over a "
        "light chain, blocks relayed by the kernel, for thousands of nodes. `instant`: an attacker on proof of work "
        "against two groups of honest miners, without a network.",
    )
    kernel: Literal["auto", "reference", "fast"] = Field(
        default="auto", description="Engine fidelity: which kernel carries the messages; both give the same run."
    )
    seeds: Seeds = Field(default=(1,), description="One, a list, or `{ first = 1, count = 20 }`.")
    checkers: Annotated[tuple[str, ...], Tuple] = Field(
        default=(), description="Which properties are watched. Default: all that apply."
    )
    metrics: Annotated[tuple[str, ...], Tuple] = Field(default=(), description="Which are reported. Default: all.")
    beyond: bool = Field(default=False, description="More liars than the protocol claims to bear are meant.")
    expect: str = Field(
        default="holds",
        description='What a run should find: "holds", or "violates: <checker>" in some run, and by no other checker.',
    )
    variables: dict[str, Any] = Field(
        default_factory=dict, description='Values by name: "$name" anywhere in the file is replaced by it.'
    )
    groups: dict[str, Annotated[tuple[Node, ...], Tuple]] = Field(
        default_factory=dict, description="Nodes by name: lists of numbers."
    )
    protocol: Protocol = Field(default=Protocol(), description="The protocol and its parameters.")
    network: Network = Field(default=Network(), description="How long messages take.")
    topology: Topology = Field(default=Topology(), description="Who is linked with whom.")
    machine: Machine = Field(default=Machine(), description="The computer that each node runs on.")
    hash_power: Distribution = Field(
        default=Distribution(), alias="hash-power", description="Hash power of the nodes, under proof of work."
    )
    stake: Distribution = Field(
        default=Distribution(), description="Money of the sample accounts; account number i is node i's."
    )
    workload: Workload = Field(default=Workload(), description="The clients' transactions.")
    liars: Annotated[tuple[Liars, ...], Tuple] = Field(default=(), description="Those who lie.")
    faults: Annotated[tuple[Fault, ...], Tuple] = Field(default=(), description="What goes wrong, and when.")
    stop: Stop = Field(default=Stop(), description="When a run is over.")
    attacker: Attacker = Field(default=Attacker(), description="Instant fidelity: who attacks, and how.")

    @property
    def expected_violations(self) -> tuple[str, ...]:
        """Names of the checkers that are expected to object; none if everything should hold."""
        if not self.expect.startswith(_VIOLATES):
            return ()
        return tuple(name.strip() for name in self.expect.removeprefix(_VIOLATES).split(","))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.fidelity != "instant" and "attacker" in self.model_fields_set:
            raise wrong(
                "attacker", f'means nothing at {self.fidelity} fidelity; accepted with it is fidelity = "instant"'
            )
        if self.observers >= self.nodes:
            raise wrong("observers", f"{self.observers}; accepted are 0 to {self.nodes - 1}, less than nodes")
        if self.expect != "holds" and not all(self.expected_violations or ("",)):
            raise wrong("expect", f'{self.expect!r}; accepted are "holds" and "violates: <checker>, ..."')
        for name, members in self.groups.items():
            for place, node in enumerate(members):
                if node >= self.nodes:
                    raise wrong(f"groups.{name}[{place}]", f"{node}; accepted are 0 to {self.nodes - 1}")
        return self
