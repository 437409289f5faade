"""A world for stories about PBFT."""

from typing import Any

from worlds import StoryWorld


class World(StoryWorld):
    """Of PBFT's engines."""

    def __init__(self, replicas: int = 4, **options: Any) -> None:
        super().__init__("pbft", replicas, **options)
