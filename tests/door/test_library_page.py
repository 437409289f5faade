"""docs/library.md does what it says: its code runs, in order, as one program."""

import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "library.md"


def test_the_code_of_the_page_runs() -> None:
    pieces = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(pieces) == 5
    names: dict[str, Any] = {"__name__": "library_page"}
    for piece in pieces:
        exec(compile(piece, str(PAGE), "exec"), names)
    assert names["answer"]
