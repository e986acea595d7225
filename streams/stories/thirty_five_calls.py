"""Thirty-five calls in one day, for a fault that is the company's own: one alert, and no blame."""

from schemas.codes import Kind
from schemas.events import DAY_MS
from streams.stories.teller import Ending, Expected, Story, Teller, Told, in_order, offset_ms

CUSTOMER = "story-thirty-five-calls"
CALLS = 35
FIRST_CALL_MINUTES = 8 * 60 + 40
MINUTES_BETWEEN = 20
BURST = 10
"""The call that makes the day a burst, by the default policy."""


def _clock(call: int) -> str:
    """When the day's call number ``call`` (from 1) ends."""
    minutes = FIRST_CALL_MINUTES + (call - 1) * MINUTES_BETWEEN
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def tell(start_ms: int) -> list[Told]:
    """A maintenance fee every four weeks, a bad day, and a credit when the fault is gone."""
    one = Teller(CUSTOMER, start_ms)
    one.at(0, "10:00", Kind.PURCHASE, amount_cents=240_000, margin_cents=48_000, sku="router-x")
    for day in range(1, 282, 28):
        one.at(day, "06:00", Kind.MAINTENANCE_FEE, amount_cents=12_000, period_ms=28 * DAY_MS)
    one.at(92, "08:15", Kind.FAULT_OPENED, fault_id="fault-flapping-link", sku="router-x")
    for call in range(1, CALLS + 1):
        one.at(92, _clock(call), Kind.CALL_CLOSED, handle_ms=420_000, resolved=False, reason="link_down")
    one.at(94, "17:00", Kind.FAULT_CLOSED, fault_id="fault-flapping-link", sku="router-x")
    one.at(94, "17:30", Kind.CREDIT, amount_cents=12_000, reason="link_down")
    return in_order(one)


STORY = Story(
    key="thirty_five_calls",
    title="Thirty-five calls in a day",
    seed="S4: a maintenance customer called 35 times in a single day; the technology behind it is our issue",
    days=285,
    tell=tell,
    endings={
        CUSTOMER: Ending(
            (
                Expected("service_failure_entered", "contact_burst", offset_ms(92, _clock(BURST))),
                # Worth thousands, and let down: somebody they know calls within a day.
                Expected("vulnerable_best_customer_entered", None, offset_ms(92, _clock(BURST))),
                # The fault gone is what the alert said it would take; the credit comes on top.
                Expected("service_failure_cleared", None, offset_ms(94, "17:00")),
            ),
            at_most=4,
        ),
    },
)
