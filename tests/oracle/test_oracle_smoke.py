"""The slow judge against cases small enough to work out by hand."""

from __future__ import annotations

import math
from hashlib import blake2b
from itertools import count, permutations
from typing import Any
from uuid import UUID

import pytest

from schemas.block import (
    Source,
    Sourced,
    encode_events,
    policy_entry,
    progress_entry,
    retire_entry,
    sources_entry,
)
from schemas.codec import decode, encode
from schemas.codes import Evidence, Fault, Machine, Moment
from schemas.events import DAY_MS, Event
from schemas.policy import parse
from tests.oracle import scores
from tests.oracle.economics import Budget
from tests.oracle.judge import Oracle
from tests.oracle.rows import HOUR_MS, Row, Rules

SUPPORT = UUID(int=1)
PURCHASES = UUID(int=2)
START = 20_020 * DAY_MS
"""The first day of a 28-day period."""

MINUTE_MS = 60_000
BOUGHT = {"purchase", "refund", "return", "maintenance_fee", "free_replacement", "credit", "chargeback"}


class Ledger:
    """One partition of a ledger with a support and a purchase topic, and the oracle that reads it."""

    def __init__(self, policy: str = "") -> None:
        self.oracle = Oracle("test")
        self.offset = count()
        self.source_offset = count()
        self.put(sources_entry([("support-calls", SUPPORT, 1), ("purchases", PURCHASES, 1)]))
        if policy:
            self.put(policy_entry(policy, 1))

    def put(self, record: bytes, append_ms: int | None = None) -> list[dict[str, Any]]:
        return self.oracle.step(record, next(self.offset), append_ms)

    def hear(self, ts_ms: int, kind: str, *, append_ms: int | None = None, **fields: Any) -> list[dict[str, Any]]:
        number = next(self.source_offset)
        fields = {"customer_id": "ann", "event_id": f"e{number}", **fields}
        event = decode(encode({"ts_ms": ts_ms, "kind": kind, **fields}), purchases=kind in BOUGHT)
        assert isinstance(event, Event), event
        source = Source(PURCHASES if kind in BOUGHT else SUPPORT, 0)
        return self.put(encode_events([Sourced(source, number, event)]), append_ms)

    def until(self, ts_ms: int) -> list[dict[str, Any]]:
        return self.put(progress_entry([(Source(SUPPORT, 0), ts_ms), (Source(PURCHASES, 0), ts_ms)]))

    @property
    def ann(self) -> Row:
        return self.oracle.rows[b"ann"]


def told(alerts: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    return [(alert["kind"], alert["moment"]) for alert in alerts]


# 75 cents a minute and 200 a call: 400 ms are half a cent, 1 200 ms one and a half.
@pytest.mark.parametrize(
    ("handle_ms", "cents"),
    [(600_000, 950), (400, 200), (1_200, 202), (0, 200), (None, 875)],
)
def test_the_price_of_a_call(handle_ms: int | None, cents: int) -> None:
    ledger = Ledger()
    sent = {} if handle_ms is None else {"handle_ms": handle_ms}
    ledger.hear(START, "call_closed", **sent)
    assert ledger.ann.life_cost_cents == [0, 0, 0, cents]
    assert ledger.ann.read("period_cost_cents", 715) == [0, 0, 0, cents]
    assert ledger.ann.read("day_cost_cents", 20_020) == cents


@pytest.mark.parametrize(
    ("kind", "fields", "fault"),
    [
        ("call_closed", {}, Fault.UNKNOWN),
        ("call_closed", {"reason": "bill"}, Fault.SHARED),
        ("call_closed", {"reason": "bill", "cause": "customer"}, Fault.CUSTOMER),
        ("return", {"amount_cents": 100, "return_reason": "remorse"}, Fault.CUSTOMER),
        ("return", {"amount_cents": 100, "return_reason": "wrong"}, Fault.COMPANY),
        ("credit", {"amount_cents": 100}, Fault.COMPANY),
        ("purchase", {"amount_cents": 100}, Fault.SHARED),
    ],
)
def test_whose_cost_it_is(kind: str, fields: dict[str, Any], fault: Fault) -> None:
    ledger = Ledger()
    ledger.hear(START, kind, **fields)
    assert [column for column, cents in enumerate(ledger.ann.life_cost_cents) if cents] == [fault]


def test_a_second_contact_on_a_case_is_the_companys_doing() -> None:
    ledger = Ledger()
    for hour in range(2):
        ledger.hear(START + hour * HOUR_MS, "email", case_id="c")
    assert ledger.ann.life_cost_cents == [450, 0, 450, 0]
    assert ledger.ann.evidence[Evidence.UNRESOLVED_REPEAT] == 1


def test_a_ring_forgets_the_order_of_arrival() -> None:
    rings = []
    for order in permutations([0, 5, 23, 24, 40]):
        row = Row()
        for hour in order:
            row.add("hour_contacts", 100 + hour, 1)
        rings.append((row.hour_head, row.hour_contacts))
    assert all(ring == rings[0] for ring in rings)
    assert rings[0][0] == 140
    # Buckets 117 to 140 are held: 123, 124 and 140 of the five.
    assert [index for index, n in enumerate(rings[0][1]) if n] == sorted([123 % 24, 124 % 24, 140 % 24])


def test_a_small_counter_stops_at_its_top() -> None:
    row = Row()
    for _ in range(300):
        row.add("hour_contacts", 7, 1)
    assert row.read("hour_contacts", 7) == 255


def test_a_rude_call_is_told_once_and_cleared_by_a_recovery() -> None:
    ledger = Ledger()
    (alert,) = ledger.hear(START, "rude_call", observer="qa", confidence=0.9)
    parts = b"\x1f".join([b"test", b"ann", b"service_failure_entered", b"1", b"1"])
    # No silence yet, one piece of evidence: the hazard alone says how likely ann is gone in 90 days.
    risk = 1 - math.exp(-60 * 1.6e-4 * math.exp(1.9 * 0.9))
    assert alert == {
        "alert_id": blake2b(parts, digest_size=16).hexdigest(),
        "kind": "service_failure_entered",
        "customer_id": "ann",
        "ts_ms": START,
        "episode": 1,
        "change": 1,
        "moment": "rude_call",
        "state_before": "served",
        "state_after": "failed",
        "risk_ppm": round(risk * 1e6),
        "p_negative_ppm": alert["p_negative_ppm"],
        "forward_year_cents": 0,
        "fee_cover_ppm": None,
        "at_risk_cents": 0,
        "savable_cents": 0,
        "within_budget": True,
    }
    assert ledger.hear(START + 1, "rude_call", observer="qa", confidence=0.6) == []
    assert ledger.hear(START + 2, "rude_call", observer="qa") == []
    assert told(ledger.hear(START + 3, "escalation_denied")) == [
        ("service_failure_escalated", "escalation_denied")
    ]
    (cleared,) = ledger.hear(START + 4, "credit", amount_cents=500)
    assert (cleared["kind"], cleared["change"], cleared["moment"]) == ("service_failure_cleared", 3, None)
    assert ledger.ann.failed_moments == 0


def test_an_unanswered_ticket_is_found_by_a_tick() -> None:
    ledger = Ledger()
    assert ledger.until(START) == []
    ledger.hear(START + 1, "ticket_opened", case_id="c")
    assert ledger.until(START + 72 * HOUR_MS) == []
    (alert,) = ledger.until(START + 74 * HOUR_MS)
    assert told([alert]) == [("service_failure_entered", "ticket_unanswered")]
    assert alert["ts_ms"] == START + 73 * HOUR_MS
    late = ledger.hear(START + 74 * HOUR_MS, "ticket_reply", case_id="c", author="agent")
    assert late == []
    assert told(ledger.hear(START + 75 * HOUR_MS, "ticket_resolved", case_id="c")) == [
        ("service_failure_cleared", None)
    ]


def test_a_late_event_waits_for_the_next_tick() -> None:
    ledger = Ledger()
    ledger.until(START)
    ledger.until(START + 5 * HOUR_MS)
    assert ledger.hear(START + HOUR_MS, "escalation_denied") == []
    assert (ledger.ann.pending, ledger.ann.pending_moments) == (1, 1 << Moment.ESCALATION_DENIED)
    (alert,) = ledger.until(START + 6 * HOUR_MS)
    assert (alert["moment"], alert["ts_ms"]) == ("escalation_denied", START + 6 * HOUR_MS)
    assert (ledger.ann.pending, ledger.ann.pending_moments) == (0, 0)


def test_what_is_not_heard_twice_and_not_ahead_of_time() -> None:
    ledger = Ledger()
    ledger.hear(START, "chat", event_id="same")
    ledger.hear(START + 1, "chat", event_id="same")
    ledger.hear(START + 10 * MINUTE_MS + 1, "chat", append_ms=START, event_id="new")
    assert ledger.oracle.refused == [(Source(SUPPORT, 0), 2, "future")]
    ledger.hear(START + 10 * MINUTE_MS, "chat", append_ms=START, event_id="new")
    assert ledger.ann.read("day_contacts", 20_020) == 2


def test_time_waits_for_every_source_until_it_retires() -> None:
    ledger = Ledger()
    ledger.put(progress_entry([(Source(SUPPORT, 0), START)]))
    assert ledger.oracle.last_tick_ms is None
    ledger.put(retire_entry(PURCHASES, "somebody", "gone"))
    assert ledger.oracle.last_tick_ms == START


def test_a_long_jump_ticks_midnights_first() -> None:
    ledger = Ledger()
    ledger.until(START)
    ledger.hear(START + HOUR_MS, "ticket_opened", case_id="c")
    (alert,) = [one for one in ledger.until(START + 100 * DAY_MS) if one["kind"] == "service_failure_entered"]
    assert alert["ts_ms"] == START + 4 * DAY_MS


def test_settling_in_one_go_is_settling_day_by_day() -> None:
    ledger = Ledger()
    ledger.hear(START, "rude_call", observer="customer", case_id="c")
    ledger.hear(START, "ticket_opened", case_id="d")
    once, often = ledger.ann.copy(), ledger.ann.copy()
    rules = Rules(parse(""))
    scores.settle(once, rules, 20_120)
    for day in range(20_021, 20_121):
        scores.settle(often, rules, day)
    assert once == often == ledger.oracle.settled(20_120)[b"ann"]
    assert once.evidence[Evidence.RUDE_CALL] == pytest.approx(2 ** (-100 / 45), rel=1e-12)


# Given: x, P(alive) and discounted expected transactions of 260 weeks at 10 % a year of 52.1775 weeks.
@pytest.mark.parametrize(
    ("repeats", "alive", "dert"), [(0, 0.389735080919, 0.5574023439), (2, 0.706202265118, 4.028373589)]
)
def test_expected_purchases_agree_with_the_vector(repeats: int, alive: float, dert: float) -> None:
    delta = math.log(1.10) / 52.1775
    found = scores.expected_purchases(0.525, 6.183, 0.891, 1.614, repeats, 38.86, 260.0, delta)
    assert found * alive == pytest.approx(dert, rel=1e-7)


def test_worth_of_fees_is_an_annuity() -> None:
    row, rules = Row(), Rules(parse("[lifetime]\ndiscount_rate_per_year = 0.0\n"))
    row.first_fee_day, row.life_fee_cents, row.life_margin_cents = 20_020, 7_000, 7_000
    # 70 days are ten weeks of 700 cents; 260 more are ahead. In the first four weeks four are counted.
    assert scores.worth_cents(row, rules, START + 70 * DAY_MS) == 700 * 260
    assert scores.worth_cents(row, rules, START + 7 * DAY_MS) == 1_750 * 260


def test_posterior_of_nothing_is_the_prior() -> None:
    mean, p_negative = scores.posterior([], Rules(parse("")))
    assert mean == 234
    assert 0.43 < p_negative < 0.45


def test_value_is_entered_late_and_left_later() -> None:
    """Ten months, a midnight at a time: four of long calls about nothing we did, then a good customer."""
    ledger = Ledger()
    alerts = []
    for day in range(280):
        now = START + day * DAY_MS
        alerts += ledger.until(now)
        if day < 112 and day % 7 == 0:
            alerts += ledger.hear(now + HOUR_MS, "call_closed", handle_ms=40 * MINUTE_MS, reason="chat")
        if day >= 112 and day % 7 == 3:
            alerts += ledger.hear(now + HOUR_MS, "purchase", amount_cents=20_000)
    value = [alert for alert in alerts if alert["kind"].startswith("value")]
    assert [(one["kind"], one["episode"], one["change"]) for one in value] == [
        ("value_destroyer_entered", 1, 1),
        ("value_destroyer_escalated", 1, 2),
        ("value_destroyer_cleared", 1, 3),
    ]
    entered, escalated, cleared = value
    # The first days are over; the expected year is severe too, which the next midnight concludes.
    assert entered["ts_ms"] == START + 120 * DAY_MS
    assert entered["p_negative_ppm"] >= 950_000
    assert escalated["ts_ms"] == START + 121 * DAY_MS
    # Three good periods outweigh the four bad ones, and the running one does not count.
    assert cleared["ts_ms"] == START + 196 * DAY_MS
    assert cleared["p_negative_ppm"] < 600_000
    assert ledger.ann.state[Machine.VALUE] == 0
    assert ledger.ann.cooldown_until_ms[Machine.VALUE] == cleared["ts_ms"] + 28 * DAY_MS


def test_churn_is_entered_once_the_floor_is_done_and_left_after_calm() -> None:
    ledger = Ledger()
    alerts = []
    for day in range(200):
        now = START + day * DAY_MS
        alerts += ledger.until(now)
        if day <= 60 and day % 10 == 0:
            alerts += ledger.hear(now + HOUR_MS, "purchase", amount_cents=30_000)
        if day in {61, 62}:
            alerts += ledger.hear(now + HOUR_MS, "cancel_request")
            alerts += ledger.hear(now + HOUR_MS, "rude_call", observer="customer")
        if day in {70, 80}:
            alerts += ledger.hear(now + HOUR_MS, "credit", amount_cents=5_000)
        if day >= 90 and day % 10 == 0:
            alerts += ledger.hear(now + HOUR_MS, "purchase", amount_cents=30_000)
    churn = [alert for alert in alerts if alert["kind"].startswith("churn")]
    assert [(one["kind"], (one["ts_ms"] - START) // DAY_MS, one["change"]) for one in churn] == [
        # The wish to leave was told as what it is; once a credit had put that right, the risk is what is left.
        ("churn_risk_entered", 71, 1),
        ("churn_risk_escalated", 72, 2),
        ("churn_risk_cleared", 133, 3),
    ]
    assert churn[0]["at_risk_cents"] >= 2_500
    assert churn[-1]["risk_ppm"] <= 100_000


def test_the_budget_of_a_day_is_shared_out() -> None:
    ledger = Ledger("[service]\nbudget_per_day = 3\n")
    ledger.oracle._budget = Budget(2)
    said = [ledger.hear(START + n, "escalation_denied", customer_id=f"c{n}")[0]["within_budget"] for n in range(3)]
    said += [
        ledger.hear(START + DAY_MS + n, "rude_call", observer="qa", customer_id=f"c{n}")[0]["within_budget"]
        for n in range(3)
    ]
    assert said == [True, True, False] * 2


def test_a_moment_that_is_not_listed_is_not_told() -> None:
    ledger = Ledger('[service]\nmoments = ["rude_call"]\n')
    assert ledger.hear(START, "escalation_denied") == []
    assert ledger.ann.evidence[Evidence.ESCALATION_DENIED] == 1
    assert told(ledger.hear(START, "rude_call", observer="qa")) == [("service_failure_entered", "rude_call")]


def test_an_overdue_repair_is_told_once_and_again_for_the_next() -> None:
    ledger = Ledger()
    ledger.until(START)
    alerts = []
    for day in range(60):
        now = START + day * DAY_MS
        alerts += ledger.until(now)
        if day in {0, 30}:
            ledger.hear(now, "repair_in", sku="a" if day else "b")
        if day == 29:
            ledger.hear(now, "repair_out", sku="b")
    said = [(one["kind"], one["moment"], (one["ts_ms"] - START) // DAY_MS) for one in alerts]
    assert said == [
        ("service_failure_entered", "repair_overdue", 21),
        ("service_failure_entered", "repair_overdue", 51),
    ]
    assert [alert["episode"] for alert in alerts] == [1, 2]


def test_a_new_policy_judges_no_day_that_has_passed() -> None:
    ledger = Ledger()
    ledger.until(START)
    ledger.hear(START, "rude_call", observer="qa")
    ledger.hear(START, "chat", customer_id="bob")
    ledger.until(START + 10 * DAY_MS)
    before = ledger.oracle.settled(20_030)
    ledger.put(policy_entry("[churn]\nbase_hazard_per_day = 0.004\n", 1))
    assert ledger.oracle.rows == before
    ledger.put(policy_entry("[churn]\nbase_hazard_per_day = 0.005\n", 1))
    assert ledger.oracle.settled(20_031)[b"bob"].risk_day_start_ppm == round(
        1e6 * (1 - math.exp(-60 * 0.004) / (1 + before[b"bob"].odds))
    )
