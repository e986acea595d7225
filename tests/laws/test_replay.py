"""Laws of the ledger: cut it, crash in it, deliver it twice; rows and alerts stay the same to the byte."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.block import Block, Source, Sourced, decode, encode_events
from schemas.codec import decode as decode_event
from schemas.codec import encode
from schemas.events import Event
from streams.pipeline import HoleError, Pipeline, Record
from tests.driver import DAY, HOUR, SUPPORT, TOPIC_IDS, Driver, crashed, feed
from tests.worlds import START_MS, world

SEEDS = st.integers(0, 10**9)
LAWS = settings(max_examples=20, deadline=None)


def lived(seed: int, **how: Any) -> Driver:
    """A driver that has lived through a world, time passing hour by hour between its events."""
    driver = Driver(now_ms=START_MS, **how)
    feed(driver, world(seed, disorder_ms=2 * HOUR))
    driver.wait(days=45)
    return driver


def judged(ledger: list[Record]) -> tuple[dict[bytes, bytes], list[str]]:
    """Rows and alert ids of a fresh pipeline over a ledger."""
    pipeline = Pipeline("whaleline")
    alerts = [alert.alert_id for record in ledger for alert in pipeline.step(record).alerts]
    return {name: row.tobytes() for name, row in pipeline.settled_rows().items()}, alerts


def one_by_one(ledger: list[Record]) -> list[tuple[str, Any]]:
    """The ledger's contents with its blocks taken apart into single events."""
    out: list[tuple[str, Any]] = []
    for record in ledger:
        content = decode(record.value)
        if not isinstance(content, Block):
            out.append(("control", record.value))
            continue
        for at in range(content.n):
            numbers = {
                name: int(column[at])
                for name, column in content.columns.items()
                if not name.endswith(("_id", "reason", "sku", "competitor", "floor", "skill", "product_line"))
                or name == "return_reason"
            }
            texts = {
                name: content.text(int(content.columns[name][at])).decode()
                for name in content.columns
                if name not in numbers
            }
            event = Event(
                {
                    name: value
                    for name, value in numbers.items()
                    if value not in (-(2**31), 0) or name == "handle_ms"
                },
                {name: text for name, text in texts.items() if text},
            )
            source = content.sources[int(content.source[at])]
            out.append(("event", Sourced(source, int(content.offset[at]), event)))
    return out


def cut(contents: list[tuple[str, Any]], rng: random.Random) -> list[Record]:
    """A ledger of the same contents with its blocks cut at random."""
    ledger: list[Record] = []
    block: list[Sourced] = []

    def flush() -> None:
        if block:
            ledger.append(Record(len(ledger), None, encode_events(block)))
            block.clear()

    for what, content in contents:
        if what == "event":
            # A block of one writer ascends by source; a redelivery comes from another write.
            if any(one.source == content.source and one.offset >= content.offset for one in block):
                flush()
            block.append(content)
            if rng.random() < 0.2:
                flush()
        else:
            flush()
            ledger.append(Record(len(ledger), None, content))
    flush()
    return ledger


@LAWS
@given(SEEDS)
def test_any_batching_gives_the_same_rows_and_alerts(seed: int) -> None:
    """Where a block ends is chance; nothing may depend on it."""
    contents = one_by_one(lived(seed).ledger[0])
    rng = random.Random(seed)
    assert judged(cut(contents, rng)) == judged(cut(contents, rng))


@LAWS
@given(SEEDS, st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_crashes_change_nothing(seed: int, crashes: list[int]) -> None:
    """Killed before a publication or between one and the next: the restored worker ends where it would have."""
    steady = lived(seed)
    crashing = crashed(steady.ledger[0], crashes, now_ms=START_MS)
    assert crashing.rows() == steady.rows()
    assert [alert.to_json() for alert in crashing.alerts] == [alert.to_json() for alert in steady.alerts]
    assert crashing.insights == steady.insights


@LAWS
@given(SEEDS)
def test_redelivery_and_repeated_ids_change_nothing(seed: int) -> None:
    """The same source offsets again, and the same event ids at new offsets, are both dropped."""
    rng = random.Random(seed)
    contents = one_by_one(lived(seed).ledger[0])
    twice = []
    past: list[Sourced] = []
    offset = 10**6
    for what, content in contents:
        twice.append((what, content))
        if what != "event":
            continue
        past.append(content)
        if rng.random() < 0.2:
            twice.append(("event", rng.choice(past)))
        if rng.random() < 0.2:
            offset += 1
            again = rng.choice(past)
            twice.append(("event", Sourced(Source(again.source.topic, 99), offset, again.event)))
    assert judged(cut(twice, rng)) == judged(cut(contents, rng))


def test_the_duplicates_checker_sees_a_double_count() -> None:
    """Negative control: the same event under another id is another event, and the law above would fail."""
    contents = one_by_one(lived(1).ledger[0])
    event = next(content for what, content in contents if what == "event")
    other = Event(dict(event.event.numbers), {**event.event.texts, "event_id": "other"})
    doubled = [*contents, ("event", Sourced(Source(event.source.topic, 99), 10**6, other))]
    assert judged(cut(doubled, random.Random(1))) != judged(cut(contents, random.Random(1)))


@LAWS
@given(SEEDS)
def test_rings_do_not_depend_on_the_order_of_arrival(seed: int) -> None:
    """Costs with a cause set by a human and counts are equal for any order inside one hour."""
    events = [
        (topic, {**fields, "cause": "company", "ts_ms": START_MS + at})
        for at, (topic, fields) in enumerate(world(seed, 60, customers=2, span_days=0.02))
    ]
    mixed = list(events)
    random.Random(seed).shuffle(mixed)
    rings = []
    for order in (events, mixed):
        driver = Driver(now_ms=START_MS + HOUR)
        for topic, fields in order:
            value = encode(fields)
            driver.send_bytes(
                SUPPORT if topic == "support" else "purchases", fields["customer_id"].encode(), value
            )
            driver.run()
        rows = [driver.row(name) for name in ("C0", "C1")]
        rings.append(
            [
                {k: v for k, v in row.items() if k.startswith(("hour_", "day_c", "day_p", "period_", "life_"))}
                for row in rows
            ]
        )
    assert rings[0] == rings[1]


def test_a_strangers_record_in_the_changelog_is_passed_over_and_counted() -> None:
    """Whatever its key and bytes are, unless the key could be one of ours: the state is what it was."""
    driver = lived(6)
    pipeline = Pipeline("whaleline")
    for at, (key, value) in enumerate(driver.changelog[0]):
        if at % 7 == 0:
            pipeline.restore(b"zzz", b"\xc1 no state")
        pipeline.restore(key, value)
    pipeline.restored()
    assert pipeline.strangers == -(-len(driver.changelog[0]) // 7)
    assert {name: row.tobytes() for name, row in pipeline.settled_rows().items()} == driver.rows()


def test_a_hole_in_the_ledger_stops_the_judge() -> None:
    """A lost record is never judged over."""
    ledger = lived(3).ledger[0]
    pipeline = Pipeline("whaleline")
    pipeline.step(ledger[0])
    with pytest.raises(HoleError, match="offset 1 must come next, got 2"):
        pipeline.step(ledger[2])


def test_a_record_already_inside_the_position_is_passed_over() -> None:
    """Reading a little too early after a restore does no harm."""
    driver = lived(4)
    before = driver.rows()
    for record in driver.ledger[0][-5:]:
        assert driver.pipelines[0].step(record).applied == 0
    assert driver.rows() == before


def test_the_future_is_refused_by_the_ledgers_clock() -> None:
    """An event from far ahead of the broker's clock is a dead letter and touches no row."""
    driver = Driver()
    driver.support("call_closed", at_ms=driver.now_ms + 11 * 60_000)
    assert [letter.reason for letter in driver.refused] == ["future"]
    assert driver.rows() == {}
    driver.support("call_closed", at_ms=driver.now_ms + 9 * 60_000)
    assert len(driver.rows()) == 1
    letter = driver.refused[0]
    assert not isinstance(decode_event(letter.value, purchases=False), type(None))
    assert letter.topic_id == str(TOPIC_IDS[SUPPORT])


def test_two_hours_of_ingest_outage_raise_no_alarm_about_an_answered_ticket() -> None:
    """A ticket answered while nobody consumed is answered, whatever the clock says when ingest is back."""
    driver = Driver()
    driver.support("ticket_opened", case_id="T")
    driver.wait(hours=71.5)
    driver.send(SUPPORT, "ticket_reply", "C1", driver.now_ms + HOUR // 4, case_id="T", author="agent")
    driver.now_ms += 2 * HOUR
    assert driver.run() == []
    driver.wait(days=5)
    assert driver.kinds() == []


def test_the_outage_checker_sees_a_ticket_that_was_not_answered() -> None:
    """Negative control: without the answer the same outage ends in the alert."""
    driver = Driver()
    driver.support("ticket_opened", case_id="T")
    driver.wait(hours=71.5)
    driver.wait(hours=2)
    assert driver.kinds() == ["service_failure_entered:ticket_unanswered"]


def test_time_waits_for_a_source_that_lags() -> None:
    """While one source partition has unread events, no tick passes them."""
    driver = Driver()
    driver.support("ticket_opened", case_id="T")
    opened_ms = driver.now_ms
    lagging = driver.sources[0]
    driver.now_ms += 4 * DAY
    driver.intake.at_end(driver.sources[1], driver.now_ms)
    waiting = driver.intake.waiting
    waiting.queues[waiting.index[lagging]]["caught_up_ms"] = -1
    driver._append(driver.intake.take(driver.now_ms).records)
    driver.judge()
    assert driver.pipelines[0].last_tick_ms <= opened_ms
