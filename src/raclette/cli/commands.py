"""The list of command files. Importing one registers its commands."""

from importlib import import_module

MODULES = (
    "demo",
    "up",
    "node",
    "db",
    "wallet",
    "money",
    "look",
    "polls",
    "console",
    "sim",
    "scenarios",
    "lab",
    "testbed.command",
    "loading",
    "sweep",
    "hunt",
    "compare",
    "bench",
    "bench_votes",
    "registry",
)


def load() -> None:
    """Register every command, in the order of the help."""
    for name in MODULES:
        import_module(f"raclette.cli.{name}")
