"""Whom a name means: the wallet's own, then the chain's directory, then what the tracker knows of peers."""

from cli.shell import BALANCE, Shell, World
from raclette.chain.presets import sample_key
from raclette.cli.purse import Purse
from raclette.primitives.keys import checksum_address
from raclette.primitives.units import ETHER

PRINTER = sample_key(40)


def peer(index: int, *, account: bool = True) -> dict[str, object]:
    """As a tracker's client shows a record."""
    key = sample_key(index)
    shown = {"account": checksum_address(key.address), "account_key": "0x" + key.public_key.hex()}
    return {"name": "x", "node_id": "ab" * 32, "host": "127.0.0.1", "port": 1} | (
        shown if account else dict.fromkeys(shown)
    )


def test_a_peer_is_paid_and_written_to_by_its_name(shell: Shell, people: Purse, node: World) -> None:
    node.backend.known_peers["Printer"] = peer(40)
    assert shell("send", "Printer", "2", "-m", "two copies").code == 0
    assert shell("balance", "Printer", "--json").json == {"Printer": str(2 * ETHER)}
    people.keep("printer", PRINTER, "fondue")
    (letter,) = shell("inbox", "--from", "printer", "--json").json
    assert letter["text"] == "two copies"


def test_the_directory_comes_before_the_tracker_and_the_wallet_before_both(
    shell: Shell, people: Purse, node: World
) -> None:
    node.backend.known_peers |= {"sample-3": peer(40), "bob": peer(40)}
    for name in ("sample-3", "bob"):
        assert shell("send", name, "1").code == 0
        assert shell("balance", name, "--json").json == {name: str(BALANCE + ETHER)}


def test_a_name_that_leads_nowhere_is_one_line(shell: Shell, people: Purse, node: World) -> None:
    node.backend.known_peers["mute"] = peer(40, account=False)
    for name in ("mute", "nobody-at-all", "?!"):
        assert "nor among the peers" in shell.refusal(2, "send", name, "1")


def test_letters_show_the_names_of_the_directory(shell: Shell, people: Purse, node: World) -> None:
    assert shell("send", "sample-3", "1", "-m", "hello").code == 0
    assert "alice to sample-3, 1" in shell("inbox").out
