"""Configuration of a node and of a tracker: TOML files, overridden by the environment.

Every wrong key or value is reported by its full path with what is accepted there. `docs/config.md` is generated from
these models. An environment variable `RACLETTE_<SECTION>__<KEY>` overrides a key (lists as JSON). Paths in a file are
relative to the file.
"""

import difflib
import tomllib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from raclette.live.addresses import parse_host_port, parse_peer
from raclette.live.contract import PeerAddress
from raclette.live.controls import check_name
from raclette.live.faucet import FaucetLimits
from raclette.live.limits import TransportLimits
from raclette.live.tracker.policy import NeighbourPolicy
from raclette.primitives.amounts import format_amount, parse_amount
from raclette.primitives.errors import ConfigError, DecodeError
from raclette.primitives.keys import parse_address
from raclette.primitives.units import MEBIBYTE, SECOND

ENV_PREFIX = "RACLETTE_"
_DEFAULTS = TransportLimits()
_FAUCET = FaucetLimits()


def _valid_host_port(text: str) -> str:
    parse_host_port(text)
    return text


def _valid_optional_host_port(text: str) -> str:
    return _valid_host_port(text) if text else text


def _valid_peer(text: str) -> str:
    parse_peer(text)
    return text


def _valid_optional_peer(text: str) -> str:
    return _valid_peer(text) if text else text


def _valid_name(text: str) -> str:
    try:
        return check_name(text)
    except DecodeError as error:
        raise ValueError(f"{error.detail}; accepted: printable, at most 64 bytes, no spaces around") from error


def _valid_address(text: str) -> str:
    try:
        parse_address(text)
    except DecodeError as error:
        raise ValueError(f"{error}; accepted: 0x and 40 hexadecimal digits") from error
    return text


def _valid_policy(text: str) -> str:
    NeighbourPolicy.parse(text)
    return text


def _valid_amount(text: str) -> str:
    parse_amount(text)
    return text


HostPort = Annotated[str, AfterValidator(_valid_host_port)]
OptionalHostPort = Annotated[str, AfterValidator(_valid_optional_host_port)]
Peer = Annotated[str, AfterValidator(_valid_peer)]
OptionalPeer = Annotated[str, AfterValidator(_valid_optional_peer)]
Name = Annotated[str, AfterValidator(_valid_name)]
Address = Annotated[str, AfterValidator(_valid_address)]
Policy = Annotated[str, AfterValidator(_valid_policy)]
Amount = Annotated[str, AfterValidator(_valid_amount)]


class Section(BaseModel):
    """A table of the file: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NodeSection(Section):
    """Who this node is."""

    name: Name = Field(default="", description="How others see it; unique where a tracker is used.")
    data_dir: Path = Field(default=Path("data"), description="Directory of the database; made if missing.")
    key_file: Path | None = Field(
        default=None,
        description="The node's private key (PEM, mode 0600); made if missing. Default: `node.key` in `data_dir`.",
    )
    genesis: Path = Field(default=Path("genesis.json"), description="The chain's genesis file: the same at every node.")
    active: bool = Field(default=True, description="Propose, vote or mine; false: only follow.")
    beneficiary: Address = Field(default="0x" + "00" * 20, description="Address that is paid for this node's blocks.")
    account_key: str = Field(
        default="",
        pattern="^(|0[23][0-9a-fA-F]{64})$",
        description="Compressed public key (66 hex digits) of the account that "
        "the tracker announces under the node's name; empty: none.",
    )
    gate_threads: int = Field(
        default=0,
        ge=0,
        le=64,
        description="Threads that check signatures beside the event loop; 0 costs the least processor time.",
    )
    miner_threads: int = Field(default=1, ge=1, le=1024, description="Threads that search nonces, under proof of work.")


class NetworkSection(Section):
    """Where it listens and whom it dials."""

    listen: HostPort = Field(default="127.0.0.1:7045", description="Address for peers; port 0: any free one.")
    advertise: OptionalHostPort = Field(
        default="", description="Where others dial this node. Default: `listen`, unless that is a wildcard."
    )
    peers: tuple[Peer, ...] = Field(default=(), description='Peers to keep links with: `"<node id in hex>@host:port"`.')
    tracker: OptionalPeer = Field(default="", description="The tracker, written like a peer; empty: none.")
    max_peers: int = Field(
        default=64, ge=1, le=1024, description="Peers dialled at most, with those the tracker names."
    )


class RpcSection(Section):
    """JSON-RPC for wallets and the command line."""

    enabled: bool = Field(default=True, description="Serve JSON-RPC at all.")
    listen: HostPort = Field(default="127.0.0.1:8545", description="Address for clients.")
    origins: tuple[str, ...] = Field(default=(), description='Web origins that may call, beside loopback; `"*"`: any.')
    vhosts: tuple[str, ...] = Field(
        default=(), description="Host names by which this server may be called, beside localhost."
    )


class FaucetSection(Section):
    """An account that gives newcomers their first money (`raclette register NAME --fund 25`). Without `key_file` there
    is none. What was given is remembered across restarts. Amounts are in coins, or name their unit: `"5 gwei"`."""

    key_file: Path | None = Field(
        default=None,
        description="Private key of the paying account (64 hex digits or a V3 keystore, mode 0600), for it alone.",
    )
    passphrase_file: Path | None = Field(
        default=None, description="Passphrase of the keystore (mode 0600), if `key_file` is one."
    )
    request_max: Amount = Field(default=format_amount(_FAUCET.request_max), description="Given at a time.")
    address_max: Amount = Field(
        default=format_amount(_FAUCET.address_max), description="Given to one address in 30 days."
    )
    day_max: Amount = Field(default=format_amount(_FAUCET.day_max), description="Given to all in 24 hours.")
    network_day_max: int = Field(
        default=_FAUCET.network_day_max, ge=1, description="Requests of one IP address (IPv6: its /64) in 24 hours."
    )

    def limits(self) -> FaucetLimits:
        """As the faucet wants them."""
        return FaucetLimits(
            request_max=parse_amount(self.request_max),
            address_max=parse_amount(self.address_max),
            day_max=parse_amount(self.day_max),
            network_day_max=self.network_day_max,
        )


class LogSection(Section):
    """The event log, on standard error."""

    level: Literal["debug", "info", "warning", "error", "critical"] = Field(
        default="info", description="Least level shown."
    )
    format: Literal["console", "json"] = Field(default="console", description="For people, or one JSON object a line.")


class MetricsSection(Section):
    """Prometheus."""

    listen: OptionalHostPort = Field(default="", description="Address of the page `/metrics`; empty: none.")


class LimitsSection(Section):
    """What strangers can make the process do. See `live/limits.py` for reasons."""

    inbound_max: int = Field(default=_DEFAULTS.inbound_max, ge=1, description="Links opened by others.")
    inbound_per_ip_max: int = Field(
        default=_DEFAULTS.inbound_per_ip_max, ge=1, description="Of those, from one IP address."
    )
    handshakes_max: int = Field(default=_DEFAULTS.handshakes_max, ge=1, description="Connections without a hello yet.")
    handshake_timeout_s: float = Field(
        default=_DEFAULTS.handshake_timeout / SECOND, gt=0, le=300, description="TLS and hello together, in seconds."
    )
    ping_interval_s: float = Field(
        default=_DEFAULTS.ping_interval / SECOND, gt=0, le=3600, description="Between pings."
    )
    silence_timeout_s: float = Field(
        default=_DEFAULTS.silence_timeout / SECOND,
        gt=0,
        le=86400,
        description="Silence after which a link counts as dead.",
    )
    inbound_mib_per_s: float = Field(
        default=_DEFAULTS.inbound_bytes_per_second / MEBIBYTE, gt=0, description="MiB a second read from one peer."
    )
    inbound_frames_per_s: int = Field(
        default=_DEFAULTS.inbound_frames_per_second, ge=1, description="Frames a second read from one peer."
    )
    redial_last_s: float = Field(
        default=_DEFAULTS.redial_last / SECOND, gt=0, le=86400, description="Longest wait between dials, in seconds."
    )

    def transport(self, wanted_max: int = _DEFAULTS.wanted_max) -> TransportLimits:
        """As the transport wants them."""
        redial_last = int(self.redial_last_s * SECOND)
        return TransportLimits(
            inbound_max=self.inbound_max,
            inbound_per_ip_max=self.inbound_per_ip_max,
            handshakes_max=self.handshakes_max,
            handshake_timeout=int(self.handshake_timeout_s * SECOND),
            ping_interval=int(self.ping_interval_s * SECOND),
            silence_timeout=int(self.silence_timeout_s * SECOND),
            inbound_bytes_per_second=int(self.inbound_mib_per_s * MEBIBYTE),
            inbound_frames_per_second=self.inbound_frames_per_s,
            redial_first=min(_DEFAULTS.redial_first, redial_last),
            redial_last=redial_last,
            wanted_max=wanted_max,
        )


class TrackerSection(Section):
    """Who this tracker is, and how it treats peers."""

    name: Name = Field(default="tracker", description="How it calls itself.")
    data_dir: Path = Field(default=Path("tracker-data"), description="Directory of its database; made if missing.")
    key_file: Path | None = Field(
        default=None,
        description="Its private key (PEM, mode 0600); made if missing. Default: `tracker.key` in `data_dir`.",
    )
    genesis: Path = Field(default=Path("genesis.json"), description="Genesis of the chain whose peers meet here.")
    neighbours: Policy = Field(
        default="all", description='Whom a newcomer is told to link with: "all", "third" or "fanout:N".'
    )
    ping_interval_s: float = Field(
        default=30.0, gt=0, le=3600, description="Between questions whether a peer is alive."
    )
    records_max: int = Field(default=10_000, ge=1, description="Peers in the book, present or away.")


class TrackerNetworkSection(Section):
    """Where the tracker listens."""

    listen: HostPort = Field(default="127.0.0.1:7044", description="Address for peers; port 0: any free one.")


class _Overrides(EnvSettingsSource):
    """`RACLETTE_<SECTION>__<KEY>` only. Other commands have variables of their own, such as `RACLETTE_RPC`, a node's
    address, which must not be taken for the whole section `rpc`."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name: value for name, value in super()._load_env_vars().items() if "__" in name}


class _File(BaseSettings):
    """A whole file: the environment overrides what it says."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, case_sensitive=False
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment first, then the file."""
        return _Overrides(settings_cls), init_settings


class NodeConfigFile(_File):
    """`node.toml`."""

    node: NodeSection = NodeSection()
    network: NetworkSection = NetworkSection()
    rpc: RpcSection = RpcSection()
    faucet: FaucetSection = FaucetSection()
    log: LogSection = LogSection()
    metrics: MetricsSection = MetricsSection()
    limits: LimitsSection = LimitsSection()

    @property
    def key_path(self) -> Path:
        """Where the private key is."""
        return self.node.key_file or self.node.data_dir / "node.key"

    @property
    def peers(self) -> tuple[PeerAddress, ...]:
        """The configured peers."""
        return tuple(parse_peer(text) for text in self.network.peers)


class TrackerConfigFile(_File):
    """`tracker.toml`."""

    tracker: TrackerSection = TrackerSection()
    network: TrackerNetworkSection = TrackerNetworkSection()
    log: LogSection = LogSection()
    metrics: MetricsSection = MetricsSection()
    limits: LimitsSection = LimitsSection(inbound_max=4096, inbound_per_ip_max=256)

    @property
    def key_path(self) -> Path:
        """Where the private key is."""
        return self.tracker.key_file or self.tracker.data_dir / "tracker.key"


F = TypeVar("F", NodeConfigFile, TrackerConfigFile)


def load_config(model: type[F], path: Path | None) -> F:
    """From a TOML file (None: defaults and environment alone). Raises ConfigError: one line for each mistake."""
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path}: not TOML: {error}") from error
    where = str(path) if path is not None else "configuration"
    try:
        config = model(**values)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(model, where, one) for one in error.errors())) from None
    except SettingsError as error:
        raise ConfigError(f"environment: {error}") from None
    return _resolve_paths(config, path.parent if path is not None else Path())


def _resolve_paths(config: F, base: Path) -> F:
    """Relative paths start at the file's directory."""
    sections = {}
    for name in type(config).model_fields:
        section = getattr(config, name)
        paths = {key: base / value for key, value in section if isinstance(value, Path)}
        sections[name] = section.model_copy(update=paths)
    return config.model_copy(update=sections)


def _explain(model: type[BaseModel], where: str, error: Any) -> str:
    """One mistake: path, what is wrong, what is accepted."""
    location = [str(part) for part in error["loc"]]
    path = ".".join(location)
    if error["type"] == "extra_forbidden":
        known = sorted(_model_at(model, location[:-1]).model_fields)
        close = difflib.get_close_matches(location[-1], known, n=1)
        hint = f'did you mean "{close[0]}"? ' if close else ""
        return f"{where}: {path}: unknown key; {hint}accepted: {', '.join(known)}"
    message = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return f"{where}: {path}: {message} (got {error['input']!r})"


def _model_at(model: type[BaseModel], location: list[str]) -> type[BaseModel]:
    for part in location:
        field = model.model_fields.get(part)
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            break
        model = field.annotation
    return model


def type_name(annotation: Any) -> str:
    """A field's type in words, for the reference page."""
    origin = get_origin(annotation)
    if origin is Literal:
        return " or ".join(f'"{value}"' for value in get_args(annotation))
    if origin is tuple:
        return "list of text"
    if origin is types.UnionType:
        return " or ".join(type_name(part) for part in get_args(annotation) if part is not type(None))
    if origin is Annotated:
        return type_name(get_args(annotation)[0])
    return {str: "text", Path: "path", int: "integer", float: "number", bool: "true or false"}[annotation]
