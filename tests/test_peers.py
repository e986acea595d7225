"""What other engines do beside whaleline: the same events, and a result that can be held against a twin."""

from __future__ import annotations

from collections.abc import Callable

import msgpack
import numpy as np
import pytest

from tests.bench.load import DAY_MS, HOUR_MS, START_MS, Load, events, load, peer_events
from tests.bench.peers.engine import Wrong, all_came
from tests.bench.peers.job import Alert, faults, golden

CALL = {"purchase": False, "handle_s": 64, "resolved": True}
"""It costs 4 + 64/64 = 5 USD."""
Event = tuple[int, dict[str, object]]


def sold(margin_cents: int) -> dict[str, object]:
    return {"purchase": True, "revenue_cents": margin_cents}


def history(*happened: Event) -> Load:
    """One customer's events, each after so many milliseconds."""
    blank = {
        "purchase": False, "customer": 0, "ts_ms": 0, "handle_s": 0, "reason": 0, "resolved": False,
        "sentiment": 0.0, "revenue_cents": 0, "cost_cents": 0,
    }  # fmt: skip
    rows = [{**blank, **fields, "ts_ms": START_MS + after_ms} for after_ms, fields in happened]
    return Load(*(np.array([row[name] for row in rows]) for name in Load._fields))


def told(of: Load) -> list[tuple[int, str, bool]]:
    return [(one.event, one.alert, one.on) for one in golden(of, range(len(of.ts_ms)))]


A_CALL_A_DAY: list[Event] = [(day * DAY_MS, CALL) for day in range(21)]
UNSETTLED = {"purchase": False, "handle_s": 64, "resolved": False, "sentiment": 0.0}


@pytest.mark.parametrize(
    ("happened", "expected"),
    [
        (A_CALL_A_DAY[:20], []),  # 100 USD are not beyond the border
        (A_CALL_A_DAY, [(20, "value_destroyer", True)]),  # 105 are
        ([*A_CALL_A_DAY, (20 * DAY_MS, sold(4_500))], [(20, "value_destroyer", True)]),  # at 60 it stays
        (
            [*A_CALL_A_DAY, (20 * DAY_MS, sold(4_501))],
            [(20, "value_destroyer", True), (21, "value_destroyer", False)],
        ),
        # The day of the first call is the ninetieth and still counts; a day on, it does not.
        ([*A_CALL_A_DAY, (89 * DAY_MS, sold(4_500))], [(20, "value_destroyer", True)]),
        (
            [*A_CALL_A_DAY, (90 * DAY_MS, sold(4_500))],
            [(20, "value_destroyer", True), (21, "value_destroyer", False)],
        ),
        # z = -3.2 + (0.8 + 0.2 + 0.025) n + 0.064: 0.964 at the fourth, of which 0.724 comes.
        ([(hour * HOUR_MS, UNSETTLED) for hour in range(3)], []),
        ([(hour * HOUR_MS, UNSETTLED) for hour in range(4)], [(3, "churn_risk", True)]),
        # An hour that is a day older than the newest is no part of the day: 0.764 of z, 0.682 of chance.
        ([(0, UNSETTLED), *((hour * HOUR_MS, UNSETTLED) for hour in (24, 25, 26))], []),
        ([(26 * HOUR_MS, UNSETTLED), *((hour * HOUR_MS, UNSETTLED) for hour in (25, 24, 2))], []),
        (
            [*((hour * HOUR_MS, UNSETTLED) for hour in range(4)), (3 * HOUR_MS, CALL)],
            [(3, "churn_risk", True), (4, "churn_risk", False)],
        ),
    ],
)
def test_the_job_by_hand(happened: list[Event], expected: list[tuple[int, str, bool]]) -> None:
    assert told(history(*happened)) == expected


def test_both_get_the_same_customers_times_and_amounts() -> None:
    of = load(2_000, 100)
    for (bought, key, value), (theirs_bought, theirs_key, theirs_value, ts_ms) in zip(
        events(of), peer_events(of), strict=True
    ):
        ours, theirs = msgpack.unpackb(value), msgpack.unpackb(theirs_value)
        assert (bought, key) == (theirs_bought, theirs_key)
        assert ours["customer_id"] == theirs["customer_id"] == key.decode()
        assert ours["ts_ms"] == theirs["ts_ms"] == ts_ms
        if bought:
            assert ours["amount_cents"] == theirs["revenue_cents"]
            assert ours["margin_cents"] == theirs["revenue_cents"] - theirs["cost_cents"]
        else:
            assert ours["handle_ms"] == 1_000 * theirs["handle_s"]
            assert all(ours[name] == theirs[name] for name in ("resolved", "sentiment"))


def _first(change: Callable[[Alert], Alert]) -> Callable[[list[Alert]], list[Alert]]:
    return lambda of: [change(of[0]), *of[1:]]


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        (lambda of: of[1:], "missing"),
        (lambda of: [*of, of[0]], "doubled"),
        (lambda of: [*of, of[0]._replace(event=1_999_999)], "out of nowhere"),
        (_first(lambda one: one._replace(customer_id="c9999999")), "was told as"),
        (_first(lambda one: one._replace(on=not one.on)), "was told as"),
        (_first(lambda one: one._replace(net_cents=one.net_cents + 0.0625)), "was told as"),
        (_first(lambda one: one._replace(calls=one.calls + 1)), "was told as"),
        (_first(lambda one: one._replace(chance=one.chance + 1e-6)), "was told as"),
    ],
)
def test_a_wrong_result_is_noticed(planted: Callable[[list[Alert]], list[Alert]], said: str) -> None:
    """And the right one is none, in whatever order its partitions are read."""
    of = load(3_000, 50)
    expected = golden(of, range(3_000))
    assert len(expected) > 100
    assert faults(expected, expected[::-1]) == []
    found = faults(expected, planted(expected))
    assert len(found) == 1
    assert said in found[0]


@pytest.mark.parametrize("order", [[0, 1, 1], [0, 1], [0, 1, 3], [0, 1, 2, 2]])
def test_an_event_lost_or_doubled_is_noticed(order: list[int]) -> None:
    all_came("an engine", np.array([2, 0, 1]), 3)
    with pytest.raises(Wrong, match="an event was lost or came twice"):
        all_came("an engine", np.array(order), 3)


def test_the_order_of_events_decides() -> None:
    """Why each engine says in which order it took them: another gives other alerts."""
    of = load(3_000, 50)
    assert faults(golden(of, range(3_000)), golden(of, np.argsort(of.purchase, kind="stable").tolist()))
