"""Rows in an archive: a replay that begins with them gives the same bytes, and an erasure finds them too."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from streams import archive, archiverows
from streams.archiveforget import forget
from streams.ledgerfile import FileError
from streams.pipeline import Pipeline, Record
from streams.replay import Outputs, ReplayError, run_replay
from tests.command import whaleline
from tests.driver import DAY, HOUR, Driver, feed
from tests.streams.test_archive import archived, frames
from tests.streams.test_archive_forget import CUSTOMER, holds
from tests.streams.test_archive_forget import driver as erased_one
from tests.streams.test_archive_forget import kept as one_partition
from tests.worlds import START_MS, world

assert erased_one
NAMES = ("alerts.jsonl", "states.jsonl", "daily.parquet", "held.jsonl", "incidents.jsonl", "curve.json",
         "problems.jsonl")  # fmt: skip
DAYS = (12, 24)
"""Rows are kept as these days begin, each partition's a little later than the one before."""


def states_of(driver: Driver, cuts: dict[int, list[int]]) -> Iterator[tuple[int, int, dict[bytes, bytes]]]:
    """(partition, which cut, state), compacted, as workers would have left it when so many records were judged."""
    for partition, log in enumerate(driver.ledger):
        pipeline, state = Pipeline("whaleline", partition, driver.partitions), {}
        for number, (begin, end) in enumerate(pairwise([0, *cuts[partition]])):
            for record in log[begin:end]:
                pipeline.step(record)
            for key, value in pipeline.snapshot().records:
                state.pop(key, None)
                if value is not None:
                    state[key] = value
            yield partition, number, dict(state)


@pytest.fixture(scope="module")
def lived() -> Driver:
    driver = Driver(now_ms=START_MS, partitions=3, policy="[breaker]\nsame_cause = 1\nchurn_least_entries = 1\n")
    feed(driver, world(11, 300, customers=9, span_days=36, disorder_ms=2 * HOUR))
    driver.wait(days=3)
    return driver


@pytest.fixture(scope="module")
def kept(lived: Driver, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with rows of two days of all partitions, and of the later one alone of the last partition."""
    path = archived(tmp_path_factory.mktemp("rows") / "kept", frames(lived))
    cuts = {
        partition: [
            sum((one.append_ms or 0) < START_MS + day * DAY for one in log) + 3 * partition for day in DAYS
        ]
        for partition, log in enumerate(lived.ledger)
    }
    for partition, number, state in states_of(lived, cuts):
        if (partition, number) != (2, 0):
            assert archiverows.keep(path, partition, state, START_MS + DAYS[number] * DAY)
    return path


def written(events: Path, out: Path, **how: object) -> dict[str, bytes]:
    out.mkdir()
    alerts, states, daily, held, incidents, curve, problems = (out / name for name in NAMES)
    run_replay(events, Outputs(alerts, states, None, held, incidents, curve, problems, daily), **how)  # type: ignore[arg-type]
    return {name: (out / name).read_bytes() for name in NAMES}


@pytest.mark.parametrize("days", [13, 30, 500])
def test_the_same_bytes_as_from_the_beginning(
    days: int, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With rows and without, in one process and in two; and it is the end of what the whole replay says."""
    since = (START_MS + days * DAY) // DAY * DAY
    begun = archiverows.newest(kept, archive.firsts_of(kept, archiverows._day(since).isoformat()))
    assert {at: one.day for at, one in begun.items()}.keys() == ({0, 1} if days == 13 else {0, 1, 2})
    found = written(kept, tmp_path / "rows", from_ms=since)
    if days == 30:
        assert written(kept, tmp_path / "two", from_ms=since, jobs=2) == found
    monkeypatch.setattr("streams.rejudge.rows_before", lambda *_: {})
    assert written(kept, tmp_path / "none", from_ms=since) == found
    whole = written(kept, tmp_path / "whole")
    assert found["states.jsonl"] == whole["states.jsonl"]
    assert whole["alerts.jsonl"].endswith(found["alerts.jsonl"])
    assert (0 < len(found["alerts.jsonl"]) < len(whole["alerts.jsonl"])) == (days < 500)
    if days < 500:
        assert found["curve.json"] == whole["curve.json"]


def test_a_replay_from_a_day_reads_no_record_that_the_rows_hold(kept: Path, tmp_path: Path) -> None:
    """Negative control: with other rows the result is another, so they are what is judged on from."""
    since = (START_MS + 30 * DAY) // DAY * DAY
    found = written(kept, tmp_path / "rows", from_ms=since)
    one = max(one for one in archiverows.kept(kept) if one.partition == 0)
    before = one.path.read_bytes()
    records = list(archiverows.read(one.path))
    rows = [at for at, (key, _) in enumerate(records) if key[:1] == b"c"]
    first, second = rows[:2]
    records[first], records[second] = (
        (records[first][0], records[second][1]),
        (records[second][0], records[first][1]),
    )
    archiverows._write(one.path, records)
    try:
        assert written(kept, tmp_path / "other", from_ms=since)["states.jsonl"] != found["states.jsonl"]
    finally:
        one.path.write_bytes(before)


def test_an_erasure_takes_a_customer_out_of_the_rows(erased_one: Driver, tmp_path: Path) -> None:
    """Rows of before the erasure, in which alerts of theirs wait and an incident names them."""
    path = one_partition(erased_one, tmp_path / "kept")
    last = max(at for at, one in enumerate(erased_one.ledger[0]) if CUSTOMER.encode() in one.value)
    first = min(at for at, one in enumerate(erased_one.ledger[0]) if CUSTOMER.encode() in one.value)
    (_, _, state), (_, _, later) = states_of(erased_one, {0: [first + 2, last + 2]})
    assert b"c" + CUSTOMER.encode() in state
    assert archiverows.keep(path, 0, state, START_MS)
    assert archiverows.keep(path, 0, later, START_MS + 30 * DAY)
    assert len(holds(path / archiverows.ROWS, CUSTOMER)) == 2
    found = forget(path, CUSTOMER, erased_one.receipts[0].erased_ms)
    assert found.states == 1
    assert holds(path / archiverows.ROWS, CUSTOMER) == [archiverows.kept(path)[1].path]
    result = whaleline("archive", "forget", path, CUSTOMER, "--yes")
    assert result.exit_code == 0, result.output
    assert holds(path, CUSTOMER) == []
    pipeline = Pipeline("whaleline")
    archiverows.restore(archiverows.kept(path)[1], pipeline)
    for frame in archive.read(path, {0: last + 2})[1]:
        pipeline.step(Record(frame.offset, frame.append_ms, frame.value))
    whole = Pipeline("whaleline")
    for record in erased_one.ledger[0]:
        whole.step(record)
    rows_of = lambda one: {name: row.tobytes() for name, row in one.settled_rows().items()}  # noqa: E731
    assert rows_of(pipeline) == {name: row for name, row in rows_of(whole).items() if name != CUSTOMER.encode()}


def test_alerts_that_are_held_and_their_incident_forget_a_customer(tmp_path: Path) -> None:
    """Three of twelve are held. Of one who is forgotten nothing is left, of the others all is."""
    driver = Driver(now_ms=START_MS)
    for number in range(12):
        case = {"case_id": f"T{number}", "reason": "no login"}
        driver.support("chat", f"canary-{number:02d}", **case)
        driver.support("rude_call", f"canary-{number:02d}", observer="qa")
    driver.wait(hours=2)
    ((_, _, state),) = states_of(driver, {0: [len(driver.ledger[0])]})
    before = list(state.items())
    named = [key for key, value in before if b"canary-10" in value]
    assert {key[:1] for key in named} == {b"k", b"b"}
    after = archiverows.without(before, "canary-10", None)
    assert not any(b"canary-10" in key + value for key, value in after)
    assert len(after) == len(before) - 1
    archiverows._write(tmp_path / "0.parquet", after)
    pipeline = Pipeline("whaleline")
    archiverows.restore(archiverows.Kept(tmp_path / "0.parquet", "", 0, 0), pipeline)
    assert {one.customer_id for one in pipeline.kept()} == {one.customer_id for one in driver.kept()} - {
        "canary-10"
    }


def test_rows_are_kept_when_they_are_due(lived: Driver, tmp_path: Path) -> None:
    path = archived(tmp_path / "kept", frames(lived))
    assert archiverows.due(path, 0, START_MS, 7)
    assert not archiverows.keep(path, 0, {}, START_MS)
    ((_, _, state), *_) = states_of(lived, {at: [40] for at in range(3)})
    assert archiverows.keep(path, 0, state, START_MS)
    assert not archiverows.due(path, 0, START_MS + 6 * DAY, 7)
    assert archiverows.due(path, 0, START_MS + 7 * DAY, 7)
    assert archiverows.due(path, 1, START_MS, 7)
    (one,) = archiverows.kept(path)
    assert (one.partition, one.offset) == (0, 40)
    columns = pq.read_table(one.path)
    assert set(columns["customer_id"].to_pylist()) - {None} <= {f"C{at}" for at in range(9)}


def test_what_cannot_be_is_said(kept: Path, lived: Driver, tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text('{"kind": "praise"}\n')
    with pytest.raises(ReplayError, match="only a ledger or an archive"):
        written(tmp_path / "events.jsonl", tmp_path / "a", from_ms=0)
    with pytest.raises(ReplayError, match="cannot be resumed"):
        written(kept, tmp_path / "b", from_ms=0, resume=tmp_path / "r")
    said = whaleline(
        "replay", kept, "--alerts", tmp_path / "x", "--states", tmp_path / "y", "--from", "2025-12-01T08:00"
    )
    assert "is not a day such as" in said.stderr
    path = archived(tmp_path / "cut", frames(lived))
    ((_, _, state), *_) = states_of(lived, {at: [40] for at in range(3)})
    archiverows.keep(path, 0, dict(list(state.items())[2:]), START_MS)
    with pytest.raises(FileError, match="cannot be judged on from"):
        archiverows.restore(archiverows.kept(path)[0], Pipeline("whaleline", 0, 3))
