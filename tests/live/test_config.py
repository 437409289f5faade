"""Configuration: what is accepted, how mistakes are told, and the page that describes it."""

import os
from pathlib import Path

import pytest

from raclette.live.config import NodeConfigFile, TrackerConfigFile, load_config
from raclette.live.config_reference import EXAMPLES, reference
from raclette.live.keyfile import load_or_create_key
from raclette.primitives.errors import ConfigError
from raclette.primitives.units import SECOND

PAGE = Path(__file__).parents[2] / "docs" / "config.md"


def load(tmp_path: Path, text: str) -> NodeConfigFile:
    file = tmp_path / "node.toml"
    file.write_text(text)
    return load_config(NodeConfigFile, file)


def complaint(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    return str(caught.value).replace(str(tmp_path), "")


def test_the_reference_is_current() -> None:
    if os.environ.get("RACLETTE_WRITE_DOCS"):
        PAGE.write_text(reference())
    assert PAGE.read_text() == reference(), "run `make docs`"


def test_the_examples_of_the_page_load(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text(EXAMPLES["node.toml"])
    node = load_config(NodeConfigFile, tmp_path / "node.toml")
    assert node.node.name == "alice"
    assert node.node.data_dir == tmp_path / "alice"
    assert node.key_path == tmp_path / "alice" / "node.key"
    assert node.peers[0].port == 7045
    (tmp_path / "tracker.toml").write_text(EXAMPLES["tracker.toml"])
    tracker = load_config(TrackerConfigFile, tmp_path / "tracker.toml")
    assert tracker.tracker.neighbours == "fanout:8"
    assert tracker.limits.transport().inbound_max == 4096


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    config = load(tmp_path, "")
    assert config.network.listen == "127.0.0.1:7045"
    assert config.limits.transport().handshake_timeout == 5 * SECOND


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[network]\nlisten_on = "x"',
            '/node.toml: network.listen_on: unknown key; did you mean "listen"? '
            "accepted: advertise, listen, max_peers, peers, tracker",
        ),
        ("[netwrk]\n", '/node.toml: netwrk: unknown key; did you mean "network"? accepted: faucet, limits, log, '),
        ('[network]\nlisten = "here"', "network.listen: 'here': accepted: host:port with a port of 0 to 65535"),
        ('[network]\nlisten = "::1:70"', "network.listen: '::1:70': accepted: IPv6 addresses in brackets"),
        ('[network]\nlisten = "a:70000"', "network.listen: 'a:70000': accepted: host:port"),
        (
            '[network]\npeers = ["bob:1"]',
            "network.peers.0: 'bob:1': accepted: <node id, 64 hexadecimal digits>@host:port",
        ),
        ('[log]\nlevel = "loud"', "log.level: Input should be 'debug', 'info', 'warning', 'error' or 'critical'"),
        ("[node]\nactive = 7", "node.active: Input should be a valid boolean"),
        ('[node]\nbeneficiary = "0x12"', "node.beneficiary: "),
        ("[limits]\ninbound_max = 0", "limits.inbound_max: Input should be greater than or equal to 1 (got 0)"),
        ("[limits\n", "/node.toml: not TOML: "),
    ],
)
def test_a_mistake_is_told_by_its_path_with_what_is_accepted(tmp_path: Path, text: str, said: str) -> None:
    assert said in complaint(tmp_path, text)


def test_every_mistake_has_a_line(tmp_path: Path) -> None:
    assert len(complaint(tmp_path, "[node]\nnmae = 1\n[rpc]\nport = 2\n").splitlines()) == 2


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.toml: cannot be read: No such file"):
        load_config(NodeConfigFile, tmp_path / "none.toml")


def test_variables_of_other_commands_do_not_configure_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = load_config(NodeConfigFile, None)
    for name, value in (("RPC", "http://127.0.0.1:8545"), ("WALLET", "wallet"), ("PASSPHRASE", "x"), ("NODE", "{}")):
        monkeypatch.setenv(f"RACLETTE_{name}", value)
    assert load_config(NodeConfigFile, None) == plain


def test_the_environment_overrides_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RACLETTE_NETWORK__LISTEN", "0.0.0.0:9")
    monkeypatch.setenv("RACLETTE_RPC__ORIGINS", '["https://wallet.example"]')
    config = load(tmp_path, '[network]\nlisten = "127.0.0.1:1"\nmax_peers = 5')
    assert (config.network.listen, config.network.max_peers) == ("0.0.0.0:9", 5)
    assert config.rpc.origins == ("https://wallet.example",)
    monkeypatch.setenv("RACLETTE_NETWORK__LISTEN", "nowhere")
    assert "network.listen: 'nowhere'" in complaint(tmp_path, "")


def test_a_key_is_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "node.key"
    seed = load_or_create_key(path)
    assert len(seed) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_create_key(path) == seed


def test_a_key_that_cannot_be_trusted_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "node.key"
    load_or_create_key(path)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match=r"mode 0644 lets others read it; accepted: 0600"):
        load_or_create_key(path)
    path.chmod(0o600)
    path.write_text("not a key")
    with pytest.raises(ConfigError, match="not a private key in PEM"):
        load_or_create_key(path)
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_or_create_key(tmp_path)
