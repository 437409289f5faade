"""`raclette protocols`, `raclette ledgers`: what there is to choose from."""

import inspect
import re
from typing import Any

from pydantic_core import PydanticUndefined

from raclette.cli.app import app, examples
from raclette.cli.output import Json, one_line_errors, print_json, print_table
from raclette.ledgers import LEDGERS
from raclette.protocols import PROTOCOLS


def _parameters(model: Any) -> list[dict[str, Any]]:
    documented = _attributes(inspect.getdoc(model) or "")
    rows = []
    for name, field in model.model_fields.items():
        default = None if field.default is PydanticUndefined else field.default
        rows.append({"name": name, "default": default, "meaning": field.description or documented.get(name, "")})
    return rows


def _attributes(docstring: str) -> dict[str, str]:
    """Name and meaning, from the part of a docstring that begins with "Attributes:"."""
    section = docstring.partition("Attributes:\n")[2]
    found = re.findall(r"(?ms)^    (\w+): (.*?)(?=^    \w|\Z)", section)
    return {name: " ".join(meaning.split()) for name, meaning in found}


@app.command(epilog=examples("raclette protocols", "raclette protocols --json"), rich_help_panel="Explore")
@one_line_errors
def protocols(json: bool = Json) -> None:
    """List the consensus protocols, with the parameters that genesis may set."""
    found: list[dict[str, Any]] = [
        {"name": p.name, "description": p.description, "parameters": _parameters(p.parameters)}
        for p in PROTOCOLS.values()
    ]
    if json:
        print_json(found)
        return
    for protocol in found:
        rows = [(row["name"], row["default"], row["meaning"]) for row in protocol["parameters"]]
        print_table(f"{protocol['name']}: {protocol['description']}", ("parameter", "default", "meaning"), rows)


@app.command(epilog=examples("raclette ledgers"), rich_help_panel="Explore")
@one_line_errors
def ledgers(json: bool = Json) -> None:
    """List the ledgers: the applications that run on top of consensus."""
    found = [
        {"name": name, "description": (factory.__doc__ or "").partition("\n")[0]} for name, factory in LEDGERS.items()
    ]
    if json:
        print_json(found)
        return
    print_table("", ("ledger", "what it is"), ((entry["name"], entry["description"]) for entry in found))
