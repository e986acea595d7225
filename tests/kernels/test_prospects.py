"""Whom to win back: customer by customer as column by column, over rows in which all lies near its border."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kernels import prospects
from schemas.policy import parse
from schemas.state import LINES, PERIODS, blank
from tests.oracle import prospects as twin

DAY_MS = 86_400_000
DAY = 20_160
PERIOD = DAY // 28
RULES = parse("")


def some_rows(seed: int, n: int = 200) -> NDArray[np.void]:
    """Rows whose days lie around the borders, with few different amounts, so that equals meet."""
    dice = np.random.default_rng(seed)
    rows = np.repeat(blank(), n)
    amounts = np.array([0, 100, 200, 400])
    rows["day"] = dice.choice([-1, DAY, DAY], n)
    rows["state"] = dice.choice([0, 0, 0, 1], rows["state"].shape)
    rows["deal_ms"] = dice.choice([-1, (DAY - 366) * DAY_MS, (DAY - 365) * DAY_MS, (DAY - 20) * DAY_MS], n)
    rows["last_purchase_day"] = dice.choice([-1, DAY - 130, DAY - 120, DAY - 20, DAY - 1], n)
    for name in ("deal_cents", "last_spend_cents", "spent_cents"):
        rows[name] = dice.choice(amounts, n)
    rows["first_day"] = (PERIOD - 12) * 28 + dice.integers(-30, 40, n)
    rows["repeat_days"], rows["purchases"] = dice.integers(1, 5, n), dice.integers(0, 4, n)
    rows["period_head"] = PERIOD - dice.integers(-1, 9, n)
    rows["period_revenue_cents"] = dice.choice(amounts, (n, PERIODS))
    rows["line"] = dice.choice(np.array([0, 7, 2**64 - 1], np.uint64), (n, LINES))
    rows["line_days"] = dice.integers(0, 5, (n, LINES))
    rows["line_last_day"] = rows["last_purchase_day"][:, None] - dice.choice([0, 119, 120, 121], (n, LINES))
    return rows


@given(st.integers(0, 10**9))
def test_who_and_for_how_much(seed: int) -> None:
    rows, tick_ms = some_rows(seed), DAY * DAY_MS
    n, rule = rows.size, RULES.record[0]
    said = np.empty(n, np.uint8), np.empty(n, np.int64), np.empty(n, np.uint64)
    prospects.look(rows, n, tick_ms, RULES.record, *said)
    limits = int(rule["winback_days"]), float(rule["winback_share"]), int(rule["winback_line_days"])
    expected = twin.look(rows, tick_ms, *limits)
    for ours, theirs in zip(said, expected, strict=True):
        assert ours.tolist() == theirs.tolist()


def test_each_reason_is_met_and_missed() -> None:
    rows = some_rows(1, 2_000)
    reasons, _, _ = twin.look(rows, DAY * DAY_MS, 365, 0.5, 120)
    assert set(reasons.tolist()) == set(range(8))
