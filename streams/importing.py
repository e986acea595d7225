"""A company's own tables become events: read by a mapping, checked by the codec, put in order of time.

Nothing is guessed and nothing is lost: a row that cannot be used goes to a file of its own with a sentence that
says why, and without such a file an import with such rows writes nothing at all.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from schemas.codec import Reject, decode, encode
from schemas.codes import FIRST_PURCHASE_KIND
from streams.converting import Notes, RowError, fields_of
from streams.ledgerfile import whole_file
from streams.mapping import Plan, Table
from streams.tables import rows

Progress = Callable[[float], None]
"""Told which share of the tables is read, 0 to 1, now and then."""


class ImportingError(RuntimeError):
    """An import cannot be made; the message is one sentence."""


class Made(NamedTuple):
    """One event made of a row, in the order in which events are sent."""

    ts_ms: int
    table: int
    row: int
    purchases: bool
    fields: dict[str, Any]


class Refused(NamedTuple):
    """One row that is no event: where it stands, why, and what it holds."""

    table: str
    file: str
    row: int
    reason: str
    detail: str
    values: dict[str, Any]


@dataclass(slots=True)
class Summary:
    """What an import did."""

    rows: int = 0
    events: int = 0
    customers: int = 0
    refused: int = 0
    unsorted: int = 0
    twice: int = 0
    first: str | None = None
    last: str | None = None
    by_kind: dict[str, int] = field(default_factory=dict)
    by_reason: dict[str, int] = field(default_factory=dict)

    def as_map(self) -> dict[str, Any]:
        """The summary as it is printed."""
        return asdict(self)


@dataclass(slots=True)
class Imported:
    """The events in the order of time, the rows that are none, and the summary of both."""

    events: list[Made]
    refused: list[Refused]
    summary: Summary


def read_tables(plan: Plan, currency: str = "USD", progress: Progress = lambda _: None) -> Imported:
    """Read every table of a mapping. Raises ``FileError`` for a file or a column that is not there."""
    sizes = [table.file.stat().st_size if table.file.is_file() else 0 for table in plan.tables]
    whole = max(1, sum(sizes))
    found = Imported([], [], Summary())
    known: dict[tuple[bool, str, str], dict[str, Any]] = {}
    notes = Notes()
    for at, table in enumerate(plan.tables):
        before, newest = sum(sizes[:at]), -1
        for line in rows(table, _share(progress, before, whole)):
            found.summary.rows += 1
            try:
                if line.fault is not None:
                    raise _NoEvent("wrong_columns", line.fault)
                made = _made(line.values, table, at, line.number, currency, notes)
                _once(made, known)
            except (_NoEvent, RowError) as error:
                reason = error.reason if isinstance(error, _NoEvent) else "wrong_value"
                found.refused.append(
                    Refused(table.name, table.file.name, line.number, reason, str(error), line.values)
                )
                continue
            found.summary.unsorted += made.ts_ms < newest
            newest = max(newest, made.ts_ms)
            found.events.append(made)
    found.events.sort(key=lambda one: one[:3])
    _sum_up(found, notes)
    return found


def _share(progress: Progress, before: int, whole: int) -> Callable[[int], None]:
    return lambda done: progress((before + done) / whole)


class _NoEvent(Exception):
    """A row that the checks refuse, with the reason's code."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def _made(values: dict[str, Any], table: Table, at: int, number: int, currency: str, notes: Notes) -> Made:
    """The event of a row, as the codec accepts it."""
    kind, fields = fields_of(values, table, notes)
    purchases = kind >= FIRST_PURCHASE_KIND
    if "event_id" not in table.fields:
        said = json.dumps([table.name, fields], sort_keys=True).encode()
        fields["event_id"] = blake2b(said, digest_size=12).hexdigest()
    event = decode(encode(fields), purchases=purchases, currency=currency)
    if isinstance(event, Reject):
        raise _NoEvent(event.reason.name.lower(), event.detail)
    return Made(event.ts_ms, at, number, purchases, fields)


def _once(made: Made, known: dict[tuple[bool, str, str], dict[str, Any]]) -> None:
    """Refuse an event id that a customer has had; the judge would pass over it without a word."""
    key = (made.purchases, made.fields["customer_id"], made.fields["event_id"])
    first = known.setdefault(key, made.fields)
    if first is made.fields:
        return
    if first == made.fields:
        raise _NoEvent("repeated", "the same event stands in an earlier row")
    raise _NoEvent("repeated_id", "an earlier row has this event_id for this customer, and says something else")


def _sum_up(found: Imported, notes: Notes) -> None:
    told = found.summary
    told.events, told.refused, told.twice = len(found.events), len(found.refused), notes.twice
    told.customers = len({one.fields["customer_id"] for one in found.events})
    told.by_kind = dict(sorted(Counter(one.fields["kind"] for one in found.events).items()))
    told.by_reason = dict(sorted(Counter(one.reason for one in found.refused).items()))
    if found.events:
        told.first, told.last = (_text(found.events[at].ts_ms) for at in (0, -1))


def _text(ts_ms: int) -> str:
    return datetime.fromtimestamp(ts_ms / 1000, UTC).isoformat(timespec="seconds")


def write(found: Imported, plan: Plan, out: Path | None, rejects: Path | None) -> None:
    """Write the events as JSON lines, and the rows that are none; both appear only when complete.

    Raises ``ImportingError`` where rows are refused and nobody said where they should go, or no event is left.
    """
    check(found, plan, rejects)
    wanted = [path for path in (out, rejects) if path is not None]
    taken = {path.resolve() for path in (plan.path, *(table.file for table in plan.tables))}
    if len({path.resolve() for path in wanted} | taken) < len(wanted) + len(taken):
        raise ImportingError(f"{plan.path}: tables, mapping and outputs must be different files")
    with ExitStack() as stack:
        if rejects is not None:
            stack.enter_context(whole_file(rejects)).writelines(_lines(one._asdict() for one in found.refused))
        if out is not None:
            sent = ({"version": 1, **one.fields} for one in found.events)
            stack.enter_context(whole_file(out)).writelines(_lines(sent))


def check(found: Imported, plan: Plan, rejects: Path | None) -> None:
    """Refuse an import that would leave out rows without a trace, or is empty."""
    if found.refused and rejects is None:
        first = found.refused[0]
        raise ImportingError(
            f"{first.file}: {len(found.refused)} of {found.summary.rows} rows are no events, the first at row "
            f"{first.row}: {first.detail}; name a file with --rejects to go on without them"
        )
    if not found.events:
        raise ImportingError(f"{plan.path}: no row of its tables is an event")


def _lines(told: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    for one in told:
        yield json.dumps(one, ensure_ascii=False, separators=(",", ":"), default=str).encode() + b"\n"
