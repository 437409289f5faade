"""What a sweep has found: a journal while it runs, a Parquet table when it ends.

The journal is one JSON line a finished run, on disk before the run counts as finished. A line torn by a crash is the
last one and is dropped: that run is run again. Nothing that was finished is lost, whoever kills what.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

from raclette.primitives.errors import ConfigError

Row: TypeAlias = dict[str, Any]
JOURNAL, TABLE, PLAN = "rows.jsonl", "results.parquet", "sweep.json"


class Journal:
    """The rows of one sweep in `directory`; use it as a context. `rows` maps cells' names to what they gave."""

    def __init__(self, directory: Path, plan: Mapping[str, Any]) -> None:
        """Opens or begins; `plan` is kept beside the rows, for people. Raises ConfigError if another sweep is there."""
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        kept = directory / PLAN
        if kept.exists():
            found = json.loads(kept.read_text())
            if found.get("plan") != plan["plan"]:
                raise ConfigError(
                    f"--out {directory}: holds another sweep; give an empty directory or the same arguments"
                )
        else:
            kept.write_text(json.dumps(plan, indent=1) + "\n")
        path = directory / JOURNAL
        whole = _whole_lines(path)
        self.rows: dict[str, Row] = {row["cell"]: row for row in map(json.loads, whole)}
        self._file = path.open("ab")
        self._file.truncate(sum(len(line) for line in whole))

    def add(self, row: Row) -> None:
        """Keep the row of cell `row["cell"]`; it is on disk when this returns."""
        self._file.write(json.dumps(row).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.rows[row["cell"]] = row

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()


def _whole_lines(path: Path) -> list[bytes]:
    if not path.exists():
        return []
    return [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def write_parquet(rows: Iterable[Row], path: Path) -> None:
    """One row a run; a column for every key that any row has, null where a row has none. The file appears whole.

    A column whose rows disagree on its type becomes text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kept = list(rows)
    names = list(dict.fromkeys(name for row in kept for name in row))
    columns = {}
    for name in names:
        values = [row.get(name) for row in kept]
        kinds = {type(value) for value in values if value is not None}
        if len(kinds) > 1 and kinds != {int, float}:
            values = [None if value is None else str(value) for value in values]
        columns[name] = values
    part = path.with_suffix(".part")
    pq.write_table(pa.table(columns), part, compression="zstd")
    part.replace(path)


def read_rows(path: Path) -> list[Row]:
    """The rows of a Parquet table. Raises OSError."""
    import pyarrow.parquet as pq

    rows: list[Row] = pq.read_table(path).to_pylist()
    return rows


def flat(report: Mapping[str, Any], prefix: str = "") -> Row:
    """A report as one row: nested mappings by dotted names, lists by their length."""
    row: Row = {}
    for key, value in report.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            row |= flat(value, f"{name}.")
        elif isinstance(value, (list, tuple)):
            row[name] = len(value)
        else:
            row[name] = value
    return row
