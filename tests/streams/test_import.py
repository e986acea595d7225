"""A company's own tables become events: what is meant comes through, and whatever is odd is told and kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgpack
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from streams.embedded import EmbeddedBroker
from streams.importing import read_tables
from streams.mapping import MappingError, read_mapping
from streams.replay import Outputs, run_replay
from tests.command import whaleline

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "mapping.toml"
CALLS = """
[calls]
file = "calls.csv"
kind = "call_closed"
{table}
[calls.fields]
customer_id = "who"
event_id = "id"
ts_ms = {ts_ms}
{fields}
"""
HEAD = "who,id,at,took"


def mapped(
    folder: Path, rows: str, ts_ms: str = '"at"', fields: str = 'handle_ms = "took"', table: str = ""
) -> Path:
    mapping = folder / "mapping.toml"
    mapping.write_text(CALLS.format(ts_ms=ts_ms, fields=fields, table=table))
    (folder / "calls.csv").write_text(rows)
    return mapping


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# ---------------------------------------------------------------- what is meant comes through


def test_the_example_of_the_docs_becomes_a_history_that_can_be_judged(tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    result = whaleline("import", EXAMPLE, "--out", out)
    assert result.exit_code == 0, result.output
    events = lines(out)
    assert [one["ts_ms"] for one in events] == sorted(one["ts_ms"] for one in events)
    call = next(one for one in events if one["event_id"] == "4711")
    assert call == {
        "version": 1, "kind": "call_closed", "event_id": "4711", "customer_id": "C-17", "reason": "delivery",
        "ts_ms": ms("2025-03-03T09:12:00+01:00"), "handle_ms": 390_000, "resolved": True,
    }  # fmt: skip
    sale = next(one for one in events if one.get("order_id") == "O-1")
    assert (sale["amount_cents"], sale["margin_cents"]) == (12_990, -1_200)
    summary = run_replay(out, Outputs(tmp_path / "alerts", tmp_path / "states"))
    assert (summary.events, summary.dead_letters, summary.customers) == (6, 0, 2)
    assert "docs/examples" not in result.output


def test_the_same_tables_give_the_same_bytes_and_a_dry_run_none(tmp_path: Path) -> None:
    first, again = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    for out in (first, again):
        assert whaleline("import", EXAMPLE, "--out", out).exit_code == 0
    assert first.read_bytes() == again.read_bytes()
    dry = whaleline("import", EXAMPLE, "--dry-run")
    assert json.loads(dry.stdout)["events"] == 6
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("ts_ms", "written", "meant"),
    [
        ('"at"', "2025-03-01T10:00:00+01:00", "2025-03-01T09:00:00+00:00"),
        ('"at"', "2025-03-01 10:00:00Z", "2025-03-01T10:00:00+00:00"),
        ('{ column = "at", zone = "Europe/Berlin" }', "2025-07-01T10:00:00", "2025-07-01T08:00:00+00:00"),
        ('{ column = "at", zone = "Europe/Berlin" }', "2025-07-01T10:00:00Z", "2025-07-01T10:00:00+00:00"),
        ('{ column = "at", format = "%d/%m/%Y %H:%M %z" }', "02/03/2025 10:00 -0500", "2025-03-02T15:00:00+00:00"),
        ('{ column = "at", format = "unix_s" }', "1740823200.5", "2025-03-01T10:00:00.5+00:00"),
        ('{ column = "at", format = "unix_ms" }', "1740823200000", "2025-03-01T10:00:00+00:00"),
        ('{ column = "at", zone = "Europe/Berlin" }', "2025-10-26T02:30:00", "2025-10-26T00:30:00+00:00"),
    ],
)
def test_a_time_is_the_one_that_was_meant(ts_ms: str, written: str, meant: str, tmp_path: Path) -> None:
    found = read_tables(read_mapping(mapped(tmp_path, f"{HEAD}\na,1,{written},5\n", ts_ms)))
    assert [one.ts_ms for one in found.events] == [ms(meant)], found.refused
    assert found.summary.twice == (written == "2025-10-26T02:30:00")


@pytest.mark.parametrize(
    ("field", "written", "meant"),
    [
        ('handle_ms = { column = "took", unit = "s" }', "90", 90_000),
        ('handle_ms = { column = "took", unit = "min", decimal = "," }', '"1,5"', 90_000),
        ('handle_ms = { column = "took", unit = "h" }', "0.5", 1_800_000),
        ('handle_ms = { column = "took", unit = "s" }', '"1,200"', 1_200_000),
        ('resolved = "took"', "Yes", True),
        ('channel = { value = "voice" }', "", "voice"),
        ('cause = { column = "took", values = { "our fault" = "company" } }', "our fault", "company"),
    ],
)
def test_a_value_is_the_one_that_was_meant(field: str, written: str, meant: Any, tmp_path: Path) -> None:
    rows = f"{HEAD}\na,1,2025-03-01T10:00:00Z,{written}\n"
    found = read_tables(read_mapping(mapped(tmp_path, rows, fields=field)))
    assert [one.fields[field.split(" ", maxsplit=1)[0]] for one in found.events] == [meant], found.refused


def test_parquet_says_what_csv_says(tmp_path: Path) -> None:
    at = [datetime(2025, 3, 1, 10, tzinfo=UTC), datetime(2025, 3, 2, 10, tzinfo=UTC), None]
    table = pa.table({"who": ["a", "b", "c"], "id": [1, 2, 3], "at": at, "took": [5, None, 7], "more": [1, 2, 3]})
    pq.write_table(table, tmp_path / "calls.parquet")
    mapping = mapped(tmp_path, f"{HEAD}\na,1,2025-03-01T10:00:00Z,5\nb,2,2025-03-02T10:00:00Z,\nc,3,,7\n")
    by_csv = read_tables(read_mapping(mapping))
    mapping.write_text(mapping.read_text().replace("calls.csv", "calls.parquet"))
    shares: list[float] = []
    found = read_tables(read_mapping(mapping), progress=shares.append)
    assert [one.fields for one in found.events] == [one.fields for one in by_csv.events]
    assert [one.reason for one in found.refused] == ["missing_field"] == [one.reason for one in by_csv.refused]
    assert shares[-1] == 1.0
    (tmp_path / "calls.parquet").write_bytes(b"PAR1 but not really")
    assert "not Parquet" in whaleline("import", mapping, "--dry-run").stderr


# ---------------------------------------------------------------- whatever is odd is told and kept


ODD = {
    "wrong_columns": ("a,1,2025-03-01T10:00:00Z", "4 columns"),
    "mixed zones": ("a,1,2025-03-01T10:00:00,5", "without a zone"),
    "no time": ("a,1,yesterday,5", "is not a time"),
    "no customer": (",1,2025-03-01T10:00:00Z,5", "customer_id is missing"),
    "too long": (f"{'a' * 65},1,2025-03-01T10:00:00Z,5", "1 to 64 bytes"),
    "no number": ("a,1,2025-03-01T10:00:00Z,five", "is not a number"),
    "part of a ms": ("a,1,2025-03-01T10:00:00Z,1e30", "possible size"),
    "comma": ('a,1,2025-03-01T10:00:00Z,"1,5"', "decimal mark"),
    "negative": ("a,1,2025-03-01T10:00:00Z,-5", "must lie between"),
    "too old": ("a,1,1999-03-01T10:00:00Z,5", "must lie between"),
}


@pytest.mark.parametrize("name", ODD)
def test_a_row_that_is_no_event_is_kept_with_its_reason(name: str, tmp_path: Path) -> None:
    row, said = ODD[name]
    mapping = mapped(tmp_path, f"{HEAD}\nz,0,2025-03-01T09:00:00Z,5\n{row}\n")
    out, rejects = tmp_path / "out.jsonl", tmp_path / "rejects.jsonl"
    stopped = whaleline("import", mapping, "--out", out)
    assert stopped.exit_code == 2
    assert said in stopped.stderr
    assert "row 3" in stopped.stderr
    assert "--rejects" in stopped.stderr
    assert not out.exists()
    result = whaleline("import", mapping, "--out", out, "--rejects", rejects)
    assert result.exit_code == 0, result.output
    assert len(lines(out)) == 1
    (told,) = lines(rejects)
    assert (told["row"], told["file"], told["table"]) == (3, "calls.csv", "calls")
    assert said in told["detail"]
    assert told["values"]["who"] == row.split(",")[0], "nothing of it is lost"


def test_repeated_ids_are_told_apart_from_repeated_rows(tmp_path: Path) -> None:
    rows = ["a,1,2025-03-01T10:00:00Z,5", "a,1,2025-03-01T10:00:00Z,5", "a,1,2025-03-01T10:00:00Z,6",
            "b,1,2025-03-01T10:00:00Z,5"]  # fmt: skip
    found = read_tables(read_mapping(mapped(tmp_path, "\n".join([HEAD, *rows]) + "\n")))
    assert [one.fields["customer_id"] for one in found.events] == ["a", "b"]
    assert [(one.row, one.reason) for one in found.refused] == [(3, "repeated"), (4, "repeated_id")]


def test_rows_in_any_order_come_out_in_the_order_of_time(tmp_path: Path) -> None:
    rows = "\n".join(f"a,{day},2025-03-{day:02d}T10:00:00Z,5" for day in (3, 1, 2, 9, 4))
    found = read_tables(read_mapping(mapped(tmp_path, f"{HEAD}\n{rows}\n")))
    assert [one.fields["event_id"] for one in found.events] == ["1", "2", "3", "4", "9"]
    assert found.summary.unsorted == 3


def test_an_hour_that_no_clock_showed_is_refused(tmp_path: Path) -> None:
    mapping = mapped(tmp_path, f"{HEAD}\na,1,2025-03-30T02:30:00,5\n", table='zone = "Europe/Berlin"')
    (refused,) = read_tables(read_mapping(mapping)).refused
    assert "skipped" in refused.detail


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("who,id,when,took\na,1,2,3\n", "no column 'at'"),
        ("who,id,at,at,took\na,1,2,3,4\n", "stands in it twice"),
        ("", "no columns"),
        (f'{HEAD}\na,1,"2025,5\n', "is not CSV"),
        (None, "cannot be read"),
        (f"{HEAD}\n", "no row of its tables"),
        (f"{HEAD}\nä,1,2025-03-01T10:00:00Z,5\n".encode("latin-1"), "line 2 is not text in utf-8"),
    ],
)  # fmt: skip
def test_a_table_that_is_not_as_mapped_is_one_sentence(content: Any, said: str, tmp_path: Path) -> None:
    mapping = mapped(tmp_path, "")
    if isinstance(content, bytes):
        (tmp_path / "calls.csv").write_bytes(content)
    elif content is None:
        (tmp_path / "calls.csv").unlink()
    else:
        (tmp_path / "calls.csv").write_text(content)
    out = tmp_path / "out.jsonl"
    result = whaleline("import", mapping, "--out", out)
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1
    assert said in result.stderr
    assert not out.exists()


C = "[c]\nfile = 'x'\nkind = 'chat'\n"
KINDS = "[c]\nfile = 'x'\nkind = { column = 'k', values = { a = 'chat', b = 'purchase' } }\n[c.fields]\n"


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("", "names no table"),
        ("[calls", "not valid TOML"),
        ("[c]\nfile = 'x'\nkind = 'call_closed'\n", "lacks fields"),
        ("[c]\nfile = 'x'\nkind = 'call_closd'\n[c.fields]\n", "did you mean 'call_closed'"),
        (C.replace("chat", "purchase") + "[c.fields]\ncustomer_id = 'a'\nts_ms = 'b'\n", "needs the field amount"),
        (C + "[c.fields]\ncustomer = 'a'\n", "did you mean 'customer_id'"),
        (C + "zone = 'Mars'\n[c.fields]\n", "no time zone"),
        (C + "[c.fields]\nhandle_ms = { column = 'a', unit = 'weeks' }\n", "must be one of"),
        (C + "[c.fields]\nstars = 'a'\ncustomer_id = 'c'\nts_ms = 't'\n", "belongs to no chat"),
        (KINDS, "two tables"),
        (C + "[c.fields]\nts_ms = { column = 'a', format = 'iso8601' }\n", "format must be"),
    ],
)  # fmt: skip
def test_a_mapping_that_cannot_be_is_told_before_any_row_is_read(toml: str, said: str, tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(toml)
    with pytest.raises(MappingError, match=said):
        read_mapping(mapping)
    result = whaleline("import", mapping, "--dry-run")
    assert result.exit_code == 2
    assert str(mapping) in result.stderr


def test_no_output_overwrites_what_is_read(tmp_path: Path) -> None:
    mapping = mapped(tmp_path, f"{HEAD}\na,1,2025-03-01T10:00:00Z,5\n")
    kept = (tmp_path / "calls.csv").read_bytes()
    assert "different files" in whaleline("import", mapping, "--out", tmp_path / "calls.csv").stderr
    assert (tmp_path / "calls.csv").read_bytes() == kept
    assert "--dry-run" in whaleline("import", mapping).stderr


IN_MEMORY = {"WHALELINE_EMBEDDED_BROKER": "true"}


def test_events_are_sent_in_order_to_their_topics_by_customer() -> None:
    with EmbeddedBroker({"support-calls": 2, "purchases": 2}) as broker:
        result = whaleline("import", EXAMPLE, "--broker", broker.bootstrap, **IN_MEMORY)
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["events"] == 6
        got = {topic: _read(broker.bootstrap, topic, 3) for topic in ("support-calls", "purchases")}
    assert {one["kind"] for _, one in got["purchases"]} == {"purchase"}
    assert {one["event_id"] for _, one in got["support-calls"]} == {"4711", "4712", "4713"}
    for key, one in [*got["purchases"], *got["support-calls"]]:
        assert key == one["customer_id"].encode()
    ours = [one["ts_ms"] for key, one in got["purchases"] if key == b"C-17"]
    assert ours == sorted(ours)


def test_where_it_cannot_be_sent_to_or_comes_too_late_is_one_sentence_and_nothing_is_sent() -> None:
    """The topics lack; or workers have written into the ledger already, so that time is past what is imported."""
    with EmbeddedBroker({"support-calls": 2}) as broker:
        result = whaleline("import", EXAMPLE, "--broker", broker.bootstrap, **IN_MEMORY)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "topic purchases does not exist" in result.stderr
    assert "run `whaleline topics apply`" in result.stderr
    with EmbeddedBroker({"support-calls": 2, "purchases": 2, "whaleline-ledger": 2}) as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap})
        producer.produce("whaleline-ledger", b"anything", partition=1)
        producer.flush(30)
        result = whaleline("import", EXAMPLE, "--broker", broker.bootstrap, **IN_MEMORY)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "workers judge" in result.stderr
        assert whaleline("import", EXAMPLE, "--broker", broker.bootstrap, "--late", **IN_MEMORY).exit_code == 0
        assert len(_read(broker.bootstrap, "support-calls", 3)) == 3


def test_a_broker_that_is_not_there_is_one_sentence() -> None:
    result = whaleline("import", EXAMPLE, "--broker", "127.0.0.1:1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no Kafka broker can be reached (127.0.0.1:1: " in result.stderr


def _read(bootstrap: str, topic: str, count: int) -> list[tuple[bytes, dict[str, Any]]]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(topic, at, OFFSET_BEGINNING) for at in range(2)])
    try:
        found = consumer.consume(count, timeout=30)
        return [(one.key(), msgpack.unpackb(one.value())) for one in found]
    finally:
        consumer.close()
