"""Law: whatever comes, in whatever order, under any policy there may be, every score is a number.

Rows hold what a row may hold at all, events what the codec accepts, policies what the bounds allow: often the
least and the most of it, because that is where a division or a power breaks.
"""

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kernels import judge
from kernels.scores import known_negative_ppm
from schemas.block import EVENT
from schemas.codes import Kind
from schemas.events import ABSENT, CENTS_MAX, DAY_MS, FIELD, TS_MAX_MS, TS_MIN_MS
from schemas.policy import SETTINGS, Policy, PolicyError, parse
from schemas.state import CROSSING, CUSTOMER, MEMO, MONEY_MOST_CENTS, NEVER, SCORES, blank
from tests.driver import Driver, feed
from tests.worlds import START_MS, world

DAY = START_MS // DAY_MS
PPM = 1_000_000
SHARES = ("risk_ppm", "gone_ppm", "p_negative_ppm", "company_ppm")


def policy_of(seed: int) -> Policy:
    """A policy in which some settings stand at an end of their bounds; the defaults if they do not go together."""
    rng = random.Random(seed)
    tables: dict[str, list[str]] = {}
    for one in rng.sample(SETTINGS, rng.choice([0, 3, 12, 40])):
        value = rng.choice([one.low, one.high, rng.uniform(one.low, one.high)])
        said = int(value) if isinstance(one.default, int) else float(value)
        tables.setdefault(one.section, []).append(f"{one.key} = {said!r}")
    toml = "\n".join(f"[{section}]\n" + "\n".join(lines) for section, lines in tables.items())
    try:
        return parse(toml)
    except PolicyError:
        return parse("")


def row_of(seed: int) -> NDArray[np.void]:
    """A customer row (shape (1,)) with anything in it that its fields may hold."""
    rng = np.random.default_rng(seed)
    row = blank()
    for name in CUSTOMER.names or ():
        base, shape = CUSTOMER[name].base, CUSTOMER[name].shape
        if rng.random() < 0.3:
            continue
        if base.kind == "f":
            most = {"odds": 1e9, "usual_risk": 1.0}.get(name, 1e6)
            row[name] = rng.choice([0.0, most, rng.random() * most], shape or None)
        elif name.endswith("_cents") and base.itemsize == 8:
            most = MONEY_MOST_CENTS
            least = 0 if "cost" in name or "doubt" in name else -most
            row[name] = rng.choice([0, 1, least, most, int(rng.integers(least, most))], shape or None)
        elif name.endswith("_ms"):
            row[name] = rng.integers(TS_MIN_MS, START_MS, shape or None)
        elif name.endswith(("_day", "_head")) or name == "day":
            row[name] = rng.integers(DAY - 4_000, DAY + 1, shape or None)
        elif name not in ("state", "reference_next", "reference_kind"):
            row[name] = rng.choice(np.array([0, 1, np.iinfo(base).max], base), shape or None)
    row["state"] = rng.integers(0, 2, row["state"].shape)
    row["hour_head"], row["day_head"] = START_MS // 3_600_000, DAY
    row["period_head"] = DAY // 28 - int(rng.integers(0, 16))
    row["day"] = DAY
    for what in ("purchase", "fee"):
        first, last = f"first_{what}_day", f"last_{what}_day"
        row[first], row[last] = sorted((int(row[first][0]), int(row[last][0])))
        if row[first][0] == NEVER:
            row[last] = NEVER
    row["first_day"] = min(int(row["first_day"][0]), DAY) if row["first_day"][0] != NEVER else DAY
    return row


def is_sound(scores: Any) -> None:
    """Every score is a number within its bounds."""
    assert math.isfinite(scores["risk"])
    assert 0 <= scores["risk"] <= 1
    for name in SHARES:
        assert 0 <= scores[name] <= PPM, name
    for name in set(SCORES.names or ()) & set(scores.dtype.names):
        assert name == "risk" or (np.abs(scores[name]) < 2**63 - 1).all(), name


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_any_row_under_any_policy_has_scores(of_row: int, of_policy: int) -> None:
    """Also the row after it: concluding leaves no odds or evidence that is no number."""
    row, rules = row_of(of_row), policy_of(of_policy).record
    scores, out = np.zeros(1, SCORES), np.zeros(judge.ROOM, CROSSING)
    crossed = judge.conclude(row[0], START_MS, 0, rules[0], scores[0], out, 0)
    known_negative_ppm(row[0], START_MS // DAY_MS, rules[0], scores[0])
    is_sound(scores[0])
    for at in range(crossed):
        is_sound(out[at])
    for name in CUSTOMER.names or ():
        assert CUSTOMER[name].base.kind != "f" or np.isfinite(row[name]).all(), name


def extreme(seed: int, events: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """The same events with numbers at the ends of their bounds, and time going to and fro."""
    rng = random.Random(seed)
    out = []
    for topic, fields in events:
        changed = dict(fields)
        for name, value in fields.items():
            one = FIELD.get(name)
            if type(value) is int and one is not None and one.low < one.high and name not in ("score", "scale"):
                changed[name] = rng.choice([value, one.low, one.high])
        changed["ts_ms"] = fields["ts_ms"] - rng.choice([0, 0, DAY_MS, 400 * DAY_MS, 20 * 365 * DAY_MS])
        out.append((topic, changed))
    return out


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**9))
def test_extreme_events_in_any_order_leave_numbers(seed: int) -> None:
    """Refunds above purchases, amounts at their limits, time going backwards: alerts and rows are numbers."""
    driver = Driver(now_ms=START_MS, policy=TOML.get(seed % 4, ""))
    feed(driver, extreme(seed, world(seed, 120, customers=3, span_days=150)))
    driver.wait(days=90)
    for pipeline in driver.pipelines:
        for row in pipeline.settled_rows().values():
            for name in CUSTOMER.names or ():
                assert CUSTOMER[name].base.kind != "f" or np.isfinite(row[name]).all(), name
    for alert in driver.alerts:
        numbers = [value for value in alert.as_map().values() if isinstance(value, int | float)]
        numbers += [number for one in alert.evidence for number in (one.value, one.contribution)]
        assert all(math.isfinite(number) for number in numbers), alert


TOML = {
    1: "[cost]\nvoice_cents_per_minute = 1000000\nmargin_rate = -1.0\n",
    2: "[value]\nprior_weight = 0.001\nprior_freedom = 0.001\nprior_variance_cents2 = 1\nmin_periods = 1\n",
    3: "[lifetime]\npurchase_scale_weeks = 0.01\nleave_a = 100.0\nhorizon_weeks = 1040\nspend_q = 1.01\n",
}


def test_one_event_and_no_tenure() -> None:
    """A customer of one moment: nothing is known, everything is a number, nobody is judged."""
    driver = Driver()
    driver.buys("refund", amount_cents=CENTS_MAX)
    driver.wait(days=1)
    assert driver.row()["life_margin_cents"] == -CENTS_MAX // 4
    assert driver.alerts == []


@pytest.mark.parametrize(
    "kind", [Kind.CALL_CLOSED, Kind.PURCHASE, Kind.REFUND], ids=lambda kind: kind.name.lower()
)
def test_a_million_events_of_one_customer(kind: Kind) -> None:
    """Counters stop at their ends, money at its own, and the scores still are numbers."""
    count = 1_000_000
    events = np.zeros(count, EVENT)
    for name in EVENT.names or ():
        if name in FIELD:
            events[name] = FIELD[name].absent
    events["kind"], events["ts_ms"] = int(kind), START_MS + np.arange(count)
    events["event_id"] = np.arange(1, count + 1)
    events["amount_cents"] = CENTS_MAX if kind != Kind.CALL_CLOSED else ABSENT
    rows, memos, scores = blank(), np.zeros(1, MEMO), np.zeros(1, SCORES)
    out, copies = np.zeros(256, CROSSING), np.zeros(256, CUSTOMER)
    slots, admitted, dirty = np.zeros(count, np.int64), np.ones(count, np.uint8), np.zeros(1, np.uint8)
    at = 0
    while at < count:
        at, _ = judge.fold_events(
            *(rows, memos, dirty.copy(), slots, events, at, admitted, START_MS, parse("").record),
            *(scores, dirty, np.zeros(8, np.int64), out, copies),
        )
    known_negative_ppm(rows[0], START_MS // DAY_MS, parse("").record[0], scores[0])
    is_sound(scores[0])
    assert rows["day_contacts"].max() == (255 if kind == Kind.CALL_CLOSED else 0)
    assert rows["period_contacts"].max() == (65_535 if kind == Kind.CALL_CLOSED else 0)
    assert rows["purchases"][0] == (count if kind == Kind.PURCHASE else 0)
    assert abs(rows["life_margin_cents"][0]) <= MONEY_MOST_CENTS
    assert rows["spent_cents"][0] == (MONEY_MOST_CENTS if kind == Kind.PURCHASE else 0)


def test_times_of_a_century_are_no_trouble() -> None:
    """The first and the last moment that an event may have, of one customer."""
    driver = Driver(now_ms=TS_MIN_MS, check_future=False)
    driver.buys("purchase", amount_cents=1)
    driver.now_ms = TS_MIN_MS + 40 * 365 * DAY_MS
    driver.buys("purchase", amount_cents=1)
    assert driver.row()["purchases"] == 2
    assert driver.now_ms < TS_MAX_MS
