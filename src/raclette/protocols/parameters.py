"""Validated parameters of a protocol, with errors that a person can act on."""

from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from raclette.primitives.errors import ConfigError

PATH = "config.protocol"


class ProtocolParameters(BaseModel):
    """Base of every protocol's parameters: immutable, nothing unknown, no silent conversion ("5" is not 5)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Model = TypeVar("Model", bound=ProtocolParameters)


def parse_parameters(model: type[Model], values: Mapping[str, Any]) -> Model:
    """`values` as a `model`. Raises ConfigError naming the first bad key's path and what is accepted there."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError("; ".join(_describe(model, detail) for detail in error.errors())) from None


def _describe(model: type[BaseModel], detail: ErrorDetails) -> str:
    location = ".".join(str(part) for part in detail["loc"])
    path = f"{PATH}.{location}" if location else PATH
    if detail["type"] == "extra_forbidden":
        return f"{path}: unknown key; accepted: {', '.join(model.model_fields)}"
    field = model.model_fields.get(str(detail["loc"][0])) if detail["loc"] else None
    choices = get_args(field.annotation) if field is not None and detail["type"] == "literal_error" else ()
    accepted = "accepted: " + ", ".join(map(str, choices)) if choices else detail["msg"]
    return f"{path}: {detail['input']!r} cannot be used; {accepted}" if location else f"{path}: {detail['msg']}"
