"""`raclette node`, `raclette tracker`: one process of a network."""

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from raclette.cli.app import app, examples
from raclette.cli.output import console, one_line_errors
from raclette.live.addresses import parse_host_port
from raclette.live.config import NodeConfigFile, RpcSection, TrackerConfigFile, load_config
from raclette.live.logs import set_up_logs
from raclette.live.process import open_process, run_tracker
from raclette.rpc.config import RpcConfig
from raclette.rpc.server import RpcServer

ConfigPath = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="TOML file; keys in docs/config.md (without it: environment alone)."),
]


@app.command(epilog=examples("raclette node --config node.toml"), rich_help_panel="Operate")
@one_line_errors
def node(config: ConfigPath = None) -> None:
    """Run one node until it is interrupted. SIGTERM and Ctrl-C end it in order."""
    settings = load_config(NodeConfigFile, config)
    set_up_logs(settings.log.level, settings.log.format)
    uvloop.run(_run_node(settings))


async def _run_node(settings: NodeConfigFile) -> None:
    async with open_process(settings) as process:
        server = RpcServer(process.host, _rpc_config(settings.rpc))
        try:
            if settings.rpc.enabled:
                host, port = await server.start()
                console.print(f"JSON-RPC on http://{host}:{port}")
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, process.host.end)
            await process.host.wait()
        finally:
            await server.stop()
    if process.host.failure is not None:
        raise process.host.failure


def _rpc_config(section: RpcSection) -> RpcConfig:
    host, port = parse_host_port(section.listen)
    return RpcConfig(host=host, port=port, origins=section.origins, vhosts=section.vhosts)


@app.command(epilog=examples("raclette tracker --config tracker.toml"), rich_help_panel="Operate")
@one_line_errors
def tracker(config: ConfigPath = None) -> None:
    """Run a tracker: where peers find each other. A network goes on without it."""
    settings = load_config(TrackerConfigFile, config)
    set_up_logs(settings.log.level, settings.log.format)
    uvloop.run(run_tracker(settings))
