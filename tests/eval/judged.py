"""The real judgement of a made-up history: the product's own pipeline, its scores at midnights, and its alerts."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.lib.recfunctions import repack_fields
from numpy.typing import NDArray

from kernels.scores import score_risk
from schemas.block import policy_entry
from schemas.codes import Kind, Machine
from schemas.events import DAY_MS
from schemas.state import SCORES
from streams.pipeline import Pipeline, Record
from tests.eval.compiled import compiled
from tests.eval.notes import CUSTOMER, KIND, START_MS, TS
from tests.eval.worlds import TEST_FROM, TEST_UNTIL, TRAIN_FROM, TRAIN_UNTIL, Truth

WEEKS = (*range(TRAIN_FROM, TRAIN_UNTIL + 1, 7), *range(TEST_FROM, TEST_UNTIL + 1, 7))
"""Days at whose first midnight everyone is looked at: each week of the two windows."""

FIRST_DAY = START_MS // DAY_MS
SIGNS = (Kind.PURCHASE, Kind.CALL_CLOSED, Kind.CHAT, Kind.EMAIL)
"""Kinds by which a customer is seen to be there."""

KEPT = (
    *(
        "day",
        "first_day",
        "last_event_ms",
        "first_purchase_day",
        "last_purchase_day",
        "repeat_days",
        "spent_cents",
    ),
    *("life_margin_cents", "life_fee_cents", "life_cost_cents", "first_fee_day", "evidence", "odds", "state"),
    *("day_head", "day_contacts", "day_failures", "day_purchases", "day_cost_cents", "hour_short"),
    *("case_asked_ms", "case_answered_ms", "case_resolved_ms"),
)
"""Fields of the rows that a look keeps."""


@dataclass(slots=True)
class Look:
    """Everyone the judge knows at one midnight: customer numbers (k,), rows (k,), 90-day risk (k,)."""

    day: int
    who: NDArray[np.int64]
    rows: NDArray[np.void]
    risk: NDArray[np.float64]


@dataclass(slots=True)
class Judged:
    """What the judge said of one history: looks by day, and alerts as (day, customer number, kind)."""

    looks: dict[int, Look] = field(default_factory=dict)
    alerts: list[tuple[float, int, str]] = field(default_factory=list)


@compiled
def _risks(
    rows: NDArray[np.void],
    now_ms: int,
    rules: NDArray[np.void],
    scores: NDArray[np.void],
    out: NDArray[np.float64],
) -> None:
    """The 90-day risk of each row, all settled to the day of ``now_ms``."""
    for slot in range(rows.size):
        score_risk(rows[slot], now_ms, rules[0], scores[0])
        out[slot] = scores[0]["risk"]


def look(pipeline: Pipeline, day: int) -> Look:
    """Copy every row as it stands after the tick at the midnight before ``day`` begins, with its risk."""
    arena = pipeline.arena
    assert pipeline.last_tick_ms == START_MS + day * DAY_MS
    assert pipeline.policy is not None
    rows = arena.rows[: len(arena)].copy()
    assert (rows["day"] == FIRST_DAY + day).all(), "a midnight settles every row"
    who = np.array([int(arena.customer(slot)[1:]) for slot in range(len(arena))], np.int64)
    risk = np.empty(len(arena))
    _risks(rows, pipeline.last_tick_ms, pipeline.policy.record, np.zeros(1, SCORES), risk)
    return Look(day, who, repack_fields(rows[list(KEPT)]), risk)


def judge(truth: Truth, policy_toml: str = "", told: Callable[[int], None] = lambda day: None) -> Judged:
    """Run a whole history through a fresh pipeline; ``told`` hears of each day done."""
    pipeline, judged = Pipeline("eval"), Judged()
    for offset, (day, value) in enumerate([(-1, policy_entry(policy_toml, 1)), *truth.records]):
        for alert in pipeline.step(Record(offset, None, value)).produced:
            at = (alert.ts_ms - START_MS) / DAY_MS
            judged.alerts.append((at, int(alert.customer_id[1:]), alert.kind))
        if day in WEEKS:
            judged.looks[day] = look(pipeline, day)
        if day >= 0:
            told(day)
    return judged


def active(truth: Truth, one: Look) -> NDArray[np.bool_]:
    """Who counts as a customer on that day, told by events alone (k,).

    Known for four weeks, and: whoever has paid a fee, paid the last one at most 31 days ago; everyone else bought
    or got in touch at most ``active_days`` of the world ago.
    """
    customers = len(truth.lives)
    past = truth.events[truth.events[:, TS] < START_MS + one.day * DAY_MS]
    day = (past[:, TS] - START_MS) // DAY_MS
    first = np.full(customers, one.day)
    np.minimum.at(first, past[:, CUSTOMER], day)
    fee = past[:, KIND] == Kind.MAINTENANCE_FEE
    paid, sign = np.full(customers, -1), np.full(customers, -1)
    np.maximum.at(paid, past[fee, CUSTOMER], day[fee])
    seen = np.isin(past[:, KIND], SIGNS)
    np.maximum.at(sign, past[seen, CUSTOMER], day[seen])
    recent = (sign >= 0) & (one.day - sign <= truth.world.active_days)
    here = np.where(paid >= 0, one.day - paid <= 31, recent) & (one.day - first >= 28)
    return np.asarray(here[one.who])


def in_state(one: Look, machine: Machine) -> NDArray[np.bool_]:
    """Whose machine is not at rest (k,)."""
    return np.asarray(one.rows["state"][:, machine] != 0)
