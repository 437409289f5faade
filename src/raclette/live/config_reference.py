"""`docs/config.md`, written from the models of `config.py`, so that it cannot lie."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from raclette.live.config import ENV_PREFIX, NodeConfigFile, TrackerConfigFile, type_name

_HEAD = """# Configuration

A node and a tracker each read one TOML file. A wrong key or value is refused with its full path and what is accepted.
Relative paths start at the file's directory. Every key can be overridden by an environment variable,
`RACLETTE_<SECTION>__<KEY>`, for example `RACLETTE_NETWORK__LISTEN=0.0.0.0:7045`; lists are written as JSON.

This page is generated from the code (`make docs`).
"""

_NODE_EXAMPLE = """[node]
name = "alice"
data_dir = "alice"
genesis = "genesis.json"
beneficiary = "0x00000000000000000000000000000000000a11ce"

[network]
listen = "0.0.0.0:7045"
advertise = "alice.example:7045"
peers = ["7d4e3eec80026719639ed4dba68916eb94c7a49a053e05c8f9578fe4e5a3d7ea@bob.example:7045"]
tracker = "d759793bbc13a2819a827c76adb6fba8a49aee007f49f2d0992d99b825ad2c48@tracker.example:7044"

[rpc]
listen = "127.0.0.1:8545"

[log]
format = "json"

[metrics]
listen = "127.0.0.1:9100"
"""

_TRACKER_EXAMPLE = """[tracker]
data_dir = "tracker-data"
genesis = "genesis.json"
neighbours = "fanout:8"

[network]
listen = "0.0.0.0:7044"
"""

EXAMPLES: dict[str, str] = {"node.toml": _NODE_EXAMPLE, "tracker.toml": _TRACKER_EXAMPLE}


def reference() -> str:
    """The whole page, in Markdown."""
    parts = [_HEAD]
    for title, name, model in (
        ("A node", "node.toml", NodeConfigFile),
        ("A tracker", "tracker.toml", TrackerConfigFile),
    ):
        parts.append(f"## {title}: `{name}`\n\nFor example:\n\n```toml\n{EXAMPLES[name]}```\n")
        for section, field in model.model_fields.items():
            parts.append(_section(section, field.default))
    return "\n".join(parts)


def _section(name: str, defaults: BaseModel) -> str:
    kind = type(defaults)
    rows = [
        f"### `[{name}]`\n\n{(kind.__doc__ or '').strip()}\n",
        "| key | type | default | meaning | environment |",
        "|---|---|---|---|---|",
    ]
    for key, field in kind.model_fields.items():
        shown = f"`{_show(getattr(defaults, key))}`" if getattr(defaults, key) is not None else ""
        variable = f"`{ENV_PREFIX}{name.upper()}__{key.upper()}`"
        rows.append(f"| `{key}` | {type_name(field.annotation)} | {shown} | {field.description} | {variable} |")
    return "\n".join(rows) + "\n"


def _show(value: Any) -> str:
    if isinstance(value, Path):
        value = str(value)
    return json.dumps(list(value) if isinstance(value, tuple) else value)
