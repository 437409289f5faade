"""Accounts on disk: made, imported, listed, chosen; and what is said when that cannot be."""

import json
from pathlib import Path

import pytest
from eth_account import Account

from cli.shell import PASSPHRASE, Shell
from raclette.chain.presets import sample_key
from raclette.cli.purse import Purse
from raclette.primitives.keys import checksum_address


def test_a_new_account_is_a_keystore_that_other_wallets_open(shell: Shell, tmp_path: Path) -> None:
    made = shell("wallet", "new", "alice", "--json").json
    file = Path(made["file"])
    assert file == tmp_path / "wallet" / "alice.json"
    assert file.stat().st_mode & 0o777 == 0o600
    secret = Account.decrypt(json.loads(file.read_text()), PASSPHRASE)
    assert Account.from_key(secret).address == made["address"]
    assert shell("wallet", "list", "--json").json == [made]


def test_the_list_shows_whole_addresses_on_80_columns(shell: Shell, people: Purse) -> None:
    shown = shell("wallet", "list").out
    for index in (0, 1):
        assert checksum_address(sample_key(index).address) in shown
    assert max(map(len, shown.splitlines()[:4])) <= 80


def test_an_empty_wallet_says_how_to_fill_it(shell: Shell) -> None:
    assert "raclette wallet new NAME" in shell("wallet", "list").out
    assert shell("wallet", "list", "--json").json == []


def test_a_name_that_is_taken_is_refused_before_a_passphrase_is_asked_for(shell: Shell, people: Purse) -> None:
    said = shell.refusal(2, "wallet", "new", "alice", RACLETTE_PASSPHRASE=None)
    assert said.endswith("alice.json exists: choose another name")


@pytest.mark.parametrize("name", ["", "Alice", "../alice", "a b", "a" * 33, "-a"])
def test_a_name_that_is_no_name_is_refused(shell: Shell, tmp_path: Path, name: str) -> None:
    assert "is no account name; accepted: 1 to 32 of a-z" in shell.refusal(2, "wallet", "new", "--", name)
    assert not list(tmp_path.rglob("*.json"))


def test_nobody_there_to_type_a_passphrase(shell: Shell) -> None:
    outcome = shell("wallet", "new", "alice", RACLETTE_PASSPHRASE=None)
    assert outcome.code == 2
    assert "no passphrase: type it, or set $RACLETTE_PASSPHRASE" in outcome.err


def test_a_passphrase_is_typed_twice_and_never_shown(shell: Shell) -> None:
    outcome = shell("wallet", "new", "alice", typed="secret-cheese\nsecret-cheese\n", RACLETTE_PASSPHRASE=None)
    assert outcome.code == 0
    assert "secret-cheese" not in outcome.out + outcome.err
    assert shell("wallet", "list", "--json").json[0]["name"] == "alice"


def test_a_private_key_file_is_imported(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "key.txt"
    file.write_text("0x" + sample_key(7).secret.hex() + "\n")
    made = shell("wallet", "import", "carol", str(file), "--json").json
    assert made["address"] == checksum_address(sample_key(7).address)


def test_a_bad_private_key_is_refused_without_repeating_it(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "key.txt"
    file.write_text("deadbeef" * 7)
    said = shell.refusal(2, "wallet", "import", "carol", str(file))
    assert "accepted: 64 hex digits" in said
    assert "deadbeef" not in said


def test_a_keystore_of_another_wallet_is_imported(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "UTC--foreign"
    file.write_text(json.dumps(Account.encrypt(sample_key(3).secret, PASSPHRASE, kdf="scrypt", iterations=16)))
    made = shell("wallet", "import", "dave", str(file), "--json").json
    assert made["address"] == checksum_address(sample_key(3).address)


def test_a_wrong_passphrase_opens_nothing(shell: Shell, people: Purse, tmp_path: Path) -> None:
    file = str(tmp_path / "wallet" / "bob.json")
    assert "wrong passphrase" in shell.refusal(2, "wallet", "import", "eve", file, RACLETTE_PASSPHRASE="brie")
    assert shell.refusal(2, "send", "bob", "1", RACLETTE_PASSPHRASE="brie") == "wrong passphrase for account alice"
    assert not people.has("eve")


@pytest.mark.parametrize("text", ["{", '{"version": 3}', '{"version": 1, "crypto": {}}', "\x00\x01"])
def test_a_file_that_is_no_keystore_is_refused(shell: Shell, tmp_path: Path, text: str) -> None:
    file = tmp_path / "broken.json"
    file.write_text(text)
    assert len(shell.refusal(2, "wallet", "import", "eve", str(file))) < 300


def test_a_file_that_is_not_there_is_named(shell: Shell) -> None:
    assert shell.refusal(2, "wallet", "import", "eve", "no-such-file") == "no-such-file: No such file or directory"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"address": "0x12"}', '{"address": 5, "x-raclette": null}'])
def test_a_damaged_keystore_is_named(shell: Shell, people: Purse, text: str) -> None:
    people.find("bob").path.write_text(text)
    assert "bob.json is not a keystore" in shell.refusal(2, "wallet", "list")


def test_a_damaged_secret_is_named_when_it_is_needed(shell: Shell, people: Purse) -> None:
    path = people.find("alice").path
    keystore = json.loads(path.read_text())
    del keystore["crypto"]["kdfparams"]
    path.write_text(json.dumps(keystore))
    assert "alice.json: not a V3 keystore" in shell.refusal(2, "send", "bob", "1")


def test_among_several_accounts_one_is_chosen(shell: Shell, people: Purse, tmp_path: Path) -> None:
    (tmp_path / "wallet" / "default").unlink()
    said = shell.refusal(2, "inbox")
    assert "say which account with --from" in said
    assert said.endswith("there are: alice, bob")
    assert shell("wallet", "use", "bob").code == 0
    assert people.default().name == "bob"
    assert "no account 'eve'" in shell.refusal(2, "wallet", "use", "eve")
    assert people.default().name == "bob"


def test_a_folder_that_cannot_be_written_is_one_line(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = shell.refusal(2, "wallet", "new", "alice", "--wallet", str(tmp_path / "file" / "wallet"))
    assert "Not a directory" in said
