"""How a process of ours logs: lines for a terminal, JSON for whoever collects logs. Never a customer's data."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import IO

from streams.clock import monotonic_s

REPEAT_S = 10.0
OURS = "whaleline"
LINES = "%(asctime)s %(levelname)s %(name)s %(message)s"


class Json(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, and what the message was given as ``extra``.

    Of an exception its type alone: its text may hold anything.
    """

    PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        told = {
            "time": when.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{key: value for key, value in vars(record).items() if key not in self.PLAIN},
        }
        if record.exc_info and record.exc_info[0] is not None:
            told["exception"] = record.exc_info[0].__name__
        return json.dumps(told, ensure_ascii=False, default=str)


class Rarely(logging.Filter):
    """Lets the same message through once in ten seconds, however often a library repeats it."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this one is told."""
        key, now = (record.name, str(record.msg)), monotonic_s()
        if record.levelno >= logging.CRITICAL or now - self._last.get(key, -REPEAT_S) >= REPEAT_S:
            self._last[key] = now
            return True
        return False


def set_up_logging(level: int = logging.INFO, style: str = "auto", stream: IO[str] | None = None) -> None:
    """Log to ``stream`` (stderr): ours from ``level`` on, the libraries' warnings, nothing repeated in a hurry.

    ``style``: ``lines`` for people, ``json`` for machines, ``auto`` for lines on a terminal and JSON elsewhere.
    """
    stream = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(stream)
    for_people = style == "lines" or (style == "auto" and stream.isatty())
    handler.setFormatter(logging.Formatter(LINES) if for_people else Json())
    libraries = Rarely()
    handler.addFilter(lambda record: record.name == OURS or libraries.filter(record))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    # Both write whole records into their logs below this level, and Faust does so even at it.
    for name in ("aiokafka", "faust", "mode", "kafka"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("faust.topics").setLevel(logging.CRITICAL)
    logging.getLogger(OURS).setLevel(level)
