"""`raclette sim`: the same node code in the simulator."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from raclette.cli.app import app, examples
from raclette.cli.output import VERDICT_FAILED, Json, console, one_line_errors, print_json, print_pairs, print_table
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols import find_protocol

SHOWN_VIOLATIONS_MAX = 20


@app.command(
    epilog=examples(
        "raclette sim --protocol pbft --nodes 4 --seed 7",
        "raclette sim --protocol nakamoto --nodes 20 --network internet-2019 --json",
        "raclette sim --seed 3 --faults --log run.log --diagram run.svg",
        "raclette sim --diagram commit.svg --from 0.999 --to 1.004",
        "raclette sim --protocol pbft --campaign 1000",
        "raclette sim --protocol pbft --seed 17 --storm",
    ),
    rich_help_panel="Explore",
)
@one_line_errors
def sim(
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
    storm: Annotated[
        bool,
        typer.Option("--storm", help="Run the seed as a campaign does: it decides all but the protocol."),
    ] = False,
    log: Annotated[Path | None, typer.Option(help="Write the event log, one line an event.")] = None,
    diagram: Annotated[
        Path | None, typer.Option(help="Write a space-time diagram (SVG) of the run's beginning.")
    ] = None,
    start: Annotated[float, typer.Option("--from", min=0, help="Virtual second at which the diagram begins.")] = 0.0,
    stop: Annotated[float | None, typer.Option("--to", min=0, help="Virtual second at which it ends.")] = None,
    campaign: Annotated[int, typer.Option(min=0, help="Run this many seeds with faults, over all cores.")] = 0,
    json: bool = Json,
) -> None:
    """Simulate a network: virtual time, seeded, reproducible. Exit code 0 only if it agreed and no checker objected."""
    from raclette.sim.campaign import schedule, with_faults
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
    if campaign:
        _campaign(protocol, seed, campaign, json)
        return
    if storm:
        config = schedule(find_protocol(protocol).name, seed)
    elif faults:
        config.validate()
        config = with_faults(config)
    window = int(start * SECOND), None if stop is None else int(stop * SECOND)
    _single(config, log, diagram, window, json)


def _single(config: Any, log: Path | None, diagram: Path | None, window: tuple[int, int | None], json: bool) -> None:
    from raclette.sim.diagram import Diagram
    from raclette.sim.log import Entry
    from raclette.sim.simulate import simulate

    entries: list[Entry] = []
    report = simulate(config, entries.append if log or diagram else None)
    if log:
        log.write_text("".join(entry.line() + "\n" for entry in entries))
    if diagram:
        begin, end = window
        title = f"{config.protocol}, seed {config.seed}"
        diagram.write_text(Diagram(entries, config.nodes, start=begin, end=end, title=title).svg())
    result = report.to_json()
    if json:
        print_json(result)
    else:
        apart = ("messages", "bytes", "violations")  # shown below
        print_pairs("", {key: value for key, value in result.items() if key not in apart})
        kinds = sorted(result["messages"].items(), key=lambda item: -item[1])
        print_table("messages", ("kind", "count", "bytes"), ((k, n, result["bytes"].get(k, 0)) for k, n in kinds))
        for violation in result["violations"][:SHOWN_VIOLATIONS_MAX]:
            console.print(f"[red]violation[/red] {violation}")
    if not report.agreed:
        raise typer.Exit(VERDICT_FAILED)


def _campaign(protocol: str, first: int, count: int, json: bool) -> None:
    from rich.progress import Progress

    from raclette.sim.campaign import campaign

    with Progress(console=console, disable=json) as progress:
        bar = progress.add_task(f"{protocol}: {count:,} seeds", total=count)
        seeds = range(first, first + count)
        outcomes = campaign(protocol, seeds, jobs=os.cpu_count() or 1, progress=lambda _: progress.advance(bar))
    failures = [outcome for outcome in outcomes if not outcome.agreed]
    result: dict[str, Any] = {
        "protocol": protocol,
        "first_seed": first,
        "seeds": count,
        "agreed": count - len(failures),
        "blocks": sum(outcome.height for outcome in outcomes),
        "transactions": sum(outcome.transactions for outcome in outcomes),
        "failures": [
            {
                "seed": f.seed,
                "violations": f.violations,
                "replay": f"raclette sim --protocol {protocol} --seed {f.seed} --storm",
            }
            for f in failures
        ],
    }
    if json:
        print_json(result)
    else:
        print_pairs("", {key: value for key, value in result.items() if key != "failures"})
        for failure in result["failures"][:SHOWN_VIOLATIONS_MAX]:
            console.print(
                f"[red]seed {failure['seed']}[/red] {failure['violations'][:1]}\n  replay: {failure['replay']}"
            )
    if failures:
        raise typer.Exit(VERDICT_FAILED)
