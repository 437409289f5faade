"""The command line as a function of its words, and a node that puts every transaction into a block at once."""

import json
from pathlib import Path
from typing import Any

from rpc_world import BALANCE, FakeBackend, World, serve
from typer.testing import CliRunner

from raclette.cli.app import app

PASSPHRASE = "fondue"


class Outcome:
    """What a command did."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        """The last line of standard output."""
        return json.loads(self.out.splitlines()[-1])


class Shell:
    """Runs commands as typed, without "raclette"."""

    def __init__(self, wallet: Path) -> None:
        self.env: dict[str, str | None] = {
            "RACLETTE_WALLET": str(wallet),
            "RACLETTE_PASSPHRASE": PASSPHRASE,
            "RACLETTE_RPC": "http://127.0.0.1:9",  # nobody listens on the discard port
            "COLUMNS": "80",
        }

    def __call__(self, *words: str, typed: str = "", **env: str | None) -> Outcome:
        result = CliRunner().invoke(app, list(words), input=typed, env=self.env | env)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)

    def refusal(self, code: int, *words: str, **env: str | None) -> str:
        """The one line on standard error of a command that must end with `code`."""
        outcome = self(*words, typed="", **env)
        assert outcome.code == code, (outcome.out, outcome.err)
        assert outcome.out == ""
        (line,) = outcome.err.splitlines()
        return line.removeprefix("error: ")


class MiningBackend(FakeBackend):
    """Every transaction is at once in a block of its own."""

    async def submit(self, raw: bytes) -> bytes:
        taken = await super().submit(raw)
        self.mine(final=True)
        return taken


__all__ = ["BALANCE", "PASSPHRASE", "MiningBackend", "Outcome", "Shell", "World", "serve"]
