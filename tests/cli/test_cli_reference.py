"""The page about the command line is what the commands say, and the commands say enough."""

import os
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from cli.shell import Shell
from raclette.cli.app import app
from raclette.cli.output import EXIT_CODES, exit_code
from raclette.cli.reference import commands, example_lines, reference
from raclette.primitives import errors

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
# Processes that run until they are stopped: they log, and have no result.
PROCESSES = {("node",), ("tracker",)}


def test_cli_reference_is_current() -> None:
    if os.environ.get("RACLETTE_WRITE_DOCS"):
        PAGE.write_text(reference())
    assert PAGE.read_text() == reference(), "run `make docs`"


def test_every_command_has_examples_that_parse() -> None:
    root = get_command(app)
    for path, command in commands():
        if hasattr(command, "commands"):
            continue
        lines = example_lines(command)
        assert lines, path
        for line in lines:
            words = shlex.split(line.rpartition("| ")[2].partition(" < ")[0])
            assert words[0] == "raclette"
            assert tuple(words[1 : len(path) + 1]) == path
            command.make_context(" ".join(path), words[len(path) + 1 :])
    assert root.name == "raclette"


def test_every_command_speaks_json() -> None:
    for path, command in commands():
        options = {option for parameter in command.params for option in parameter.opts}
        assert hasattr(command, "commands") or path in PROCESSES or "--json" in options, path


def test_every_command_says_what_it_does_and_swallows_nothing() -> None:
    for path, command in commands():
        assert command.help, path
        for parameter in command.params:
            # The help's mark-up takes text in square brackets for a style, and swallows it.
            assert "[" not in (parameter.help or ""), (path, parameter.name)


def test_every_error_of_ours_has_a_documented_exit_code() -> None:
    kinds = (errors.StoreDamaged, errors.StoreRefused, errors.Misuse, errors.ConfigError, errors.InvariantBroken)
    assert {exit_code(kind("x")) for kind in kinds} == {1, 2, 3}
    assert exit_code(errors.Refused("reason")) == exit_code(errors.PeerFault("reason")) == 5
    assert set(EXIT_CODES) == set(range(6))


@pytest.mark.parametrize("words", [("frobnicate",), ("send",), ("send", "bob", "1", "--colour", "red"), ("db", "mend")])
def test_what_is_no_command_has_exit_code_2(shell: Shell, words: tuple[str, ...]) -> None:
    outcome = shell(*words)
    assert (outcome.code, outcome.out) == (2, "")


def test_version_and_help_are_there(shell: Shell) -> None:
    assert shell("--version").out.startswith("raclette ")
    assert all(word in shell("--help").out for word in ("demo", "up", "console", "Exit codes"))
