"""`raclette`: every command, put together. Each group of commands has a file of its own."""

import sys
from typing import Annotated

import typer

from raclette.cli.version import version_text

app = typer.Typer(
    name="raclette",
    help="A blockchain you can take apart: one node, a simulator and a real network.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def examples(*lines: str) -> str:
    """The part of a command's help that shows how it is used."""
    return "[bold]Examples[/bold]\n\n" + "\n\n".join(f"  [cyan]$ {line}[/cyan]" for line in lines)


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(version_text() + "\n")
        raise typer.Exit


@app.callback(
    epilog="Exit codes: 0 done, 1 a check failed, 2 bad arguments or files, 3 bad database, 4 no node answers, "
    "5 refused. All commands: docs/cli.md."
)
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """A blockchain you can take apart: one node, a simulator and a real network."""
