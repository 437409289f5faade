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


def accepts(detail: ErrorDetails) -> str:
    """What a mistake that pydantic found would have had to be, in this project's words."""
    context = detail.get("ctx", {})
    if detail["type"] == "value_error":
        return str(context["error"])
    return _WORDS.get(detail["type"], detail["msg"]).format(**context)


# pydantic's words, as ours are.
_WORDS: Mapping[str, str] = {
    "int_type": "accepted is an integer",
    "int_from_float": "accepted is an integer",
    "float_type": "accepted is a number",
    "bool_type": "accepted is true or false",
    "string_type": "accepted is text",
    "dict_type": "accepted is a table",
    "model_type": "accepted is a table",
    "tuple_type": "accepted is a list",
    "literal_error": "accepted are {expected}",
    "greater_than_equal": "accepted is {ge} and more",
    "greater_than": "accepted is more than {gt}",
    "less_than_equal": "accepted is at most {le}",
    "less_than": "accepted is less than {lt}",
    "string_too_long": "accepted are at most {max_length} characters",
}


def _describe(model: type[BaseModel], detail: ErrorDetails) -> str:
    location = ".".join(str(part) for part in detail["loc"])
    path = f"{PATH}.{location}" if location else PATH
    if detail["type"] == "extra_forbidden":
        return f"{path}: unknown key; accepted: {', '.join(model.model_fields)}"
    field = model.model_fields.get(str(detail["loc"][0])) if detail["loc"] else None
    choices = get_args(field.annotation) if field is not None and detail["type"] == "literal_error" else ()
    accepted = "accepted: " + ", ".join(map(str, choices)) if choices else accepts(detail)
    return f"{path}: {detail['input']!r} cannot be used; {accepted}" if location else f"{path}: {accepted}"
