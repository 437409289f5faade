"""`raclette sim`: the same node code in the simulator."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raclette.cli.app import app, examples
from raclette.cli.output import VERDICT_FAILED, Json, one_line_errors, print_json, print_pairs, print_table
from raclette.cli.scenarios import Beyond, Order, Set, judged, run_order, show_verdict
from raclette.cli.violations import show_blame, show_violations
from raclette.primitives.errors import ConfigError
from raclette.primitives.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from raclette.sim.config import SimConfig
    from raclette.sim.log import Entry


@app.command(
    epilog=examples(
        "raclette sim pbft-partition",
        "raclette sim mine.toml --seeds 20 --out report",
        "raclette sim nakamoto-selfish --set attacker.share=0.4 --seed 3 --json",
        "raclette sim selfish-race --set attacker.share=0.3 --set gamma=0 --seeds 20",
        "raclette sim pbft-partition --watch",
        "raclette sim --protocol pbft --nodes 4 --seed 7",
        "raclette sim --protocol nakamoto --nodes 20 --network internet-2019 --json",
        "raclette sim --seed 3 --faults --log run.log --diagram run.svg",
        "raclette sim --diagram commit.svg --from 0.999 --to 1.004",
    ),
    rich_help_panel="Explore",
)
@one_line_errors
def sim(
    context: typer.Context,
    file: Annotated[
        str | None, typer.Argument(help="A scenario file, or the name of one: see `raclette scenarios`.")
    ] = None,
    put: Set = None,
    seeds: Annotated[int, typer.Option(min=0, help="With FILE: so many seeds, over all cores.")] = 0,
    beyond: Beyond = False,
    out: Annotated[Path | None, typer.Option(help="With FILE: write report and records into this folder.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show the run in the terminal as it happens.")] = False,
    jobs: Annotated[int, typer.Option(min=0, help="With FILE: processes; 0: one for each core.")] = 0,
    kernel: Annotated[
        str | None, typer.Option(help="With FILE, engine fidelity: auto, reference or fast; the same run.")
    ] = None,
    protocol: Annotated[str, typer.Option(help="Consensus protocol: see `raclette protocols`.")] = "pbft",
    ledger: Annotated[str, typer.Option(help="Ledger: see `raclette ledgers`.")] = "bank",
    nodes: Annotated[int, typer.Option("--nodes", "-n", min=1, help="Number of nodes.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same run, on any machine.")] = 1,
    network: Annotated[str, typer.Option(help="Network model: lan, wan, internet-2019.")] = "lan",
    seconds: Annotated[float, typer.Option(min=0.1, help="Virtual seconds at least.")] = 10.0,
    transactions: Annotated[int, typer.Option(min=0, help="Signed transfers to submit.")] = 100,
    faults: Annotated[
        bool, typer.Option("--faults", help="Add crashes, loss, partitions and liars, drawn from the seed.")
    ] = False,
    log: Annotated[Path | None, typer.Option(help="Write the event log, one line an event.")] = None,
    diagram: Annotated[
        Path | None, typer.Option(help="Write a space-time diagram (SVG) of the run's beginning.")
    ] = None,
    start: Annotated[float, typer.Option("--from", min=0, help="Virtual second at which the diagram begins.")] = 0.0,
    stop: Annotated[float | None, typer.Option("--to", min=0, help="Virtual second at which it ends.")] = None,
    json: bool = Json,
) -> None:
    """Simulate a network: virtual time, seeded, reproducible. Exit code 0 only if it agreed and no checker objected.

    With FILE the scenario says what is run; without it the options below do.
    """
    given = _given(context)
    window = int(start * SECOND), None if stop is None else int(stop * SECOND)
    if file is not None:
        _refuse(given & _WITHOUT_FILE, "stands beside a scenario file; accepted is --set")
        if kernel is not None:
            put = [*(put or []), f"kernel={kernel!r}"]
        order = Order(file, put=put or [], beyond=beyond, seed=seed if "seed" in given else None, seeds=seeds)
        if log or diagram or watch:
            _scenario_once(order, log, diagram, window, json=json, watch=watch)
        else:
            run_order(order, json=json, out=out, jobs=jobs)
        return
    _refuse(given & _WITH_FILE, "needs a scenario file: see `raclette scenarios`")

    config = _plain(protocol, ledger, nodes, seed, network, seconds, transactions, faults)
    if watch:
        _watch(config, f"{config.protocol}, seed {config.seed}", json)
    else:
        _single(config, log, diagram, window, json)


# Options that make sense only without, or only with, a scenario file.
_WITHOUT_FILE = frozenset({"protocol", "ledger", "nodes", "network", "seconds", "transactions", "faults"})
_WITH_FILE = frozenset({"put", "seeds", "beyond", "out", "jobs", "kernel"})


def _given(context: typer.Context) -> set[str]:
    """Names of the parameters that the command line set."""
    return {
        name
        for name in context.params
        if (source := context.get_parameter_source(name)) is not None and source.name == "COMMANDLINE"
    }


def _refuse(names: set[str], why: str) -> None:
    """Raises ConfigError for the first of them."""
    if names:
        name = sorted(names)[0]
        raise ConfigError(f"--{'set' if name == 'put' else name} {why}")


def _plain(
    protocol: str, ledger: str, nodes: int, seed: int, network: str, seconds: float, transactions: int, faults: bool
) -> "SimConfig":
    """What is run without a scenario file: transfers over four fifths of the time, and drawn faults if asked for."""
    from raclette.sim.config import SimConfig, Workload

    interval = int(seconds * SECOND * 8 // 10) // max(1, transactions)
    config = SimConfig(
        protocol=protocol,
        ledger=ledger,
        nodes=nodes,
        seed=seed,
        network=network,
        duration=int(seconds * SECOND),
        workload=Workload(count=transactions, interval=max(MILLISECOND, interval), start=SECOND),
    )
    if not faults:
        return config
    from raclette.lab.hunt.nodes import with_faults

    config.validate()
    return with_faults(config)


def _scenario_once(
    order: Order, log: Path | None, diagram: Path | None, window: tuple[int, int | None], *, json: bool, watch: bool
) -> None:
    """One seed of a scenario, with its log, its diagram, or before one's eyes."""
    from raclette.lab.scenario import resolve, run_seed, to_config

    scenario = order.scenario
    if len(scenario.seeds) != 1:
        raise ConfigError(
            f"seeds: {len(scenario.seeds)} runs; accepted with --log, --diagram and --watch is one (--seed)"
        )
    if scenario.fidelity != "full":
        raise ConfigError(
            f'fidelity: "{scenario.fidelity}"; accepted with --log, --diagram and --watch is "full", whole nodes'
        )
    seed = scenario.seeds[0]
    if watch:
        _watch(to_config(resolve(scenario, seed), order.file.folder), f"{order.file.name}, seed {seed}", json)
        return
    entries: list[Entry] = []
    outcome = run_seed(scenario, seed, order.file.folder, log=entries.append)
    _write_entries(entries, scenario.nodes, f"{order.file.name}, seed {seed}", log, diagram, window)
    found = judged(order, [outcome])
    if json:
        print_json(found)
    else:
        show_verdict(found, scenario, None)
    if not outcome.agreed:
        raise typer.Exit(VERDICT_FAILED)


def _watch(config: "SimConfig", title: str, json: bool) -> None:
    from raclette.cli.watch import watch
    from raclette.sim.simulate import Simulation

    report = watch(Simulation(config, record=True), title)
    if report is None:
        return
    if json:
        print_json(report.to_json())
    else:
        _show(report.to_json())
    if not report.agreed:
        raise typer.Exit(VERDICT_FAILED)


def _write_entries(
    entries: Sequence["Entry"],
    nodes: int,
    title: str,
    log: Path | None,
    diagram: Path | None,
    window: tuple[int, int | None],
) -> None:
    from raclette.sim.diagram import Diagram

    if log:
        log.write_text("".join(entry.line() + "\n" for entry in entries))
    if diagram:
        begin, end = window
        diagram.write_text(Diagram(entries, nodes, start=begin, end=end, title=title).svg())


def _single(
    config: "SimConfig", log: Path | None, diagram: Path | None, window: tuple[int, int | None], json: bool
) -> None:
    from raclette.sim.simulate import simulate

    entries: list[Entry] = []
    report = simulate(config, entries.append if log or diagram else None)
    _write_entries(entries, config.nodes, f"{config.protocol}, seed {config.seed}", log, diagram, window)
    if json:
        print_json(report.to_json())
    else:
        _show(report.to_json())
    if not report.agreed:
        raise typer.Exit(VERDICT_FAILED)


def _show(result: dict[str, Any]) -> None:
    apart = ("messages", "bytes", "violations", "verdict")  # shown below
    print_pairs("", {key: value for key, value in result.items() if key not in apart})
    kinds = sorted(result["messages"].items(), key=lambda item: -item[1])
    print_table("messages", ("kind", "count", "bytes"), ((k, n, result["bytes"].get(k, 0)) for k, n in kinds))
    show_violations(result["violations"])
    show_blame(result["verdict"])
