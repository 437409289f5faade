"""Genesis: the JSON in which all peers of a chain agree before the first block, in the manner of geth's.

    {"config": {"chainId": 21057,
                "protocol": {"name": "pbft", ...},
                "ledger": {"name": "bank", ...}},
     "timestamp": "0x0", "gasLimit": 30000000, "difficulty": 1, "baseFeePerGas": 0,
     "extraData": "0x5261636c657474654368656573655", "coinbase": "0x...", "nonce": "0x0000000000000000",
     "alloc": {"0x<address>": {"balance": "100000000000000000000"}}}

Numbers may be JSON integers, decimal strings or 0x-hexadecimal strings. Block 0's header is hashed as geth hashes it,
but its `mixHash` is not free: it holds keccak256 of the canonical JSON. The state root commits to `alloc` only; through
`mixHash` the genesis hash commits to protocol, parameters and everything else, so that two nodes with different rules
never take each other for peers of one chain.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from raclette.chain.block import Block
from raclette.chain.header import ADDRESS_BYTES, EXTRA_DATA_BYTES_MAX, NONCE_BYTES, ZERO_ADDRESS, ZERO_NONCE, Header
from raclette.chain.ledger import Ledger
from raclette.chain.presets import PRESETS, even_alloc, preset_alloc, sample_key, sample_name
from raclette.chain.transaction import CHAIN_ID_MAX
from raclette.primitives.errors import ConfigError, DecodeError
from raclette.primitives.hashing import keccak256
from raclette.primitives.keys import checksum_address, parse_address

CHAIN_ID_DEFAULT = 21057  # "RA" in ASCII; unassigned in the public registries
GAS_LIMIT_DEFAULT = 30_000_000  # as Ethereum after London: 1,428 transfers a block
EXTRA_DATA_DEFAULT = b"RacletteCheese"
GAS_LIMIT_MIN = 21_000  # a block must have room for a transfer
# Deepest nesting of the text. The deepest genesis we write has 4 levels; `_check_plain` bounds parameters to 8.
JSON_DEPTH_MAX = 16
UINT64_MAX = 2**64 - 1
UINT256_MAX = 2**256 - 1

_KEYS = ("config", "timestamp", "extraData", "gasLimit", "difficulty", "coinbase", "baseFeePerGas", "nonce", "alloc")
# A string, whose brackets do not nest (an unclosed one ends with the text), or a bracket. Linear: never backtracks.
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+\\?(?:"|\Z)|[\[\]{}]', re.DOTALL)
_CONFIG_KEYS = ("chainId", "protocol", "ledger")


@dataclass(frozen=True)
class Genesis:
    """A parsed genesis. `protocol` and `ledger` are names; their parameters are the JSON beside the name, which they
    check themselves. `alloc` is the ledger's business too. `base_fee` is in wei per gas, `timestamp` in seconds."""

    protocol: str
    ledger: str
    chain_id: int = CHAIN_ID_DEFAULT
    protocol_parameters: Mapping[str, Any] = field(default_factory=dict)
    ledger_parameters: Mapping[str, Any] = field(default_factory=dict)
    alloc: Mapping[str, Any] = field(default_factory=dict)
    timestamp: int = 0
    extra_data: bytes = EXTRA_DATA_DEFAULT
    gas_limit: int = GAS_LIMIT_DEFAULT
    difficulty: int = 1
    coinbase: bytes = ZERO_ADDRESS
    base_fee: int = 0
    nonce: bytes = ZERO_NONCE

    @classmethod
    def from_json(cls, source: str | bytes | Mapping[str, Any]) -> "Genesis":
        """Parse text or loaded JSON. Raises ConfigError that names the JSON path and what is accepted there."""
        data = source if isinstance(source, Mapping) else _load(source)
        _check_keys(data, _KEYS, "")
        config = _section(data, "config", "config")
        _check_keys(config, _CONFIG_KEYS, "config.")
        protocol, protocol_parameters = _named(config, "protocol")
        ledger, ledger_parameters = _named(config, "ledger")
        alloc = _section(data, "alloc", "alloc") if "alloc" in data else {}
        _check_plain(alloc, "alloc")
        if "chainId" not in config:
            raise ConfigError(f"config.chainId is missing; accepted: 1 to {CHAIN_ID_MAX}")
        return cls(
            protocol=protocol,
            ledger=ledger,
            chain_id=quantity(config["chainId"], "config.chainId", low=1, high=CHAIN_ID_MAX),
            protocol_parameters=protocol_parameters,
            ledger_parameters=ledger_parameters,
            alloc=alloc,
            timestamp=quantity(data.get("timestamp", 0), "timestamp", high=UINT64_MAX),
            extra_data=_extra_data(data.get("extraData", "0x" + EXTRA_DATA_DEFAULT.hex())),
            gas_limit=quantity(data.get("gasLimit", GAS_LIMIT_DEFAULT), "gasLimit", low=GAS_LIMIT_MIN, high=UINT64_MAX),
            difficulty=quantity(data.get("difficulty", 1), "difficulty", low=1, high=UINT256_MAX),
            coinbase=address(data.get("coinbase", checksum_address(ZERO_ADDRESS)), "coinbase"),
            base_fee=quantity(data.get("baseFeePerGas", 0), "baseFeePerGas", high=UINT64_MAX),
            nonce=_nonce(data.get("nonce", 0)),
        )

    def to_json(self) -> dict[str, Any]:
        """JSON-able data from which `from_json` makes an equal Genesis. Quantities as geth writes them (0x...)."""
        return {
            "config": {
                "chainId": self.chain_id,
                "protocol": {"name": self.protocol, **self.protocol_parameters},
                "ledger": {"name": self.ledger, **self.ledger_parameters},
            },
            "timestamp": hex(self.timestamp),
            "extraData": "0x" + self.extra_data.hex(),
            "gasLimit": hex(self.gas_limit),
            "difficulty": hex(self.difficulty),
            "coinbase": "0x" + self.coinbase.hex(),
            "baseFeePerGas": hex(self.base_fee),
            "nonce": "0x" + self.nonce.hex(),
            "alloc": dict(self.alloc),
        }

    @cached_property
    def digest(self) -> bytes:
        """keccak256 of the canonical JSON (sorted keys, no spaces, ASCII): block 0's `mixHash`.

        Numbers of the header are normalised first. Parameters and `alloc` count as they are written: spelling one
        of them differently makes a different chain.
        """
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
        return keccak256(text.encode())


def make_genesis_block(
    genesis: Genesis, ledger: Ledger, root_of: Callable[[dict[bytes, bytes]], bytes]
) -> tuple[Block, dict[bytes, bytes]]:
    """Block 0 and the state after it; `root_of` gives a state's root. Raises ConfigError if the ledger refuses."""
    state = ledger.genesis(genesis.alloc)
    header = Header(
        parent_hash=bytes(32),
        number=0,
        timestamp=genesis.timestamp,
        beneficiary=genesis.coinbase,
        state_root=root_of(state),
        difficulty=genesis.difficulty,
        gas_limit=genesis.gas_limit,
        extra_data=genesis.extra_data,
        mix_hash=genesis.digest,
        nonce=genesis.nonce,
        base_fee=genesis.base_fee,
    )
    return Block(header), state


def quantity(value: Any, path: str, *, low: int = 0, high: int = UINT256_MAX) -> int:
    """An integer from JSON: a number, or decimal or 0x text. Raises ConfigError with `path` and the range."""
    number: int | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str) and len(value) <= 80 and value.isascii():
        digits, base = (value[2:], 16) if value[:2] in ("0x", "0X") else (value, 10)
        # int() also takes signs, spaces and underscores; a number in a genesis has none.
        if digits.isalnum():
            try:
                number = int(digits, base)
            except ValueError:
                number = None
    if number is None or not low <= number <= high:
        raise ConfigError(f"{path} is {_show(value)}; accepted: an integer (decimal or 0x) from {low} to {high}")
    return number


def address(value: Any, path: str) -> bytes:
    """20 bytes from JSON. Raises ConfigError with `path`."""
    if not isinstance(value, str):
        raise ConfigError(f"{path} is {_show(value)}; accepted: an address of {2 * ADDRESS_BYTES} hex digits")
    try:
        return parse_address(value)
    except DecodeError as wrong:
        raise ConfigError(f"{path}: {wrong.detail}") from None


def _load(source: str | bytes) -> Mapping[str, Any]:
    try:
        text = source if isinstance(source, str) else source.decode()
        _check_depth(text)
        data = json.loads(text, object_pairs_hook=_no_duplicates)
    except ValueError as wrong:
        if isinstance(wrong, ConfigError):
            raise
        raise ConfigError(f"genesis is not JSON: {wrong}") from None
    if not isinstance(data, dict):
        raise ConfigError("genesis is not a JSON object")
    return data


def _check_depth(text: str) -> None:
    """Before parsing: the parser recurses in C, and where a library has raised the recursion limit (py_ecc does), deep
    nesting overflows the stack and kills the process instead of raising."""
    depth = 0
    for bracket in _BRACKETS.findall(text):
        depth += 1 if bracket in ("[", "{") else -1 if bracket in ("]", "}") else 0
        if depth > JSON_DEPTH_MAX:
            raise ConfigError(f"genesis is nested too deeply; accepted: {JSON_DEPTH_MAX} levels")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ConfigError(f"{_show(key)} stands twice in one object")
        found[key] = value
    return found


def _check_keys(data: Mapping[str, Any], accepted: tuple[str, ...], path: str) -> None:
    for key in data:
        if key == "mixHash":
            raise ConfigError("mixHash cannot be chosen: it commits to this file")
        if key not in accepted:
            raise ConfigError(f"{path}{key} is unknown; accepted: {', '.join(accepted)}")


def _section(data: Mapping[str, Any], key: str, path: str) -> Mapping[str, Any]:
    section = data.get(key)
    if not isinstance(section, Mapping):
        raise ConfigError(f"{path} is {_show(section) if key in data else 'missing'}; accepted: an object")
    return section


def _named(config: Mapping[str, Any], key: str) -> tuple[str, dict[str, Any]]:
    """(name, parameters) of the protocol or ledger; a bare string is a name without parameters."""
    section = config.get(key)
    if isinstance(section, str):
        section = {"name": section}
    if not isinstance(section, Mapping) or not isinstance(section.get("name"), str) or not section["name"]:
        raise ConfigError(f'config.{key} is {_show(section)}; accepted: a name, or {{"name": ..., parameters}}')
    parameters = {name: value for name, value in section.items() if name != "name"}
    _check_plain(parameters, f"config.{key}")
    return section["name"], parameters


def _check_plain(value: Any, path: str, depth: int = 8) -> None:
    """Only what has one canonical text: no floats, and not too deep."""
    if depth == 0:
        raise ConfigError(f"{path} is nested too deeply")
    if isinstance(value, float):
        raise ConfigError(f"{path} is {value!r}; accepted: integers (write fractions as strings or ratios)")
    if isinstance(value, Mapping):
        for key, part in value.items():
            _check_plain(part, f"{path}.{key}", depth - 1)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            _check_plain(part, f"{path}[{index}]", depth - 1)


def _extra_data(value: Any) -> bytes:
    """Bytes from 0x text; any other text stands for its UTF-8."""
    data = None
    if isinstance(value, str):
        try:
            data = bytes.fromhex(value[2:]) if value.startswith("0x") else value.encode()
        except ValueError:
            data = None
    if data is None or len(data) > EXTRA_DATA_BYTES_MAX:
        raise ConfigError(f"extraData is {_show(value)}; accepted: text or 0x, at most {EXTRA_DATA_BYTES_MAX} bytes")
    return data


def _nonce(value: Any) -> bytes:
    return quantity(value, "nonce", high=UINT64_MAX).to_bytes(NONCE_BYTES)


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


__all__ = [
    "CHAIN_ID_DEFAULT",
    "EXTRA_DATA_DEFAULT",
    "GAS_LIMIT_DEFAULT",
    "PRESETS",
    "Genesis",
    "address",
    "even_alloc",
    "make_genesis_block",
    "preset_alloc",
    "quantity",
    "sample_key",
    "sample_name",
]
