"""`docs/cli.md`, written from the commands themselves, so that it cannot lie.

Parameters are read as typer keeps them (typer 0.29): names, help, default, variable of the environment.
"""

import re
from collections.abc import Iterator
from typing import Any

from rich.markup import render
from typer.main import get_command

from raclette.cli.app import app
from raclette.cli.console import OWN, VERBS
from raclette.cli.output import EXIT_CODES

# In the order in which a newcomer needs them.
PANELS = ("Start here", "Use", "Look", "Explore", "Operate")

_HEAD = """# The command line

`raclette --help` and `raclette COMMAND --help` say the same as this page, which is generated from the code
(`make docs`).

Results go to standard output, errors to standard error: one line, and one of these exit codes. With `--json` a command
prints JSON alone, with every hash in full; amounts in wei and other integers above 2**53 are strings, because
JavaScript cannot count that far.

| exit code | means |
|---|---|
"""
_ENVIRONMENT = """
| variable | means |
|---|---|
| `RACLETTE_RPC` | the node that `send`, `balance`, `block`, `console` … ask: `http://127.0.0.1:8545` |
| `RACLETTE_WALLET` | folder of the keystores: `~/.raclette/wallet` |
| `RACLETTE_PASSPHRASE` | passphrase of the account, for scripts; else it is asked for |
"""


def reference() -> str:
    """The whole page, in Markdown."""
    codes = "".join(f"| {code} | {meaning} |\n" for code, meaning in EXIT_CODES.items())
    parts = [_HEAD + codes + _ENVIRONMENT]
    panel = ""
    for path, command in commands():
        if len(path) == 1 and _panel(command) != panel:
            panel = _panel(command)
            parts.append(f"## {panel}\n")
        parts.append(_section(path, command))
        if path == ("console",):
            parts.append(_verbs())
    return "\n".join(parts)


def commands() -> list[tuple[tuple[str, ...], Any]]:
    """(words, command) of every command and group, panel by panel, by name within: whatever was imported first."""
    root: Any = get_command(app)
    ordered = sorted(root.commands.items(), key=lambda item: (PANELS.index(_panel(item[1])), item[0]))
    return [found for name, command in ordered for found in _with_inner((name,), command)]


def _with_inner(path: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _with_inner((*path, name), inner)


def _panel(command: Any) -> str:
    return str(command.rich_help_panel)


def example_lines(command: Any) -> list[str]:
    """The lines of the Examples of a command's help, without the prompt."""
    return re.findall(r"(?m)^\s*\$ (.*)$", render(command.epilog or "").plain)


def _section(path: tuple[str, ...], command: Any) -> str:
    words = " ".join(path)
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    usage = " ".join(
        ["raclette", words, *("COMMAND" for _ in [1] if hasattr(command, "commands")), *map(_usage, arguments)]
    )
    lines = [f"{'#' * (2 + len(path))} `{words}`\n", _plain(command.help) + "\n"]
    lines += [f"    {usage}{' [OPTIONS]' if options else ''}\n"]
    rows = [_row(p) for p in (*arguments, *options)]
    if rows:
        lines += ["| | default | meaning |\n|---|---|---|\n" + "".join(rows)]
    examples = example_lines(command)
    if examples:
        lines += ["```console", *(f"$ {line}" for line in examples), "```\n"]
    return "\n".join(lines)


def _usage(argument: Any) -> str:
    name = argument.name.upper() + ("…" if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = f"`{parameter.name.upper()}`"
    else:
        name = ", ".join(f"`{option}`" for option in (*parameter.opts, *parameter.secondary_opts))
    switch = parameter.param_type_name == "option" and parameter.is_flag and not parameter.secondary_opts
    hidden = switch or parameter.default is None or parameter.default == "" or parameter.required
    default = "" if hidden else f"`{parameter.default}`"
    return f"| {name} | {default} | {_plain(parameter.help)} |\n"


def _verbs() -> str:
    rows = [(name, verb.usage, verb.about) for name, verb in VERBS.items()] + list(OWN)
    lines = (
        f"| `{name}` | {f'`{usage}`'.replace('|', ' or ') if usage else ''} | {about} |\n"
        for name, usage, about in rows
    )
    return "| verb of the console | | what it does |\n|---|---|---|\n" + "".join(lines)


def _plain(text: str | None) -> str:
    """Help as Markdown: one paragraph a paragraph, without the help's own mark-up."""
    plain = render(text or "").plain
    return "\n\n".join(" ".join(part.split()) for part in plain.split("\n\n")).replace("|", "\\|")
