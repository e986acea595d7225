"""Law: what is remembered of a row beside it saves time and changes nothing; and the law notices when it does.

Costs, contacts, bursts that are set aside, onboarding that fees earn back and sales below cost are what a memo
must not outlive, so the worlds hold them all.
"""

import random
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.block import policy_entry
from schemas.state import PERIOD_DAYS
from streams.pipeline import Pipeline
from tests.driver import DAY, Driver
from tests.laws.test_replay import lived

Spoiler = Callable[[Pipeline, int], None]


def judged(driver: Driver, before_each: Spoiler) -> tuple[list[bytes], dict[bytes, bytes]]:
    """Every alert, and at the end every row, of a pipeline whose memos were touched before each record."""
    pipeline = Pipeline("whaleline")
    alerts = []
    for record in driver.ledger[0]:
        before_each(pipeline, record.offset)
        alerts += [alert.to_msgpack() for alert in pipeline.step(record).alerts]
    return alerts, {name: row.tobytes() for name, row in pipeline.settled_rows().items()}


def keeps(_pipeline: Pipeline, _offset: int) -> None:
    """Leave the memos as they are."""


def forgets(pipeline: Pipeline, _offset: int) -> None:
    """Every conclusion from the row alone."""
    pipeline.arena.forget()


def forgets_some(seed: int) -> Spoiler:
    """As a worker does that restores now and then."""
    rng = random.Random(seed)

    def forget(pipeline: Pipeline, offset: int) -> None:
        if rng.random() < 0.1:
            pipeline.arena.memos[rng.randrange(len(pipeline.arena.memos))] = 0

    return forget


class NeverForgets:
    """The planted fault: a memo that was once right is kept for its whole period, whatever happens."""

    def __init__(self) -> None:
        self._first: dict[tuple[int, int], bytes] = {}

    def __call__(self, pipeline: Pipeline, _offset: int) -> None:
        day = max(0, pipeline.last_tick_ms) // DAY
        until_day = (day // PERIOD_DAYS + 1) * PERIOD_DAYS
        for slot in range(len(pipeline.arena)):
            memo = pipeline.arena.memos[slot : slot + 1]
            if memo["until_day"][0] == until_day:
                self._first.setdefault((slot, until_day), memo.tobytes())
            if (kept := self._first.get((slot, until_day))) is not None:
                memo.view("u1")[:] = list(kept)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**9))
def test_with_and_without_memos_the_same_bytes(seed: int) -> None:
    """All kept, all forgotten before each record, some of them forgotten."""
    driver = lived(seed)
    kept = judged(driver, keeps)
    assert kept == judged(driver, forgets)
    assert kept == judged(driver, forgets_some(seed))


def test_memos_are_used_at_all() -> None:
    """Else the law would hold of nothing."""
    used = 0

    def count(pipeline: Pipeline, _offset: int) -> None:
        nonlocal used
        used += int((pipeline.arena.memos["until_day"] != 0).sum())

    judged(lived(1), count)
    assert used > 0


def test_a_memo_that_outlives_its_row_is_noticed() -> None:
    """Negative control: over a few worlds, keeping what an event made wrong changes an alert."""
    drivers = [lived(seed) for seed in range(6)]
    assert any(judged(one, keeps) != judged(one, NeverForgets()) for one in drivers)


def test_a_new_policy_is_not_judged_by_the_old_ones_memos() -> None:
    """What anybody is expected to bring changes: as without any memo, and not so where they outlive it."""
    toml = "[policy]\nversion = 2\n[value]\nprior_mean_cents = 5000000\n[gem]\nmin_periods = 1\n"
    noticed = False
    for seed in (3, 5):
        driver = lived(seed)
        driver._append([(0, policy_entry(toml, 2))])
        driver.wait(days=20)
        kept = judged(driver, keeps)
        assert kept == judged(driver, forgets)
        noticed |= kept != judged(driver, never_told)
    assert noticed


def never_told(pipeline: Pipeline, _offset: int) -> None:
    """The planted fault: a change of policy leaves the memos."""
    pipeline.arena.forget = lambda: None  # type: ignore[method-assign]
