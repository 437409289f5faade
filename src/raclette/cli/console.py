"""`raclette console`: a prompt over the same verbs as the command line.

A line is taken apart as a shell would, its verb is looked up in `VERBS`, and the command of that name runs with the
console's node and wallet. So everything that a command can do works here, and an error is one line, as there.
"""

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import typer
from typer.main import get_command

from raclette.cli import purse
from raclette.cli.app import app, examples
from raclette.cli.look import ask
from raclette.cli.money import DEFAULT_RPC, Rpc
from raclette.cli.output import (
    OK,
    USAGE,
    Json,
    console,
    errors,
    one_line_errors,
    print_json,
    print_pairs,
    print_table,
)
from raclette.cli.wallet import Folder
from raclette.primitives.amounts import format_amount

PROMPT = "raclette> "
HISTORY_LINES_MAX = 1_000


class Verb(NamedTuple):
    """`command` is the words that the command line wants for it; `options` what the console adds."""

    command: tuple[str, ...]
    usage: str
    about: str
    options: tuple[str, ...] = ("--rpc",)


_BOTH = ("--rpc", "--wallet")
VERBS: Mapping[str, Verb] = {
    "accounts": Verb(("wallet", "list"), "", "list the accounts of the wallet", ("--wallet",)),
    "new": Verb(("wallet", "new"), "NAME", "make an account", ("--wallet",)),
    "use": Verb(("wallet", "use"), "NAME", "choose the account that sends and reads", ("--wallet",)),
    "balance": Verb(("balance",), "[NAME…]", "show balances", _BOTH),
    "send": Verb(("send",), 'NAME AMOUNT [-m "TEXT"]', "send coins, and a sealed message", _BOTH),
    "inbox": Verb(("inbox",), "[--from NAME]", "read sealed messages", _BOTH),
    "register": Verb(("register",), "NAME [--fund AMOUNT]", "publish a name, with money from a faucet", _BOTH),
    "vote": Verb(("vote",), "ELECTION CHOICE", "vote in an election (ledger poll)", _BOTH),
    "reveal": Verb(("reveal",), "ELECTION", "make a sealed vote count", _BOTH),
    "tally": Verb(("tally",), "ELECTION", "count an election's votes"),
    "elections": Verb(("elections",), "", "list the elections"),
    "status": Verb(("status",), "", "the node at a glance"),
    "peers": Verb(("peers",), "", "whom the node is linked with"),
    "block": Verb(("block",), "[NUMBER|HASH|TAG]", "show a block"),
    "votes": Verb(("votes",), "", "votes that are still open"),
    "leader": Verb(("leader",), "", "who may propose"),
}
# What is no command of the command line: verb, usage, what it does.
OWN = (
    ("mine", "", "whether this node mines, and how hard it is"),
    ("help", "[VERB]", "this list, or all about a verb"),
    ("quit", "", "leave (also Ctrl-D)"),
)


class Prompt:
    """Where lines go. `code` is the exit code of the last line that failed, 0 if none did."""

    def __init__(self, rpc: str, wallet: Path | None, json: bool) -> None:
        self._rpc, self._wallet, self._json = rpc, wallet, json
        self._command = get_command(app)
        self._own: dict[str, Callable[[list[str]], int]] = {"help": self._help, "mine": self._mine}
        self.code = OK

    def run(self, lines: Iterator[str]) -> None:
        """Carry out lines until they end, or one says quit."""
        for line in lines:
            try:
                words = shlex.split(line, comments=True)
            except ValueError as error:
                self.code = self._wrong(f"that line cannot be taken apart: {str(error).lower()}")
                continue
            if words and words[0] in ("quit", "exit"):
                return
            if words:
                self.code = self._do(words[0], words[1:]) or self.code

    def _do(self, name: str, rest: list[str]) -> int:
        if name in self._own:
            return self._own[name](rest)
        if name not in VERBS:
            return self._wrong(f"no verb {name!r}: `help` lists them")
        verb = VERBS[name]
        return self._run([*verb.command, *self._given(verb), *rest])

    def _given(self, verb: Verb) -> list[str]:
        """The console's own node, wallet and form; what the line says itself comes later and wins."""
        values = {"--rpc": self._rpc, "--wallet": None if self._wallet is None else str(self._wallet)}
        given = [word for option in verb.options if (value := values[option]) for word in (option, value)]
        return [*given, "--json"] if self._json else given

    def _run(self, words: list[str]) -> int:
        """A command of the command line. Returns its exit code."""
        try:
            return self._command.main(words, prog_name="raclette", standalone_mode=False) or OK
        except (typer.Abort, KeyboardInterrupt):
            return self._wrong("interrupted")
        except Exception as error:
            message = getattr(error, "format_message", None)  # a usage error of the command line's parser
            if message is None:
                raise
            return self._wrong(message())

    def _help(self, rest: list[str]) -> int:
        if rest:
            return self._run([*VERBS[rest[0]].command, "--help"]) if rest[0] in VERBS else self._help([])
        rows = [(name, verb.usage, verb.about) for name, verb in VERBS.items()] + list(OWN)
        if self._json:
            print_json([dict(zip(("verb", "usage", "about"), row, strict=True)) for row in rows])
        else:
            print_table("", ("verb", "", "what it does"), rows)
        return OK

    @staticmethod
    def _wrong(message: str) -> int:
        errors.print("[red]error:[/red]", message.replace("\n", " "), soft_wrap=True, markup=True)
        return USAGE

    def _mine(self, rest: list[str]) -> int:
        code = 0

        @one_line_errors
        def show() -> None:
            state = ask(self._rpc, "raclette_consensusState")
            found = {key: state[key] for key in _MINING if key in state}
            if self._json:
                print_json(found)
            elif found:
                print_pairs("", found | {"reward": format_amount(_integer(found["reward"]))})
                console.print(
                    "A node mines if its configuration says so: [node] active and miner_threads.", markup=False
                )
            else:
                console.print(f"{state['protocol']} has no mining: nodes propose in turn, and vote", markup=False)

        try:
            show()
        except typer.Exit as ended:
            code = ended.exit_code
        return code


def _integer(value: int | str) -> int:
    """JSON-RPC writes numbers that JavaScript cannot hold as 0x-text."""
    return int(value, 16) if isinstance(value, str) else value


_MINING = ("mining", "difficulty", "difficulty_rule", "hashes_per_s", "reward", "reorganisations")


@app.command(
    "console",
    epilog=examples(
        "raclette console",
        'echo "balance alice" | raclette console',
        "raclette console --json < verbs.txt",
    ),
    rich_help_panel="Use",
)
@one_line_errors
def console_command(rpc: Rpc = DEFAULT_RPC, wallet: Folder = None, json: bool = Json) -> None:
    """An interactive prompt over the same verbs: `help` lists them. Reads standard input if that is no terminal.

    A line that fails says why and ends nothing; the exit code is that of the last one that failed. A passphrase is
    asked for once.
    """
    prompt = Prompt(rpc, wallet, json)
    with purse.remembered():
        if sys.stdin.isatty():
            console.print(f"node {rpc}; `help` lists the verbs", markup=False, soft_wrap=True)
            with _history(purse.default_folder().parent / "history"):
                prompt.run(_typed())
        else:
            prompt.run(iter(sys.stdin))
            if prompt.code:
                raise typer.Exit(prompt.code)


def _typed() -> Iterator[str]:
    """Lines from a person. Ctrl-C drops a line, Ctrl-D ends."""
    while True:
        try:
            yield input(PROMPT)
        except KeyboardInterrupt:
            console.print()
        except EOFError:
            console.print()
            return


@contextmanager
def _history(file: Path) -> Iterator[None]:
    """Arrow keys, completion of verbs, and lines kept from one session to the next."""
    try:
        import readline
    except ImportError:  # not on every system
        yield
        return
    names = sorted([*VERBS, *(name for name, _, _ in OWN)])
    readline.set_completer(lambda text, index: _completion(names, text, index))
    readline.parse_and_bind("tab: complete")
    readline.set_history_length(HISTORY_LINES_MAX)
    with suppress(OSError):
        readline.read_history_file(file)
    try:
        yield
    finally:
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            readline.write_history_file(file)


def _completion(names: list[str], text: str, index: int) -> str | None:
    found: list[Any] = [name + " " for name in names if name.startswith(text)]
    return found[index] if index < len(found) else None
