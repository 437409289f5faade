"""What every table of a scenario file shares: nothing unknown is accepted, and a mistake has a path."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from raclette.primitives.errors import ConfigError

# Type of the errors made by `wrong`; their context carries the path below the table.
KEYED = "keyed"


class ScenarioError(ConfigError):
    """A scenario that cannot be used. `path` is the key ("faults[2].node"), `said` what is wrong and what would be
    accepted; `file` and `line` say where, if it came from a file (line 0: unknown)."""

    def __init__(self, path: str, said: str, file: str = "", line: int = 0) -> None:
        place = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(f"{place}{path}: {said}" if path else f"{place}{said}")
        self.path = path
        self.said = said

    def within(self, file: str, line: int) -> "ScenarioError":
        """The same with its place in a file."""
        return ScenarioError(self.path, self.said, file, line)


def wrong(key: str, said: str) -> PydanticCustomError:
    """An error about `key` of the table that is being validated."""
    return PydanticCustomError(KEYED, "{said}", {"key": key, "said": said})


def join(path: str, parts: Sequence[str | int]) -> str:
    """A path as people write it: names with dots, places in a list in brackets, counted from 0."""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


class Section(BaseModel):
    """A table of the file. Immutable, nothing unknown, no silent conversion ("5" is not 5).

    `choice` names the key that decides which others mean something, `belong` says which; text in the table's place is
    short for that key alone (`network = "wan"`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)
    choice: ClassVar[str] = ""
    belong: ClassVar[Mapping[str, frozenset[str]]] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {cls.choice: value} if cls.choice and isinstance(value, str) else value

    @model_validator(mode="after")
    def _keys_belong(self) -> Self:
        chosen = getattr(self, self.choice) if self.choice else ""
        if chosen in self.belong:
            for key in type(self).model_fields:
                if key in self.model_fields_set and key != self.choice and key not in self.belong[chosen]:
                    accepted = ", ".join(sorted(self.belong[chosen])) or "no other key"
                    raise wrong(key, f"means nothing with {self.choice} = {chosen!r}; accepted with it: {accepted}")
        return self
