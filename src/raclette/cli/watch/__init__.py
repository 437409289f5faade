"""`raclette sim FILE --watch`: a simulation in the terminal, as it happens."""

from raclette.cli.watch.screen import WatchApp, watch

__all__ = ["WatchApp", "watch"]
