"""What this is, in one line: for `--version` and `web3_clientVersion`."""

from importlib.metadata import version


def version_text() -> str:
    """Name and version."""
    return f"raclette {version('raclette')}"
