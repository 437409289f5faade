"""`raclette testbed FILE`: a scenario on real processes, and the simulator's run beside it."""

import asyncio
import shlex
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from raclette.cli.app import app, examples
from raclette.cli.output import (
    VERDICT_FAILED,
    Json,
    console,
    errors,
    one_line_errors,
    print_json,
    print_table,
)
from raclette.cli.scenarios import Beyond, Order, Set
from raclette.cli.violations import show_violations
from raclette.primitives.errors import ConfigError

if TYPE_CHECKING:
    from raclette.cli.testbed.run import BedRun
    from raclette.cli.testbed.wires import Wires
    from raclette.lab.report import Run
    from raclette.sim.config import SimConfig


@app.command(
    "testbed",
    epilog=examples(
        "raclette testbed quiet-pbft",
        "raclette testbed pbft-partition --out report",
        "raclette testbed mine.toml --wires loopback --json",
        "raclette testbed pbft-wan-seven --hosts inventory.toml --out report",
    ),
    rich_help_panel="Explore",
)
@one_line_errors
def run_testbed(
    file: Annotated[str, typer.Argument(help="A scenario file, or the name of one: see `raclette scenarios`.")],
    put: Set = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the scenario's draws; default: its first.")] = None,
    beyond: Beyond = False,
    wires: Annotated[
        Literal["auto", "namespaces", "loopback"],
        typer.Option(help="namespaces: one for each process, with the scenario's delays; loopback: none."),
    ] = "auto",
    hosts: Annotated[
        Path | None, typer.Option(help="Run on these hosts, over SSH: an inventory file (docs/testbed.md).")
    ] = None,
    neighbours: Annotated[
        str, typer.Option(help="Whom the tracker links a newcomer with: all, third (at random), or fanout:N.")
    ] = "all",
    simulate: Annotated[
        bool, typer.Option("--sim/--no-sim", help="Run the same scenario in the simulator, for comparison.")
    ] = True,
    out: Annotated[Path | None, typer.Option(help="Write the report into this folder.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Keep keys, databases and logs in this folder.")] = None,
    json: bool = Json,
) -> None:
    """Run a scenario on real processes: on this machine, or on others over SSH. Exit code 0 only if everything held.

    Faults that can be done to processes are done: kills, stops, and with namespaces partitions, delay and loss. What
    cannot be done (liars, broken clocks and disks) is listed in the result.
    """
    from raclette.lab.scenario import resolve, to_config

    order = Order(file, put=put or [], beyond=beyond, seed=seed, seeds=0)
    if order.scenario.fidelity != "full":
        fidelity = order.scenario.fidelity
        why = "has no nodes that could be processes" if fidelity == "instant" else "has no whole nodes"
        raise ConfigError(f'fidelity: "{fidelity}" {why}; accepted on a testbed is "full"')
    if hosts is not None and wires == "namespaces":
        raise ConfigError("--wires namespaces: stands beside --hosts; accepted there is none")
    first = order.scenario.seeds[0]
    config = to_config(resolve(order.scenario, first), order.file.folder)
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="raclette-testbed-")))
        with console.status("") if not json else errors.status("") as status:
            real = asyncio.run(_run(config, folder, wires, hosts, neighbours, lambda text: status.update(text)))
            status.update("the same in the simulator")
            simulated = _simulated(config) if simulate else None
    found = _result(real.report, simulated)
    if out is not None:
        _write(order, real, simulated, out, ["raclette", "testbed", file, "--seed", str(first)])
        found["written"] = str(out / "report.html")
    if json:
        print_json(found)
    else:
        _show(found, simulated)
    if not real.report["agreed"]:
        raise typer.Exit(VERDICT_FAILED)


async def _run(
    config: "SimConfig", folder: Path, wanted: str, hosts: Path | None, neighbours: str, progress: Any
) -> "BedRun":
    from raclette.cli.testbed.run import run_on_processes

    wires = await _open(config, wanted, hosts, progress)
    try:
        return await run_on_processes(config, folder, wires, progress, neighbours=neighbours)
    finally:
        await wires.close()


async def _open(config: "SimConfig", wanted: str, hosts: Path | None, progress: Any) -> "Wires":
    """The wires that were asked for, or the best that this machine allows."""
    from raclette.cli.testbed.namespaces import WiresFailed, open_namespaces, why_not
    from raclette.cli.testbed.remote import Hosts, read_inventory
    from raclette.cli.testbed.wires import Loopback
    from raclette.sim.models import NetworkSpec

    if hosts is not None:
        return Hosts(read_inventory(hosts), config.nodes)
    missing = why_not()
    if wanted == "loopback" or (wanted == "auto" and missing):
        return Loopback()
    if missing:
        raise ConfigError(f"--wires namespaces: {missing}")
    network = config.network if isinstance(config.network, NetworkSpec) else NetworkSpec(config.network)
    try:
        return await open_namespaces(config.nodes, network, config.seed)
    except WiresFailed as failure:
        if wanted == "namespaces":
            raise
        progress(f"loopback, because {failure}")
        return Loopback()


def _simulated(config: "SimConfig") -> "Run":
    from raclette.lab.report import Run
    from raclette.sim.simulate import Simulation

    simulation = Simulation(config, record=True)
    report = simulation.run().to_json()
    if simulation.record is None:
        raise ConfigError("a simulation that was asked to record did not")
    return Run(report, simulation.record)


def _result(real: Mapping[str, Any], simulated: "Run | None") -> dict[str, Any]:
    if simulated is None:
        return dict(real)
    from raclette.lab.report.side_by_side import compare

    rows = compare(simulated.report, real)
    table = {name: {"simulator": left, "processes": right, "ratio": ratio} for name, left, right, ratio in rows}
    return {**real, "side_by_side": table, "simulator_agreed": simulated.report["agreed"]}


def _write(order: Order, real: "BedRun", simulated: "Run | None", out: Path, words: list[str]) -> None:
    from raclette.lab.report import Run
    from raclette.lab.report.side_by_side import write_side_by_side

    for pair in order.put:
        words += ["--set", pair]
    title = order.scenario.title or order.file.name
    write_side_by_side(
        simulated, Run(real.report, real.record), out, title=title, scenario=order.file.text, replay=shlex.join(words)
    )


def _show(found: Mapping[str, Any], simulated: "Run | None") -> None:
    if simulated is not None:
        rows = found["side_by_side"].items()
        columns = ("quantity", "simulator", "processes", "ratio")
        cells = ((name, row["simulator"], row["processes"], _short(row["ratio"])) for name, row in rows)
        print_table(f"{found['protocol']} on {found['wires']}", columns, cells)
    for each in found["skipped"]:
        console.print(f"[yellow]not done[/yellow] {each['what']}: {each['why']}")
    show_violations(found["violations"])
    if "written" in found:
        console.print(f"report: {found['written']}", markup=False)
    verdict = "[green]every property held[/green]" if found["agreed"] else "[red]a property was broken[/red]"
    console.print(f"{verdict} on {found['nodes']} processes")


def _short(ratio: Any) -> str:
    return f"{ratio:.3g}" if isinstance(ratio, float) else str(ratio)
