"""From a resolved scenario to what the simulator runs."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from raclette.chain.presets import SAMPLE_BALANCE
from raclette.lab.scenario.model import Network, Scenario, Workload
from raclette.lab.scenario.resolve import Resolved
from raclette.lab.scenario.section import ScenarioError, join
from raclette.ledgers import LEDGERS
from raclette.primitives.units import MICROSECOND, MILLISECOND, SECOND
from raclette.protocols import PROTOCOLS
from raclette.protocols.parameters import accepts
from raclette.sim.config import NODES_MAX, SimConfig, protocol_parameters
from raclette.sim.config import Workload as SimWorkload
from raclette.sim.models import NetworkSpec, RegionTable, internet_2019, make_model
from raclette.sim.simulate import Simulation
from raclette.sim.topology import make_topology
from raclette.sim.world import node_ids


def to_config(resolved: Resolved, folder: Path = Path()) -> SimConfig:
    """The run of whole nodes that this describes. Raises ScenarioError."""
    scenario = resolved.scenario
    stop, machine = scenario.stop, scenario.machine
    seals = PROTOCOLS[scenario.protocol.name].seals
    return SimConfig(
        protocol=scenario.protocol.name,
        ledger=scenario.ledger,
        nodes=scenario.nodes,
        observers=scenario.observers,
        seed=resolved.seed,
        network=network_spec(scenario.network, scenario.nodes),
        topology=topology_name(scenario, folder),
        degree=scenario.topology.degree,
        parameters=scenario.protocol.parameters,
        accounts=scenario.workload.accounts,
        balances=balances(resolved),
        workload=workload(scenario.workload),
        faults=tuple(plan.fault for plan in resolved.faults),
        liars=dict(resolved.liars),
        hash_shares=resolved.power if seals else (),
        checkers=scenario.checkers,
        duration=stop.seconds,
        blocks=stop.blocks,
        final_blocks=stop.final_blocks,
        limit=stop.limit,
        settle=stop.settle,
        fsync_us=machine.fsync // MICROSECOND,
        cpu_us=machine.cpu // MICROSECOND,
        real_keys=machine.real_keys,
        beyond=bool(resolved.beyond),
    )


def network_spec(network: Network, nodes: int) -> NetworkSpec:
    """Raises ScenarioError if the regions do not hold `nodes`."""
    if network.model == "constant":
        return NetworkSpec("constant", network.latency, network.jitter, network.bandwidth)
    if network.model not in ("internet-2019", "regions"):
        return NetworkSpec(network.model)
    table = internet_2019() if network.model == "internet-2019" else _table(network)
    unknown = [name for name in network.nodes if name not in table.names]
    if unknown:
        raise ScenarioError(f"network.nodes.{unknown[0]}", f"is no region; accepted are {', '.join(table.names)}")
    counts = tuple(network.nodes.get(name, 0) for name in table.names) if network.nodes else ()
    if counts and sum(counts) != nodes:
        raise ScenarioError("network.nodes", f"{sum(counts)} nodes in all; accepted are {nodes}, as nodes says")
    return NetworkSpec(network.model, table=table, counts=counts)


def _table(network: Network) -> RegionTable:
    return RegionTable(
        names=network.regions,
        latency_ms=tuple(tuple(latency // MILLISECOND for latency in row) for row in network.latencies),
        overhead_ms=network.overhead // MILLISECOND,
        download=network.download,
        upload=network.upload,
        share=(1,) * len(network.regions),
        fixed=network.spread == "exact",
    )


def topology_name(scenario: Scenario, folder: Path) -> str:
    """As `sim.topology.make_topology` wants it. Raises ScenarioError for a graph that cannot be."""
    topology, nodes = scenario.topology, scenario.nodes
    if topology.kind == "file":
        if not topology.file.endswith(".json"):
            raise ScenarioError("topology.file", f"{topology.file!r}; accepted is the name of a .json file")
        return str(folder / topology.file)
    if topology.kind == "regular" and (topology.degree >= nodes or nodes * topology.degree % 2):
        said = f"{topology.degree} neighbours for each of {nodes} nodes cannot be"
        accepted = f"2 to {nodes - 1}" + (", even, because the number of nodes is odd" if nodes % 2 else "")
        raise ScenarioError("topology.degree", f"{said}; accepted are {accepted}")
    return topology.kind


def workload(load: Workload) -> SimWorkload:
    """As the simulator's clients want it."""
    return SimWorkload(
        count=load.count,
        interval=max(1, round(SECOND / load.rate)),
        start=load.start,
        patience=load.patience,
        poisson=load.arrivals == "poisson",
        values=load.values,
        value_max=load.value_max,
        mischief=load.mischief,
        outputs=load.outputs,
    )


def balances(resolved: Resolved) -> tuple[int, ...]:
    """Wei of each sample account: the same sum however it is divided. Empty if all have the same."""
    stake = resolved.stake
    if len(set(stake)) == 1:
        return ()
    total = SAMPLE_BALANCE * len(stake)
    return tuple(total * each // sum(stake) for each in stake)


def check_run(resolved: Resolved, folder: Path = Path()) -> None:
    """Would it run? Raises ScenarioError (or ConfigError) for what the simulator cannot do."""
    scenario = resolved.scenario
    if scenario.ledger not in LEDGERS:
        raise ScenarioError("ledger", f"{scenario.ledger!r} is unknown; accepted are {', '.join(LEDGERS)}")
    config = to_config(resolved, folder)
    if scenario.fidelity == "full" and scenario.nodes > NODES_MAX:
        raise ScenarioError(
            "nodes", f'{scenario.nodes}; accepted are 1 to {NODES_MAX} whole nodes (more with fidelity = "engine")'
        )
    check_parameters(config)
    if scenario.fidelity == "engine":
        return
    if "kernel" in scenario.model_fields_set and scenario.kernel == "fast":
        raise ScenarioError("kernel", '"fast" carries engines; accepted with whole nodes are auto and reference')
    if "block_bytes" in scenario.workload.model_fields_set:
        raise ScenarioError("workload.block_bytes", 'means nothing with whole nodes; accepted is fidelity = "engine"')
    config.validate()
    make_topology(config.topology, config.nodes, config.seed, config.degree, internet_2019().degree_per_1000)
    make_model(config.network, config.nodes, config.seed)
    if config.checkers:
        _check_names(config)


def _check_names(config: SimConfig) -> None:
    """Do these checkers watch such a run? Asked of a small one, because they come with a world. Raises ConfigError."""
    small = SimConfig(protocol=config.protocol, ledger=config.ledger, checkers=config.checkers, accounts=1)
    Simulation(replace(small, workload=SimWorkload(count=0)))


def check_parameters(config: SimConfig) -> None:
    """Raises ScenarioError below `protocol`."""
    model = PROTOCOLS[config.protocol].parameters
    parameters: Mapping[str, object] = protocol_parameters(config, node_ids(config.nodes, config.seed))
    try:
        model.model_validate(dict(parameters))
    except ValidationError as error:
        detail = error.errors()[0]
        path = join("protocol", detail["loc"])
        if path == "protocol.validators":
            raise ScenarioError("nodes", f"{config.nodes - config.observers} that vote; {accepts(detail)}") from None
        if detail["type"] == "extra_forbidden":
            raise ScenarioError(path, f"unknown key; accepted are name, {', '.join(model.model_fields)}") from None
        if not detail["loc"]:
            raise ScenarioError(path, accepts(detail)) from None  # keys that do not fit together: all of them are input
        raise ScenarioError(path, f"{str(detail['input'])[:60]}; {accepts(detail)}") from None
