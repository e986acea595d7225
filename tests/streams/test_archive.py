"""The ledger beyond retention: an archive judges as the ledger did, goes on where it ended, notices what lacks."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pyarrow
import pyarrow.parquet as pq
import pytest
from confluent_kafka import Producer

from schemas.block import Block, decode, is_control
from streams import archive, ledgerfile
from streams.archive import About
from streams.archivecheck import check
from streams.config import load
from streams.embedded import EmbeddedBroker
from streams.fields import fields_at
from streams.ledgerfile import FileError, Frame, Head
from streams.pipeline import Pipeline, Record
from streams.replay import Outputs, Summary, run_replay
from tests.command import stories_file, whaleline
from tests.driver import DAY, HOUR, Driver, feed
from tests.worlds import START_MS, world

ABOUT = About("ledger", UUID(int=7), 3)


@pytest.fixture(scope="module")
def lived() -> Driver:
    """A ledger of three partitions and 120 days, with the broker's times."""
    driver = Driver(now_ms=START_MS, partitions=3)
    feed(driver, world(11, 500, customers=9, disorder_ms=2 * HOUR))
    driver.wait(days=3)
    return driver


def frames(driver: Driver) -> list[Frame]:
    """Its records as a reader of the topic meets them: by their time, a partition's in their order."""
    every = [
        Frame(partition, one.offset, one.append_ms, one.value)
        for partition, log in enumerate(driver.ledger)
        for one in log
    ]
    return sorted(every, key=lambda one: (one.append_ms or 0, one.partition, one.offset))


def archived(path: Path, of: list[Frame], *, events: bool = False) -> Path:
    archive.begin(path, ABOUT)
    assert archive.write(path, of, events=events) == len(of)
    return path


def judged(events: Path, out: Path, suffix: str = "jsonl", **how: object) -> Summary:
    out.mkdir()
    daily = out / "daily.parquet" if suffix == "parquet" else None
    return run_replay(events, Outputs(out / f"alerts.{suffix}", out / f"states.{suffix}", daily=daily), **how)  # type: ignore[arg-type]


def test_an_archive_judges_as_the_ledger_did(lived: Driver, tmp_path: Path) -> None:
    whole = frames(lived)
    ledgerfile.write(tmp_path / "ledger.wll", Head("ledger", 3), whole)
    kept = archived(tmp_path / "kept", whole)
    days = {one.parent.parent.name for files in archive.pieces(kept).values() for one in [files[0].path]}
    assert all(day.startswith("day=20") for day in days)
    assert len({one.path.parent.parent.name for files in archive.pieces(kept).values() for one in files}) > 90
    assert judged(tmp_path / "ledger.wll", tmp_path / "a") == judged(kept, tmp_path / "b")
    assert (tmp_path / "a/alerts.jsonl").stat().st_size > 10_000
    assert (tmp_path / "a/states.jsonl").read_bytes() == (tmp_path / "b/states.jsonl").read_bytes()
    alerts = [(tmp_path / run / "alerts.jsonl").read_text().splitlines() for run in "ab"]
    assert sorted(alerts[0]) == sorted(alerts[1])
    assert {json.loads(line)["alert_id"] for line in alerts[0]} == {
        one.alert_id for outcome in lived.outcomes for one in outcome.alerts
    }


def test_whatever_ends_an_archiving_the_next_goes_on(lived: Driver, tmp_path: Path) -> None:
    """Cut after any number of records; what comes of both runs is one archive, each record once."""
    whole = frames(lived)

    def broken(count: int) -> Iterator[Frame]:
        yield from whole[:count]
        raise KeyboardInterrupt

    for count in (0, 1, 40, len(whole) // 2, len(whole) - 1):
        path = tmp_path / str(count)
        archive.begin(path, ABOUT)
        with pytest.raises(KeyboardInterrupt):
            archive.write(path, broken(count), events=False)
        starts = archive.next_offsets(path)
        archive.begin(path, ABOUT)
        rest = [one for one in whole if one.offset >= starts.get(one.partition, 0)]
        archive.write(path, rest, events=False)
        found = list(archive.read(path)[1])
        assert sorted(found) == sorted(whole)
        assert not list(path.rglob("*.part"))
        assert {at: told[:2] for at, told in check(path).records.items()} == {
            at: (0, len(log) - 1) for at, log in enumerate(lived.ledger)
        }


def test_the_events_beside_the_records_are_the_events(lived: Driver, tmp_path: Path) -> None:
    kept = archived(tmp_path / "kept", frames(lived), events=True)
    rows = [
        row
        for one in sorted((kept / "events").rglob("*.parquet"))
        for row in pq.ParquetFile(one).read().to_pylist()
    ]
    told = []
    for log in lived.ledger:
        for record in log:
            if is_control(record.value):
                continue
            block = decode(record.value)
            assert isinstance(block, Block)
            for at in range(block.n):
                source = block.sources[int(block.source[at])]
                place = (record.offset, str(source.topic), source.partition, int(block.offset[at]))
                told.append((*place, {name: one for name, one in fields_at(block, at).items() if one != ""}))
    names = ("ledger_offset", "source_topic", "source_partition", "source_offset")
    found = [
        (
            *(row[name] for name in names),
            {key: one for key, one in row.items() if one is not None and key not in names},
        )
        for row in rows
    ]
    assert len(found) == 500
    order = lambda one: one[1:4]  # noqa: E731
    assert sorted(found, key=order) == sorted(told, key=order)


def test_a_check_reads_the_table_of_events_too(lived: Driver, tmp_path: Path) -> None:
    """Cut short, with one figure changed, with one event missing, or left of another run: each is said."""
    kept = archived(tmp_path / "kept", frames(lived)[:40], events=True)
    found = check(kept)
    assert found.tables == sum(files for _, _, files in found.records.values()) > 3
    table = max((kept / "events").rglob("*.parquet"), key=lambda one: one.stat().st_size)
    whole, rows = table.read_bytes(), pq.ParquetFile(table).read()
    at = rows.schema.get_field_index("ts_ms")
    later = pyarrow.array([one + 1 for one in rows.column(at).to_pylist()], pyarrow.int64())
    for other in (rows.set_column(at, "ts_ms", later), rows.slice(1), rows.drop_columns(["sku"])):
        pq.write_table(other, table)
        with pytest.raises(FileError, match="does not hold the events of its records"):
            check(kept)
    table.write_bytes(whole[:-40])
    with pytest.raises(FileError, match="is not Parquet that can be read"):
        check(kept)
    table.write_bytes(whole)
    left = table.with_name(f"{10**6:020d}-{10**6 + 1:020d}.parquet")
    left.write_bytes(whole)
    with pytest.raises(FileError, match="archive update` takes it away"):
        check(kept)
    left.unlink()
    assert check(kept) == found


def test_events_come_from_parquet_as_from_json(tmp_path: Path) -> None:
    """The wire's fields as columns; a data frame's gaps and its numbers with a point are what was meant."""
    lines = stories_file(tmp_path / "events.jsonl", customers=6)
    sent = [json.loads(line) for line in lines.read_text().splitlines()]
    names = sorted({name for one in sent for name in one} - {"version"})
    columns = {name: [one.get(name) for one in sent] for name in names}
    columns["note"] = ["of no interest"] * len(sent)
    amounts = pyarrow.array([float("nan") if one is None else float(one) for one in columns["amount_cents"]])
    table = pyarrow.table({**columns, "amount_cents": amounts})
    pq.write_table(table, tmp_path / "events.parquet", row_group_size=700)
    assert judged(lines, tmp_path / "a") == judged(tmp_path / "events.parquet", tmp_path / "b")
    for name in ("alerts.jsonl", "states.jsonl"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_results_are_the_same_as_parquet(lived: Driver, tmp_path: Path) -> None:
    kept = archived(tmp_path / "kept", frames(lived))
    judged(kept, tmp_path / "a")
    judged(kept, tmp_path / "b", "parquet")
    lines = [json.loads(line) for line in (tmp_path / "a/alerts.jsonl").read_text().splitlines()]
    rows = pq.ParquetFile(tmp_path / "b/alerts.parquet").read().to_pylist()
    assert len(rows) == len(lines) > 0
    for row, line in zip(rows, lines, strict=True):
        nested = [name for name, one in line.items() if isinstance(one, list | dict)]
        told = {**row, **{name: json.loads(row[name]) for name in nested}, "version": 1}
        assert told == {**dict.fromkeys(row), **line}
    states = [json.loads(line) for line in (tmp_path / "a/states.jsonl").read_text().splitlines()]
    rows = pq.ParquetFile(tmp_path / "b/states.parquet").read().to_pylist()
    assert rows == [{name: one for name, one in state.items() if name != "spare"} for state in states]


def test_every_midnight_says_how_everyone_stands(lived: Driver, tmp_path: Path) -> None:
    """Told by a pipeline that is stepped by hand: at each midnight the states it has, and the risk of the day."""
    kept = archived(tmp_path / "kept", frames(lived))
    judged(kept, tmp_path / "out", "parquet")
    rows = pq.ParquetFile(tmp_path / "out/daily.parquet").read().to_pylist()
    expected = {}
    for partition, log in enumerate(lived.ledger):
        pipeline = Pipeline("whaleline", partition, 3)

        def look(tick_ms: int, pipeline: Pipeline = pipeline) -> None:
            for slot in range(len(pipeline.arena)):
                row = pipeline.arena.rows[slot]
                name = pipeline.arena.customer(slot).decode()
                expected[tick_ms // DAY, name] = (int(row["risk_day_start_ppm"]), int(row["state"][1]))

        pipeline.on_midnight = look
        for record in log:
            pipeline.step(Record(record.offset, record.append_ms, record.value))
    words = ("calm", "churn_risk", "churn_risk_high")
    found = {
        ((row["day"] - row["day"].fromordinal(719_163)).days, row["customer_id"]): (
            row["risk_ppm"], words.index(row["churn"]),
        )
        for row in rows
    }  # fmt: skip
    assert found == expected
    assert {state for _, state in found.values()} > {0}


def test_what_is_wrong_with_an_archive_is_said(lived: Driver, tmp_path: Path) -> None:
    whole = frames(lived)
    kept = archived(tmp_path / "kept", whole)
    with pytest.raises(FileError, match="archives another ledger"):
        archive.begin(kept, ABOUT._replace(topic_id=UUID(int=8)))
    (tmp_path / "full").mkdir()
    (tmp_path / "full/letter.txt").touch()
    with pytest.raises(FileError, match="name an empty directory"):
        archive.begin(tmp_path / "full", ABOUT)
    with pytest.raises(FileError, match="no archive of a ledger"):
        judged(tmp_path / "full", tmp_path / "no")
    with archive.alone(kept), pytest.raises(FileError, match="by another process"), archive.alone(kept):
        raise AssertionError
    first = archive.pieces(kept)[0][2].path
    first.write_bytes(first.read_bytes()[:-40])
    with pytest.raises(FileError, match="is not Parquet that can be read"):
        check(kept)
    first.unlink()
    with pytest.raises(FileError, match=r"the records between \d+ and \d+ of partition 0 are missing"):
        judged(kept, tmp_path / "gap")
    with pytest.raises(FileError, match="are gone from Kafka and not in the archive"):
        list(archive._behind(kept, [Frame(1, 12, 0, b"")], {1: 9}))


def test_events_come_from_csv_as_from_json(tmp_path: Path) -> None:
    """What is no value of its field is refused as it would be on the wire, with its line; nothing else is lost."""
    lines = stories_file(tmp_path / "events.jsonl", customers=6)
    sent = [json.loads(line) for line in lines.read_text().splitlines()]
    sent.insert(70, {**sent[70], "ts_ms": "noon"})
    lines.write_text("".join(json.dumps(one) + "\n" for one in sent))
    names = sorted({name for one in sent for name in one} - {"version"})
    with (tmp_path / "events.csv").open("w", newline="") as out:
        table = csv.DictWriter(out, [*names, "note"], extrasaction="ignore")
        table.writeheader()
        table.writerows({**one, "note": "of no, interest"} for one in sent)
    first, second = judged(lines, tmp_path / "a"), judged(tmp_path / "events.csv", tmp_path / "b")
    assert first == second
    assert second.dead_letters == 1
    for name in ("alerts.jsonl", "states.jsonl"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"kind;ts_ms\npraise;1\n", "has no column kind: columns must be named as the wire"),
        (b"", "has no column kind"),
        (b"kind,ts_ms,customer_id\npraise,1,M\xfcller\n", "not text in UTF-8"),
        (b'kind,ts_ms\n"praise,1\n', "line 2: not CSV"),
    ],
)
def test_csv_that_cannot_be_read_is_said(text: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_bytes(text)
    with pytest.raises(FileError, match=said):
        judged(tmp_path / "events.csv", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"kind": ["csat"]}, "has no column ts_ms"),
        ({"kind": ["csat"], "ts_ms": pyarrow.array([1], pyarrow.timestamp("ms"))}, "column ts_ms holds timestamp"),
    ],
)
def test_columns_that_are_not_the_wires_are_refused(table: dict[str, object], said: str, tmp_path: Path) -> None:
    pq.write_table(pyarrow.table(table), tmp_path / "events.parquet")
    with pytest.raises(FileError, match=said):
        judged(tmp_path / "events.parquet", tmp_path / "out")


def _position(driver: Driver) -> bytes:
    return next(value for key, value in driver.changelog[1] if key == b"p" and value is not None)


def test_an_archive_is_kept_from_kafka_and_grows(tmp_path: Path) -> None:
    """On a broker in memory: made, found to be up to date, grown, checked and replayed, by the commands."""
    settings = {"WHALELINE_LEDGER_PARTITIONS": "2", "WHALELINE_EMBEDDED_BROKER": "true"}
    driver = Driver(now_ms=START_MS, partitions=2)
    feed(driver, world(5, 60, customers=4))
    kept = tmp_path / "kept"
    plans = load(None, settings).plan()
    with EmbeddedBroker({one.name: one.partitions for one in plans}) as embedded:
        env = {**settings, "WHALELINE_BROKER": embedded.bootstrap}
        producer = Producer({"bootstrap.servers": embedded.bootstrap})

        def put(logs: list[list[Record]]) -> None:
            for partition, log in enumerate(logs):
                for record in log:
                    producer.produce("whaleline-ledger", record.value, None, partition)
            assert producer.flush(10) == 0

        put([log[:20] for log in driver.ledger])
        assert "40 records more of whaleline-ledger\n" in whaleline("archive", "update", kept, **env).stdout
        producer.produce("whaleline-customers", _position(driver), b"p", 1)
        assert producer.flush(10) == 0
        assert (
            "0 records more of whaleline-ledger; rows kept of 1 partitions"
            in whaleline("archive", "update", kept, **env).stdout
        )
        assert ": 0 records more" in whaleline("archive", "update", kept, "--no-events", **env).stdout
        put([log[20:] for log in driver.ledger])
        grown = sum(len(log) - 20 for log in driver.ledger)
        assert f"{grown} records more" in whaleline("archive", "update", kept, **env).stdout
        assert f"{grown + 40} records, whole" in whaleline("archive", "check", kept).stdout
        found = [(one.partition, one.offset, one.value) for one in archive.read(kept)[1]]
        assert sorted(found) == sorted(
            (partition, one.offset, one.value) for partition, log in enumerate(driver.ledger) for one in log
        )
    (tmp_path / "out").mkdir()
    outputs = ("--alerts", tmp_path / "out/a", "--states", tmp_path / "out/s")
    assert json.loads(whaleline("replay", kept, *outputs).stdout)["events"] == 60
