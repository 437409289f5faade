"""A world for stories about Simplex."""

from typing import Any

from worlds import PARAMETERS, StoryWorld

DELTA_MS: int = PARAMETERS["simplex"]["delta_ms"]


class World(StoryWorld):
    """Of Simplex's engines. Iteration h is led by replica h mod n; the first is 1."""

    def __init__(self, replicas: int = 4, **options: Any) -> None:
        super().__init__("simplex", replicas, **options)
