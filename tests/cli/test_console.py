"""The console: the same verbs, line by line, and no line that ends it but quit."""

from cli.shell import BALANCE, Shell, World
from raclette.cli.console import VERBS
from raclette.cli.purse import Purse
from raclette.primitives.units import ETHER


def test_a_line_from_a_pipe(shell: Shell, people: Purse, node: World) -> None:
    outcome = shell("console", typed="balance alice\n")
    assert outcome.code == 0
    assert "alice" in outcome.out
    assert "100" in outcome.out


def test_a_session_sends_reads_and_looks(shell: Shell, people: Purse, node: World) -> None:
    lines = ("accounts", 'send bob 1 -m "a letter"', "use bob", "inbox", "block 1", "peers", "votes", "leader", "mine")
    outcome = shell("console", typed="\n".join((*lines, "balance")))
    assert (outcome.code, outcome.err) == (0, "")
    assert "a letter" in outcome.out
    assert "has no mining" in outcome.out
    assert "101" in outcome.out


def test_json_goes_to_every_verb(shell: Shell, people: Purse, node: World) -> None:
    outcome = shell("console", "--json", typed="balance bob\n# a comment\n\nhelp\nmine\nbalance alice\n")
    assert outcome.json == {"alice": str(BALANCE)}
    assert len(outcome.out.splitlines()) == 4


def test_errors_are_one_line_each_and_end_nothing(shell: Shell, people: Purse, node: World) -> None:
    typed = (
        'frobnicate\nsend bob\nsend bob 1 --colour red\nsend nobody 1\nblock newest\nsend "bob\nbalance bob --json\n'
    )
    outcome = shell("console", typed=typed)
    assert len(outcome.err.splitlines()) == 6
    assert all(line.startswith("error: ") for line in outcome.err.splitlines())
    assert outcome.json == {"bob": str(BALANCE)}
    assert outcome.code == 2  # of the last line that failed


def test_no_node_does_not_end_it_either(shell: Shell, people: Purse) -> None:
    outcome = shell("console", typed="status\nmine\naccounts\n")
    assert outcome.err.count("no JSON-RPC answer") == 2
    assert "alice" in outcome.out
    assert outcome.code == 4


def test_quit_ends_it(shell: Shell) -> None:
    outcome = shell("console", typed="help\nquit\nfrobnicate\n")
    assert (outcome.code, outcome.err) == (0, "")
    assert all(verb in outcome.out for verb in VERBS)


def test_help_tells_all_about_a_verb(shell: Shell) -> None:
    assert "A memo that only the" in shell("console", typed="help send\n").out


def test_a_passphrase_is_asked_for_once(shell: Shell, people: Purse, node: World) -> None:
    """It comes from the same input as the lines here, so a second question would swallow a line."""
    shell.env["RACLETTE_PASSPHRASE"] = None
    outcome = shell("console", typed="send bob 1\nfondue\nsend bob 1\nsend bob 1\nbalance bob --json\n")
    assert outcome.json == {"bob": str(BALANCE + 3 * ETHER)}
