"""A backtest from end to end: two judgements side by side, compared, written down, and held against conditions."""

import csv
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from schemas.policy import Policy
from streams.backtest import BacktestError, Judged, judge_under
from streams.backtestreport import html
from streams.beside import FROM_BYTES, beside
from streams.compared import Comparison, compare
from streams.comparedwords import as_json
from streams.desk.labels import Label
from streams.ledgerfile import FileError, whole_file
from streams.recorded import size_of

SEGMENT_COLUMNS = ["customer_id", "segment"]


class Asked(NamedTuple):
    """A policy to judge by, and what it is called; None is the ledger's own, or the default one."""

    policy: Policy | None
    name: str


def read_segments(path: Path) -> dict[str, str]:
    """The segment of each customer: CSV with the columns ``customer_id`` and ``segment``. Raises ``FileError``."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as data:
            rows = csv.DictReader(data)
            if any(name not in (rows.fieldnames or ()) for name in SEGMENT_COLUMNS):
                raise FileError(f"{path}: the first line must name the columns customer_id and segment")
            found: dict[str, str] = {}
            for row in rows:
                if not row["customer_id"] or not row["segment"]:
                    raise FileError(f"{path}: line {rows.line_num} lacks its customer or its segment")
                if found.setdefault(row["customer_id"], row["segment"]) != row["segment"]:
                    raise FileError(f"{path}: line {rows.line_num} puts a customer into a second segment")
            return found
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"{path} cannot be read as CSV in UTF-8: {error}") from None


def run_backtest(
    events: Path, a: Asked, b: Asked, *, report: Path | None = None, told: Path | None = None,
    capacity: int | None = None, segments: Mapping[str, str] | None = None, labels: Sequence[Label] = (),
    progress: Callable[[float], None] = lambda _: None, **how: Any,
) -> Comparison:  # fmt: skip
    """Judge ``events`` under both policies and compare.

    The HTML ``report`` and the JSON ``told`` appear only when complete. ``how`` goes to ``judge_under``.
    Raises ``BacktestError``, ``ReplayError`` or ``FileError`` in one sentence.
    """
    wanted = [path for path in (report, told) if path is not None]
    if len({path.resolve() for path in (events, *wanted)}) <= len(wanted):
        raise BacktestError(f"{events}: the input and the outputs must be different files")
    with ExitStack() as stack:
        files = {path: stack.enter_context(whole_file(path)) for path in wanted}
        size = size_of(events)
        judge = _beside if size >= FROM_BYTES else _in_turn
        one, other = judge(events, (a, b), size, progress, how)
        found = compare(one, other, capacity, segments, how.get("currency", "USD"), labels)
        if report is not None:
            files[report].write(html(found, events.name).encode())
        if told is not None:
            files[told].write(as_json(found).encode())
    progress(1.0)
    return found


def _in_turn(
    events: Path, asked: Sequence[Asked], size: int, progress: Callable[[float], None], how: Mapping[str, Any]
) -> list[Judged]:
    """One policy after the other, in this process."""
    found: list[Judged] = []

    def count(done: int) -> None:
        progress((len(found) + done / size) / len(asked))

    while len(found) < len(asked):
        one = asked[len(found)]
        found.append(judge_under(events, one.policy, one.name, **how, progress=count))
    return found


def _beside(
    events: Path, asked: Sequence[Asked], size: int, progress: Callable[[float], None], how: Mapping[str, Any]
) -> list[Judged]:
    """Each policy in a process of its own; whatever one raises is raised here."""
    arguments = [(events, one, dict(how)) for one in asked]
    return beside(_judge, arguments, str(events), lambda done: progress(done / size))


def _judge(events: Path, asked: Asked, how: dict[str, Any], count: Callable[[int], None]) -> Judged:
    return judge_under(events, asked.policy, asked.name, **how, progress=count)
