"""What if: the one machine that is looked at is left when the whole judge would leave it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kernels import judge, trial
from kernels.evidence import FACTORS, daily_factors
from schemas import state
from schemas.codes import Change, Kind, Machine
from schemas.policy import parse
from streams import alerts
from streams.clearpath import NOTHING
from tests.driver import DAY, HOUR, MINUTE, Driver, feed
from tests.worlds import START_MS, world

RULES = parse("").record
DAYS = 70
DEEDS = (None, Kind.CREDIT, Kind.PURCHASE, Kind.TICKET_RESOLVED)


class Judge:
    """The judge's own loops over one row, and where they write."""

    def __init__(self, row: Any) -> None:
        self.rows = np.zeros(1, state.CUSTOMER)
        self.rows[0] = row
        self.memos, self.quiet = np.zeros(1, state.MEMO), np.zeros(1, np.uint8)
        self.room = (np.zeros(1, state.SCORES), np.zeros(1, np.uint8))
        self.room += (np.zeros(judge.ROOM, state.CROSSING), np.zeros(judge.ROOM, state.CUSTOMER))

    def take(self, event: Any) -> None:
        judge.fold_events(
            *(self.rows, self.memos, self.quiet, np.zeros(1, np.int64), event, 0, np.ones(1, np.uint8), 0, RULES),
            *(*self.room[:2], np.zeros(8, np.int64), *self.room[2:]),
        )  # fmt: skip

    def left_at(self, machine: int, now_ms: int) -> int:
        """Midnights first, then the hours of the day before, every machine concluding."""
        if self.rows[0]["state"][machine] == 0:
            return now_ms
        for midnight in range(now_ms // DAY + 1, now_ms // DAY + DAYS + 2):
            before = self.rows.copy()
            judge.sweep(self.rows, self.memos, self.quiet, 0, 1, midnight * DAY, RULES, *self.room)
            if self.rows[0]["state"][machine] != 0:
                continue
            self.rows[:], self.memos[:], self.quiet[:] = before, 0, 0
            for tick_ms in range((max(now_ms, (midnight - 1) * DAY) // HOUR + 1) * HOUR, midnight * DAY + 1, HOUR):
                judge.sweep(self.rows, self.memos, self.quiet, 0, 1, tick_ms, RULES, *self.room)
                if self.rows[0]["state"][machine] == 0:
                    return tick_ms if tick_ms <= now_ms + DAYS * DAY else state.NEVER
        return state.NEVER


def left_at(row: Any, machine: int, now_ms: int, events: Any) -> int:
    rows = np.zeros(2, state.CUSTOMER)
    rows[0] = row
    scores, out = np.zeros(1, state.SCORES), np.zeros(judge.ROOM, state.CROSSING)
    factors = np.zeros(FACTORS)
    daily_factors(RULES[0], factors)
    beside = (np.zeros(1, state.MEMO)[0], factors)
    for at in range(len(events)):
        trial.take_event(rows[0], machine, events[at], RULES[0], scores[0], out, beside)
    return trial.clears_at(rows, machine, now_ms, DAYS, RULES[0], scores[0], out, beside)


@pytest.fixture(scope="module")
def crossed() -> list[alerts.Crossed]:
    """Every border crossed, but for those that were left, in worlds in which everything happens."""
    found: list[alerts.Crossed] = []
    told = alerts.make

    def listen(app_id: str, one: alerts.Crossed, *rest: Any) -> Any:
        if one.crossing["change"] != Change.CLEARED:
            found.append(one)
        return told(app_id, one, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alerts, "make", listen)
        for seed, span_days in ((1, 30), (2, 200), (3, 600)):
            driver = Driver(now_ms=START_MS)
            feed(driver, world(seed, 400, customers=5, span_days=span_days))
            driver.wait(days=60)
    return found


@pytest.mark.parametrize("deed", DEEDS)
def test_one_machine_is_left_when_the_whole_judge_leaves_it(
    crossed: list[alerts.Crossed], deed: Kind | None
) -> None:
    seen, left = set(), set()
    for one in crossed:
        machine, now_ms = int(one.crossing["machine"]), int(one.crossing["now_ms"])
        events = NOTHING[:0]
        if deed is not None:
            now_ms += MINUTE
            events = NOTHING[:1].copy()
            events["kind"], events["ts_ms"], events["amount_cents"] = deed, now_ms, 5_000
            events["case_id"] = one.row["case_id"][0] if deed is Kind.TICKET_RESOLVED else 0
        whole = Judge(one.row)
        if deed is not None:
            whole.take(events)
        expected = whole.left_at(machine, now_ms)
        assert left_at(one.row, machine, now_ms, events) == expected, (Machine(machine), now_ms)
        seen.add(Machine(machine))
        left.add(expected - now_ms)
    assert seen >= {Machine.CHURN, Machine.SERVICE, Machine.CAUSE, Machine.BEST, Machine.NEWS}, seen
    assert len(left) > 10, "it is left at many different times"
