"""A wallet whose keys open fast, and a node with the first sample accounts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.shell import PASSPHRASE, MiningBackend, Shell, World, serve
from raclette.chain.presets import sample_key
from raclette.cli import commands, purse
from raclette.cli.purse import Purse
from raclette.primitives.keystore import SCRYPT_WORK_FAST


@pytest.fixture(scope="session", autouse=True)
def _commands() -> None:
    commands.load()


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setattr(purse, "SCRYPT_WORK", SCRYPT_WORK_FAST)
    return Shell(tmp_path / "wallet")


@pytest.fixture
def people(shell: Shell, tmp_path: Path) -> Purse:
    """alice and bob, who are sample accounts 0 and 1; alice acts where nobody is named."""
    found = Purse(tmp_path / "wallet")
    for index, name in enumerate(("alice", "bob")):
        found.keep(name, sample_key(index), PASSPHRASE)
    found.choose("alice")
    return found


@pytest.fixture
def node(shell: Shell) -> Iterator[World]:
    for world in serve(backend=MiningBackend()):
        shell.env["RACLETTE_RPC"] = world.url
        yield world
