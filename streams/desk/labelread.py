"""Labels as they are read: from the topics of a deployment, or from a file that was exported."""

import json
from pathlib import Path
from typing import Any, get_args, get_type_hints

from streams.config import Config
from streams.desk.board import Board, Record
from streams.desk.forgotten import Forgotten
from streams.desk.labels import Label, of_board
from streams.ledgerfile import FileError
from streams.reading import reading
from streams.secret import load_key

ROLES = ("alerts", "desk_actions", "erasures")
_SHAPE = get_type_hints(Label)
_CALLED = {str: "a text", int: "a whole number", bool: "true or false"}


def read(config: Config, **client: Any) -> list[Label]:
    """The labels of a deployment; raises ``TopicError`` with one sentence."""
    board = Board(forgotten=Forgotten(load_key(config)))
    for role in ROLES:
        with reading(config.broker, getattr(config.topics, role), **client) as (_, messages):
            for partition, one in messages:
                board.take(Record(role, partition, one.offset, one.timestamp, one.key, one.value))
    return of_board(board)


def read_labels(path: Path) -> list[Label]:
    """The labels of a file as `whaleline labels export` writes it, the last word on each alert, oldest first.

    Several exports may stand in one file. Raises ``FileError`` in one sentence that names the line.
    """
    last: dict[str, Label] = {}
    try:
        with path.open(encoding="utf-8") as data:
            for number, line in enumerate(data, 1):
                if line.strip():
                    one = _label(path, number, line)
                    before = last.get(one.alert_id)
                    if before is None or before.labelled_ms <= one.labelled_ms:
                        last[one.alert_id] = one
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise FileError(f"{path} is not text in UTF-8") from None
    if not last:
        raise FileError(f"{path}: there is no label in it; `whaleline labels export` writes what people said")
    return sorted(last.values(), key=lambda label: (label.labelled_ms, label.alert_id))


def _label(path: Path, number: int, line: str) -> Label:
    what = f"{path}: line {number} is no label as `whaleline labels export` writes it"
    try:
        sent = json.loads(line)
    except (ValueError, RecursionError):
        raise FileError(f"{what}: it is not JSON") from None
    if not isinstance(sent, dict):
        raise FileError(f"{what}: it is not a JSON object")
    for name, hint in _SHAPE.items():
        if name not in sent:
            raise FileError(f"{what}: {name} is missing")
        kinds = get_args(hint) or (hint,)
        if type(sent[name]) not in kinds:
            raise FileError(f"{what}: {name} is not {_CALLED[kinds[0]]}")
    return Label(**{name: sent[name] for name in _SHAPE})
