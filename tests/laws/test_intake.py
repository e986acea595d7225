"""Laws of ingest: one good order, time behind the events, offsets that never promise too much."""

import random
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.block import Block, Source, decode
from schemas.codec import encode
from schemas.codes import Control
from streams.intake import TAKE_EVENTS, Clock, Intake, SourceRecord, ledger_partition

SUPPORT, PURCHASES = Source(UUID(int=1), 0), Source(UUID(int=2), 0)
OTHER = Source(UUID(int=1), 1)
NOW = 1_700_049_600_000
HOUR = 3_600_000


def record(source: Source, offset: int, ts_ms: int, customer: str = "C1", **fields: Any) -> SourceRecord:
    """A well-formed record of a source; ``key`` may be given."""
    purchases = source.topic == PURCHASES.topic
    kind = {"kind": "maintenance_fee", "amount_cents": 1} if purchases else {"kind": "call_opened"}
    key = fields.pop("key", customer.encode())
    sent = {**kind, "ts_ms": ts_ms, "customer_id": customer, "event_id": f"{source.topic.int}-{offset}", **fields}
    return SourceRecord(source, purchases, "t", offset, key, encode(sent))


def progress(source: Source, offset: int, ts_ms: int) -> SourceRecord:
    """A source's word that it has sent everything before a time."""
    value = encode({"kind": "progress", "ts_ms": ts_ms})
    return SourceRecord(source, source.topic == PURCHASES.topic, "t", offset, None, value)


def intake(*sources: Source, clock: Clock = Clock.WALL, **how: Any) -> Intake:
    """An intake with these sources."""
    one = Intake(1, clock=clock, **how)
    one.assign(sources or (SUPPORT, PURCHASES))
    return one


def said(batches: list[Any], sources: Iterable[Source] = (SUPPORT, PURCHASES)) -> list[Any]:
    """What was written, in order: event times, and "until" with the hour that all sources have now passed."""
    out: list[Any] = []
    known = dict.fromkeys(sources, -1)
    passed = -1
    for batch in batches:
        for _, value in batch.records:
            content = decode(value)
            if isinstance(content, Block):
                out += content.column("ts_ms").tolist()
            else:
                assert content.control is Control.PROGRESS
                known |= {Source(UUID(bytes=topic), at): ts for topic, at, ts in content.body["until"]}
                if min(known.values()) // HOUR > passed:
                    passed = min(known.values()) // HOUR
                    out.append(("until", passed))
    return out


def times(batches: list[Any]) -> list[int]:
    """The event times alone."""
    return [one for one in said(batches) if isinstance(one, int)]


def test_a_backlog_is_merged_by_event_time() -> None:
    """Whatever order the two topics arrive in, the ledger holds them by time."""
    one = intake()
    for offset, hour in enumerate((1, 4, 5)):
        one.offer(record(SUPPORT, offset, NOW + hour * HOUR))
    assert times([one.take(NOW + 9 * HOUR)]) == []
    for offset, hour in enumerate((2, 3, 6)):
        one.offer(record(PURCHASES, offset, NOW + hour * HOUR))
    batches = [one.take(NOW + 9 * HOUR)]
    one.at_end(SUPPORT, NOW + 9 * HOUR)
    one.at_end(PURCHASES, NOW + 9 * HOUR)
    batches.append(one.take(NOW + 9 * HOUR))
    assert times(batches) == [NOW + hour * HOUR for hour in (1, 2, 3, 4, 5, 6)]


def test_progress_stands_behind_the_events_it_speaks_of() -> None:
    """No event of a source is written after progress that says it has passed (sources in order)."""
    one = intake()
    for offset in range(40):
        one.offer(record(SUPPORT, offset, NOW + offset * HOUR // 3))
        one.offer(record(PURCHASES, offset, NOW + offset * HOUR // 2))
    passed = -1
    for what in said([one.take(NOW + 100 * HOUR)]):
        if isinstance(what, tuple):
            passed = what[1]
        else:
            assert what >= passed * HOUR


def test_a_silent_source_that_is_read_to_its_end_does_not_stop_time() -> None:
    """Wall clock: at the log's end a source is up to date to now less the grace."""
    one = intake(grace_ms=5_000)
    one.offer(record(SUPPORT, 0, NOW + 1))
    one.at_end(PURCHASES, NOW)
    one.at_end(SUPPORT, NOW)
    assert said([one.take(NOW + 1)]) == [("until", (NOW - 5_000) // HOUR), NOW + 1]
    one.at_end(PURCHASES, NOW + HOUR + 5_000)
    one.at_end(SUPPORT, NOW + HOUR + 5_000)
    assert said([one.take(NOW + HOUR + 5_000)]) == [("until", (NOW + HOUR) // HOUR)]


def test_a_source_that_is_not_read_to_its_end_stops_time() -> None:
    """Wall clock: nothing is said beyond what the lagging source has brought."""
    one = intake()
    one.at_end(PURCHASES, NOW)
    assert said([one.take(NOW)]) == []


@pytest.mark.parametrize("clock", list(Clock))
def test_an_event_from_the_far_future_does_not_carry_time_away(clock: Clock) -> None:
    """Its time is capped at now, so no tick follows it into the future."""
    one = intake(clock=clock)
    one.offer(record(SUPPORT, 0, NOW + 10**10))
    one.offer(progress(PURCHASES, 0, NOW + 10**10))
    one.at_end(SUPPORT, NOW)
    one.at_end(PURCHASES, NOW)
    assert all(what[1] <= NOW // HOUR for what in said([one.take(NOW)]) if isinstance(what, tuple))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**9))
def test_the_source_clock_gives_one_order_for_any_arrival(seed: int) -> None:
    """Only progress moves time, so how the partitions interleave on arrival changes nothing."""
    rng = random.Random(seed)
    streams: dict[Source, list[SourceRecord]] = {}
    for source in (SUPPORT, OTHER, PURCHASES):
        stream: list[SourceRecord] = []
        at = NOW
        for _ in range(rng.randrange(30)):
            at += rng.randrange(2 * HOUR)
            make = progress if rng.random() < 0.2 else record
            stream.append(make(source, len(stream), at))
        stream.append(progress(source, len(stream), NOW + 100 * HOUR))
        streams[source] = stream
    orders = []
    for _ in range(2):
        one = intake(*streams, clock=Clock.SOURCE)
        left = {source: list(stream) for source, stream in streams.items()}
        batches = []
        while any(left.values()):
            source = rng.choice([source for source, stream in left.items() if stream])
            one.offer(left[source].pop(0))
            if rng.random() < 0.3:
                batches.append(one.take(NOW + 200 * HOUR))
        batches.append(one.take(NOW + 200 * HOUR))
        orders.append(said(batches, streams))
    assert [one for one in orders[0] if isinstance(one, int)] == [one for one in orders[1] if isinstance(one, int)]
    assert [_before(orders[0])] == [_before(orders[1])]


def _before(order: list[Any]) -> list[tuple[int, int]]:
    """For each event, the hour that had been passed before it."""
    passed, out = -1, []
    for what in order:
        if isinstance(what, tuple):
            passed = max(passed, what[1])
        else:
            out.append((what, passed))
    return out


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**9))
def test_no_offset_is_done_before_all_before_it_are_written(seed: int) -> None:
    """Whatever is mixed in of bad bytes and progress, a done offset never passes an unwritten event."""
    rng = random.Random(seed)
    one = intake(max_buffered=10**6)
    pending: dict[Source, dict[int, str]] = {SUPPORT: {}, PURCHASES: {}}
    offsets = {SUPPORT: 0, PURCHASES: 0}
    for _ in range(100):
        source = rng.choice([SUPPORT, PURCHASES])
        offsets[source] += rng.randrange(1, 4)
        offset = offsets[source]
        chance = rng.random()
        if chance < 0.2:
            one.offer(SourceRecord(source, source == PURCHASES, "t", offset, b"k", b"\xc1"))
            pending[source][offset] = "dead"
        elif chance < 0.3:
            one.offer(progress(source, offset, NOW + offset))
        else:
            one.offer(record(source, offset, NOW + rng.randrange(10**7)))
            pending[source][offset] = "event"
        if rng.random() < 0.2:
            one.at_end(rng.choice([SUPPORT, PURCHASES]), NOW + 10**7)
        if rng.random() < 0.3:
            _settle(one.take(NOW + 10**7), pending)
    for source in (SUPPORT, PURCHASES):
        one.at_end(source, NOW + 10**7)
    done = _settle(one.take(NOW + 10**7), pending)
    assert not any(pending.values())
    assert all(done.get(source, offsets[source]) == offsets[source] for source in offsets)


def _settle(batch: Any, pending: dict[Source, dict[int, str]]) -> dict[Source, int]:
    for _, value in batch.records:
        content = decode(value)
        if isinstance(content, Block):
            for at in range(content.n):
                source = content.sources[int(content.source[at])]
                assert pending[source].pop(int(content.offset[at])) == "event"
    for letter in batch.dead_letters:
        source = Source(UUID(letter.topic_id), letter.partition)
        assert pending[source].pop(letter.offset) == "dead"
    for source, offset in batch.done.items():
        assert not any(waiting <= offset for waiting in pending[source])
    return dict(batch.done)


@pytest.mark.parametrize("later", [(), (4,), (4, 5)], ids=["nothing", "an event", "two events"])
def test_a_promise_outlives_its_hearer(later: tuple[int, ...]) -> None:
    """Who owns the sources next begins at what was done, and waits for none that has promised to bring no more."""
    sent = [record(SUPPORT, 0, NOW - HOUR), record(SUPPORT, 1, NOW), progress(SUPPORT, 2, NOW + 9 * HOUR)]
    sent += [record(SUPPORT, offset, NOW + 9 * HOUR) for offset in later]
    first = intake(clock=Clock.SOURCE)
    for one in sent:
        first.offer(one)
    first.offer(progress(PURCHASES, 0, NOW + 8 * HOUR))
    done: dict[Source, int] = {}
    for batch in first.drain(NOW + 9 * HOUR):
        done |= batch.done
    assert done[SUPPORT] >= 1, "both events are written"
    heir = intake(clock=Clock.SOURCE)
    for one in [one for one in sent if one.offset > done[SUPPORT]]:
        heir.offer(one)
    heir.offer(record(PURCHASES, 1, NOW + 8 * HOUR))
    assert NOW + 8 * HOUR in said(list(heir.drain(NOW + 9 * HOUR)))


def test_a_key_unlike_the_customer_is_rekeyed_and_counted() -> None:
    """The ledger goes by the customer's id in the event, whatever key the producer chose."""
    one = Intake(16, clock=Clock.WALL)
    one.assign([SUPPORT])
    one.offer(record(SUPPORT, 0, NOW, "C7", key=b"order-12"))
    one.offer(record(SUPPORT, 1, NOW, "C7"))
    one.at_end(SUPPORT, NOW)
    batch = one.take(NOW)
    assert batch.rekeyed == 1
    blocks = [(p, decode(value)) for p, value in batch.records if isinstance(decode(value), Block)]
    assert {p for p, _ in blocks} == {ledger_partition("C7", 16)}


def test_a_bad_record_is_a_dead_letter_with_its_original_bytes() -> None:
    """Reason, place, key and value are kept, and the next event is taken."""
    one = intake(SUPPORT)
    one.offer(SourceRecord(SUPPORT, False, "support-calls", 3, b"k", b"\x00garbage"))
    one.offer(record(SUPPORT, 4, NOW))
    one.at_end(SUPPORT, NOW)
    batch = one.take(NOW)
    (letter,) = batch.dead_letters
    assert (letter.reason, letter.value, letter.key, letter.offset) == ("undecodable", b"\x00garbage", b"k", 3)
    assert letter.record_key == f"{SUPPORT.topic}:0:3".encode()
    assert batch.events == 1
    assert batch.done == {SUPPORT: 4}


def test_a_new_assignment_forgets_what_was_buffered() -> None:
    """What was not written is read again by its next owner, from the committed offset."""
    one = intake(SUPPORT, PURCHASES)
    one.offer(record(SUPPORT, 5, NOW))
    one.assign([SUPPORT])
    one.offer(record(SUPPORT, 5, NOW))
    one.offer(record(PURCHASES, 9, NOW))
    one.at_end(SUPPORT, NOW)
    assert one.take(NOW).events == 1


def test_a_full_buffer_says_so() -> None:
    """Back-pressure: the source whose events wait for another is named; each of the two has half of the room."""
    one = intake(max_buffered=6)
    for offset in range(3):
        assert one.full() == set()
        one.offer(record(SUPPORT, offset, NOW))
    assert one.full() == {SUPPORT}


def test_a_worker_that_runs_ahead_of_the_others_is_held_back() -> None:
    """Of a backlog only what is not after the limit is taken; what happens now is taken in any case."""
    one = intake(SUPPORT)
    for offset, day in enumerate((-9, -8, -7, 0)):
        one.offer(record(SUPPORT, offset, NOW + day * 24 * HOUR))
    one.at_end(SUPPORT, NOW)
    assert times([one.take(NOW, NOW - 8 * 24 * HOUR)]) == [NOW - 9 * 24 * HOUR, NOW - 8 * 24 * HOUR]
    assert times([one.take(NOW, NOW - 7 * 24 * HOUR)]) == [NOW - 7 * 24 * HOUR, NOW]


def test_the_grace_holds_for_a_source_with_traffic_too() -> None:
    """Events of just after the hour do not carry time past it before late senders had their grace."""
    one = intake(grace_ms=5_000)
    hour = NOW // HOUR * HOUR
    for source in (SUPPORT, PURCHASES):
        one.offer(record(source, 0, hour - HOUR))
        one.offer(record(source, 1, hour + 100))
        one.at_end(source, hour + 200)
    assert max(what[1] for what in said([one.take(hour + 200)]) if isinstance(what, tuple)) < hour // HOUR
    for source in (SUPPORT, PURCHASES):
        one.offer(record(source, 2, hour + 5_100))
        one.at_end(source, hour + 5_200)
    assert ("until", hour // HOUR) in said([one.take(hour + 5_200)])


def test_so_many_events_at_once_and_no_more() -> None:
    """A long backlog is taken in turns, so that the event loop can do its other duties."""
    one = intake(SUPPORT, max_buffered=10**6)
    for offset in range(TAKE_EVENTS + 5):
        one.offer(record(SUPPORT, offset, NOW + offset))
    one.at_end(SUPPORT, NOW)
    assert [batch.events for batch in one.drain(NOW + HOUR)] == [TAKE_EVENTS, 5]


def test_a_long_silence_is_passed_a_day_at_a_time() -> None:
    """No ledger record asks for more than a day of ticks, so the judge's worker stays responsive."""
    one = intake(grace_ms=0)
    for source in (SUPPORT, PURCHASES):
        one.at_end(source, NOW)
    first = said([one.take(NOW)])[-1][1]
    for source in (SUPPORT, PURCHASES):
        one.at_end(source, NOW + 100 * HOUR)
    hours = [hour - first for _, hour in said([one.take(NOW + 100 * HOUR)])]
    assert hours == [24, 48, 72, 96, 100]
