"""`raclette bench votes`: how many votes a second the simulator brings to PBFT's replicas."""

from typing import Annotated

import typer

from raclette.cli.app import examples
from raclette.cli.bench import group, show
from raclette.cli.output import VERDICT_FAILED, Json, one_line_errors


@group.command(
    epilog=examples(
        "raclette bench votes",
        "raclette bench votes --nodes 31 --policy every --kernel reference",
        "raclette bench votes --nodes 100 --blocks 200 --json",
    )
)
@one_line_errors
def votes(
    nodes: Annotated[int, typer.Option(min=1, max=128, help="Replicas of PBFT, each with its own engine.")] = 100,
    blocks: Annotated[int, typer.Option(min=1, help="Blocks to decide.")] = 100,
    policy: Annotated[
        str, typer.Option(help="every: engines hear each vote. quorum: the kernel counts equal votes and wakes them.")
    ] = "quorum",
    kernel: Annotated[str, typer.Option(help="auto, reference (plain Python) or fast (compiled).")] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same run, on either kernel.")] = 1,
    json: bool = Json,
) -> None:
    """Votes a second, all to all: messages delivered to PBFT's real engines, against a bare event loop.

    The digest depends on nodes, blocks, seed and policy, not on the kernel. Figures are CPU seconds of this machine;
    `ratio` is how many times as fast as a bare loop over a heap with one event a message.
    """
    from raclette.sim.engines.bench import measure

    result = measure(nodes, blocks, seed, policy, kernel)
    show(result, json, f"PBFT, {nodes} replicas, {blocks} blocks, policy {policy}, {result['kernel']} kernel")
    if not result["complete"]:
        raise typer.Exit(VERDICT_FAILED)
