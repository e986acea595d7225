"""Law: a changelog taken back fetch by fetch is the one taken back record by record."""

from __future__ import annotations

import random

import numpy as np
import pytest

from schemas.state import CUSTOMER, LAYOUT, pack, unpack
from schemas.waiting import Sheaf
from streams.accepted import Span
from streams.arena import FIRST_CAPACITY, Arena
from streams.pipeline import Pipeline, RestoreError
from streams.restore import BadRecord, LetGo, _take
from streams.waiting import sheaf_of
from tests.driver import Driver, feed
from tests.vectors import pack_2
from tests.worlds import START_MS, world

Changelog = list[tuple[bytes, bytes | None]]


def lived(seed: int) -> Changelog:
    driver = Driver(now_ms=START_MS)
    events = world(seed, 200, customers=12)
    for at in range(0, len(events), 40):
        feed(driver, events[at : at + 40])
    return list(driver.changelog[0])


def one_by_one(changelog: Changelog) -> Pipeline:
    pipeline = Pipeline("whaleline")
    for key, value in changelog:
        pipeline.restore(key, value)
    pipeline.restored()
    return pipeline


def sheaves(changelog: Changelog, rng: random.Random) -> list[Sheaf]:
    found, at = [], 0
    while at < len(changelog):
        count = rng.choice([1, 2, 7, 30])
        part = enumerate(changelog[at : at + count], at)
        found.append(sheaf_of([(offset, key, value) for offset, (key, value) in part]))
        at += count
    return found


def whole(changelog: Changelog, seed: int) -> Pipeline:
    pipeline = Pipeline("whaleline")
    for sheaf in sheaves(changelog, random.Random(seed)):
        assert _take(sheaf, b"none", pipeline) == (sheaf.offsets.size, False)
    pipeline.restored()
    return pipeline


def test_more_customers_than_there_is_room_for_at_first_are_taken_back_one_by_one() -> None:
    arena, count = Arena(), 3 * FIRST_CAPACITY
    rows = np.zeros(count, CUSTOMER)
    rows["day"] = np.arange(count)
    for at in range(count):
        arena.restore(f"C{at}".encode(), pack(rows[at : at + 1], at))
    assert arena.rows[:count].tobytes() == rows.tobytes()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("every", [1, 2, 5])
def test_rows_of_the_layout_before_are_the_same_rows(seed: int, every: int) -> None:
    """As after an upgrade: all of them old, or old and new ones beside each other, even of one customer."""
    changelog = lived(seed)
    rows = [at for at, (key, _) in enumerate(changelog) if key.startswith(b"c")]
    older: Changelog = list(changelog)
    for at in rows[::every]:
        key, value = changelog[at]
        assert value is not None
        offset, row = unpack(value)
        older[at] = key, pack_2(row, offset)
        assert older[at] != changelog[at]
    wanted = {name: row.tobytes() for name, row in one_by_one(changelog).settled_rows().items()}
    for taken in (one_by_one(older), whole(older, seed)):
        assert {name: row.tobytes() for name, row in taken.settled_rows().items()} == wanted


@pytest.mark.parametrize("seed", range(6))
def test_fetch_by_fetch_and_record_by_record_are_one_state(seed: int) -> None:
    """Rows, position and all that stands beside them; a row that was written often is the newest one."""
    changelog = lived(seed)
    assert len({key for key, _ in changelog}) < len(changelog)
    slow, fast = one_by_one(changelog), whole(changelog, seed)
    assert {name: row.tobytes() for name, row in fast.settled_rows().items()} == {
        name: row.tobytes() for name, row in slow.settled_rows().items()
    }
    assert fast.next_offset == slow.next_offset
    assert [alert.alert_id for alert in fast.kept()] == [alert.alert_id for alert in slow.kept()]
    fast.arena.dirty[:] = slow.arena.dirty[:] = 1
    assert fast.snapshot() == slow.snapshot()


def test_the_nonce_ends_it_and_an_older_one_does_not() -> None:
    """What stands behind the nonce is another owner's."""
    changelog = lived(1)
    cut: Changelog = [*changelog[:9], (b"n", b"older"), *changelog[9:], (b"n", b"mine"), (b"cC1", b"later")]
    pipeline = Pipeline("whaleline")
    sheaf = sheaf_of([(offset, key, value) for offset, (key, value) in enumerate(cut)])
    assert _take(sheaf, b"mine", pipeline) == (len(changelog), True)
    pipeline.restored()


def test_strangers_are_counted_and_change_nothing() -> None:
    """Records that someone else wrote to the topic, with a key of no kind of ours or with none at all."""
    changelog = lived(5)
    among = [*changelog[:7], (None, b"x"), *changelog[7:], (b"", b""), (b"zoo", b"x")]
    pipeline = Pipeline("whaleline")
    sheaf = sheaf_of([(offset, key, value) for offset, (key, value) in enumerate(among)])
    assert _take(sheaf, b"none", pipeline) == (len(among), False)
    pipeline.restored()
    assert pipeline.strangers == 3
    rows = one_by_one(changelog).settled_rows()
    assert {name: row.tobytes() for name, row in pipeline.settled_rows().items()} == {
        name: row.tobytes() for name, row in rows.items()
    }


@pytest.mark.parametrize(
    "harm", [lambda value: value[:-1], lambda value: value + b"\x01", lambda value: value[:5], lambda value: b""]
)
def test_a_broken_row_is_refused_wherever_it_stands(harm: object) -> None:
    """No row is passed over."""
    changelog = lived(2)
    rows = [at for at, (key, _) in enumerate(changelog) if key.startswith(b"c")]
    for at in (rows[0], rows[len(rows) // 2], rows[-1]):
        key, value = changelog[at]
        broken = [*changelog[:at], (key, harm(value)), *changelog[at + 1 :]]  # type: ignore[operator]
        with pytest.raises(BadRecord) as found:
            whole(broken, at)
        assert (found.value.offset, found.value.newer) == (at, False)


def rows_of(pipeline: Pipeline) -> dict[bytes, bytes]:
    return {name: row.tobytes() for name, row in pipeline.settled_rows().items()}


def let_go(changelog: Changelog, *offsets: int) -> tuple[Pipeline, list[LetGo]]:
    """What is restored without these records, and what was put aside."""
    pipeline, aside = Pipeline("whaleline"), []
    spans = [Span("customers", 0, offset, offset) for offset in offsets]
    for sheaf in sheaves(changelog, random.Random(7)):
        _take(sheaf, b"none", pipeline, spans, aside.append)
    pipeline.restored()
    return pipeline, aside


@pytest.mark.parametrize("key", [b"cC1", b"cnobody", b"p", b"r1", b"t", b"k"])
@pytest.mark.parametrize("place", ["begin", "middle", "end"])
def test_a_strangers_record_that_was_let_go_changes_nothing(key: bytes, place: str) -> None:
    """Wherever it stands, whatever it pretends to be; who lets another go is refused."""
    changelog = lived(6)
    at = {"begin": 0, "middle": len(changelog) // 2, "end": len(changelog)}[place]
    bad: Changelog = [*changelog[:at], (key, b"\xc1 no state"), *changelog[at:]]
    pipeline, aside = let_go(bad, at)
    assert rows_of(pipeline) == rows_of(one_by_one(changelog))
    assert pipeline.next_offset == one_by_one(changelog).next_offset
    assert aside == [LetGo(at, key, b"\xc1 no state")]
    if key[:1] in b"cp":
        with pytest.raises(BadRecord, match=f"offset {at} cannot be read"):
            let_go(bad, at + 1)


def test_a_row_of_ours_that_was_let_go_is_as_it_was_left_before() -> None:
    """Its customer alone; every other row is what it is."""
    changelog = lived(2)
    wanted = rows_of(one_by_one(changelog))
    rows = [at for at, (key, _) in enumerate(changelog) if key.startswith(b"c")]
    for at in (rows[0], rows[len(rows) // 2], rows[-1]):
        key, value = changelog[at]
        assert value is not None
        pipeline, aside = let_go([*changelog[:at], (key, value[:-1]), *changelog[at + 1 :]], at)
        assert [one.offset for one in aside] == [at]
        others = {name: row for name, row in wanted.items() if name != key[1:]}
        assert {name: row for name, row in rows_of(pipeline).items() if name != key[1:]} == others
        earlier = [value for who, value in changelog[:at] if who == key]
        assert (key[1:] in rows_of(pipeline)) == bool(earlier or key in [who for who, _ in changelog[at + 1 :]])


def test_a_position_of_ours_cannot_be_let_go() -> None:
    """Without it the last publication is not whole."""
    changelog = lived(2)
    assert changelog[-1][0] == b"p"
    with pytest.raises(RestoreError, match="no position covers"):
        let_go([*changelog[:-1], (b"p", b"\xc1")], len(changelog) - 1)


def test_a_newer_layout_is_named() -> None:
    changelog = lived(3)
    at = next(at for at, (key, _) in enumerate(changelog) if key.startswith(b"c"))
    key, value = changelog[at]
    assert value is not None
    newer = (LAYOUT + 1).to_bytes(2, "little") + value[2:]
    with pytest.raises(BadRecord, match=f"layout {LAYOUT + 1}.*newer version") as found:
        whole([*changelog[:at], (key, newer), *changelog[at + 1 :]], 1)
    assert (found.value.offset, found.value.newer) == (at, True)


def test_a_publication_that_is_not_whole_is_refused() -> None:
    """A row that the position counts is missing; its count is kept for rows taken in runs too."""
    changelog = lived(4)
    last = max(at for at, (key, _) in enumerate(changelog) if key.startswith(b"c"))
    with pytest.raises(RestoreError, match="lacks 1"):
        whole([*changelog[:last], *changelog[last + 1 :]], 4)
