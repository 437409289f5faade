"""Structured logs: one event a line, for people (console) or programs (JSON), on standard error."""

import logging
import sys
from typing import Any, TextIO

import orjson
import structlog

from raclette.primitives.errors import ConfigError, InvariantBroken, RacletteError

LEVELS = ("debug", "info", "warning", "error", "critical")
FORMATS = ("console", "json")


def _to_json(value: Any, default: Any = None, **_: Any) -> str:
    return orjson.dumps(value, default=_show).decode()


def _show(value: Any) -> str:
    return "0x" + value.hex() if isinstance(value, (bytes, bytearray)) else str(value)


def set_up_logs(level: str = "info", style: str = "console", stream: TextIO | None = None, **always: Any) -> None:
    """Call once, before anything logs. `always` is part of every line (the node's name). Raises ConfigError."""
    if level not in LEVELS:
        raise ConfigError(f"log.level: {level!r}; accepted: {', '.join(LEVELS)}")
    if style not in FORMATS:
        raise ConfigError(f"log.format: {style!r}; accepted: {', '.join(FORMATS)}")
    stream = stream or sys.stderr
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        lambda logger, method, event: {**always, **event},
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if style == "json":
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_to_json)]
    else:
        processors.append(structlog.dev.ConsoleRenderer(colors=stream.isatty()))
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )


def traceback_of(error: BaseException) -> BaseException | None:
    """`error` if its traceback helps: a bug of ours. A damaged database or a full disk is told in one line."""
    told = isinstance(error, RacletteError) and not isinstance(error, InvariantBroken)
    return None if told else error
