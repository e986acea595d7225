"""An archive without one customer: its files are written anew where they speak of them.

Records keep their offsets: a block loses the customer's events, and one that had no others, like the erasure's own
entry, becomes an entry that says nothing. So a replay of the rest goes on as it did.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from schemas.block import (
    Block,
    Sourced,
    decode,
    decode_control,
    encode_events,
    is_control,
    progress_entry,
)
from schemas.codes import Control
from schemas.events import FIELD, Event, Type
from streams import archive, archiverows
from streams.archive import Piece
from streams.ledgerfile import Frame

NOTHING = progress_entry(())
"""An entry that changes nothing, in place of a record that may not be missing."""
OTHERS = "referred_customer_id"
"""The one field in which an event of somebody else names a customer."""
Progress = Callable[[int], None]


class Forgotten(NamedTuple):
    """What was taken out of an archive; ``files`` were written anew, ``states`` of them hold rows."""

    events: int
    mentions: int
    files: int
    states: int = 0


def forget(path: Path, customer_id: str, until_ms: int | None, progress: Progress = lambda _: None) -> Forgotten:
    """Take a customer out of an archive, as far as their events are of ``until_ms`` or before; None: all of them.

    A file is replaced when its successor is complete, so whatever ends it, once more goes on. ``progress`` hears 1
    for each file. Raises ``FileError``.
    """
    archive.about(path)
    events = mentions = files = states = 0
    with archive.alone(path):
        for pieces in archive.pieces(path).values():
            for piece in pieces:
                found = _piece(path, piece, customer_id, until_ms)
                events, mentions = events + found.events, mentions + found.mentions
                files += found.files
                progress(1)
        states, _ = archiverows.forget(path, customer_id, until_ms, progress)
    return Forgotten(events, mentions, files + states, states)


def files_of(path: Path) -> int:
    """How many files ``forget`` looks at."""
    return sum(map(len, archive.pieces(path).values())) + len(archiverows.kept(path))


def _piece(path: Path, piece: Piece, customer_id: str, until_ms: int | None) -> Forgotten:
    frames = list(archive.frames_of(piece))
    without = [_without(frame, customer_id, until_ms) for frame in frames]
    events, mentions = sum(one.events for one, _ in without), sum(one.mentions for one, _ in without)
    kept = [frame for _, frame in without]
    if kept == frames:
        return Forgotten(0, 0, 0)
    archive.rewrite(path, piece, kept)
    return Forgotten(events, mentions, 1)


def _without(frame: Frame, customer_id: str, until_ms: int | None) -> tuple[Forgotten, Frame]:
    nothing = Forgotten(0, 0, 0)
    if customer_id.encode() not in frame.value:
        return nothing, frame
    if is_control(frame.value):
        entry = decode_control(frame.value)
        theirs = entry.control is Control.ERASE and entry.body.get("customer_id") == customer_id
        theirs = theirs and (until_ms is None or int(entry.body["asked_ms"]) <= until_ms)
        return nothing, frame._replace(value=NOTHING) if theirs else frame
    block = decode(frame.value)
    assert isinstance(block, Block)
    every = [_event(block, at) for at in range(block.n)]
    kept = [one for one in every if not _is_theirs(one.event, customer_id, until_ms)]
    told = [_unnamed(one, customer_id, until_ms) for one in kept]
    mentions = sum(one is not other for one, other in zip(kept, told, strict=True))
    if len(kept) == len(every) and not mentions:
        return nothing, frame
    value = encode_events(told) if told else NOTHING
    return Forgotten(len(every) - len(kept), mentions, 0), frame._replace(value=value)


def _is_theirs(event: Event, customer_id: str, until_ms: int | None) -> bool:
    return event.customer_id == customer_id and (until_ms is None or event.ts_ms <= until_ms)


def _unnamed(one: Sourced, customer_id: str, until_ms: int | None) -> Sourced:
    """Somebody else's event without the customer's name in it, if it is of that time or before."""
    texts = one.event.texts
    if texts.get(OTHERS) != customer_id or (until_ms is not None and one.event.ts_ms > until_ms):
        return one
    left = {name: text for name, text in texts.items() if name != OTHERS}
    return one._replace(event=replace(one.event, texts=left))


def _event(block: Block, at: int) -> Sourced:
    """Event ``at`` of a block as it was written."""
    numbers: dict[str, int] = {}
    texts: dict[str, str] = {}
    for name, column in block.columns.items():
        one, value = FIELD[name], int(column[at])
        if one.type is not Type.TEXT:
            if value != one.absent:
                numbers[name] = value
        elif value:
            texts[name] = block.text(value).decode()
    return Sourced(block.sources[int(block.source[at])], int(block.offset[at]), Event(numbers, texts))
