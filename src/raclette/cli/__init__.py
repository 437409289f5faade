"""What a person types and sees. `main` is the console script."""

import os


def main() -> None:
    """Run the command line. Commands are imported here, so that `import raclette` stays light."""
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    from raclette.cli import commands
    from raclette.cli.app import app

    commands.load()
    app()
