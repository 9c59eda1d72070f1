"""Logging for the command line: structlog and the standard library's loggers through one handler, console or JSON."""

import logging
import logging.handlers
import sys
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from tapeline.config import LogConfig
from tapeline.errors import ConfigError

FIRST = ("timestamp", "level", "logger", "event", "venue", "topic", "connection")  # JSON keys, in this order
QUIETER = ("asyncio", "httpx2", "httpcore2", "picows", "websockets")  # libraries that tell of each request at `info`


def configure_logging(log: LogConfig, stream: TextIO | None = None) -> None:
    """Log as configured from here on; a second call replaces the first. `stream` instead of standard error.

    Raises ConfigError where the log file cannot be written.
    """
    handler = _handler(log, stream or sys.stderr)
    colours = log.file is None and (stream or sys.stderr).isatty()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(log, colours=colours)],
            foreign_pre_chain=_describing(),
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(old)
            old.close()
    root.addHandler(handler)
    root.setLevel(log.level.upper())
    for name in QUIETER:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_describing(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # a logger made before this call must obey it too
    )


def _handler(log: LogConfig, stream: TextIO) -> logging.Handler:
    if log.file is None:
        return logging.StreamHandler(stream)
    path = Path(log.file).expanduser()
    try:
        return logging.handlers.RotatingFileHandler(
            path, maxBytes=int(log.max_mb * 2**20), backupCount=log.keep, encoding="utf-8"
        )
    except OSError as error:
        raise ConfigError(f"log.file: cannot write {path}: {error.strerror or error}") from error


def _describing() -> list[Processor]:
    """What every line gets: what is bound in its context, its level, logger and time."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.UnicodeDecoder(errors="backslashreplace"),
    ]


def _rendering(log: LogConfig, *, colours: bool) -> list[Processor]:
    if log.format == "json":
        return [structlog.processors.format_exc_info, _in_order, structlog.processors.JSONRenderer(default=str)]
    tracebacks = structlog.dev.plain_traceback  # the rich ones print every local variable
    return [_in_order, structlog.dev.ConsoleRenderer(colors=colours, sort_keys=False, exception_formatter=tracebacks)]


def _in_order(_logger: WrappedLogger, _method: str, event: EventDict) -> dict[str, Any]:
    """The keys one looks for first come first."""
    return {name: event[name] for name in FIRST if name in event} | dict(event)
