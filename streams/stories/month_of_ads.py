"""A customer waits for an answer, and gets a month of advertisements instead."""

from schemas.codes import Kind
from streams.stories.teller import Ending, Expected, Story, Teller, Told, in_order, offset_ms

CUSTOMER = "story-month-of-ads"
CASE = "ma-case-1"


def tell(start_ms: int) -> list[Told]:
    """Four months of buying, a ticket nobody answers for a month, an advertisement every third day."""
    one = Teller(CUSTOMER, start_ms)
    one.buys((0, 31, 62, 90), "19:00", 12_000, 4_000, "mixer")
    one.at(100, "09:00", Kind.TICKET_OPENED, case_id=CASE, reason="broken_part", sku="mixer")
    for day in range(102, 130, 3):
        one.at(day, "06:30", Kind.CONTACT_SENT, purpose="marketing")
    one.at(131, "10:00", Kind.TICKET_REPLY, case_id=CASE, author="agent")
    one.at(131, "10:30", Kind.FREE_REPLACEMENT, case_id=CASE, cost_cents=3_200, sku="mixer")
    one.at(132, "10:00", Kind.TICKET_RESOLVED, case_id=CASE)
    one.buys((150,), "19:00", 9_000, 3_000, "mixer")
    return in_order(one)


STORY = Story(
    key="month_of_ads",
    title="A month of ads for an answer",
    seed="S1: saturated with advertisements while the problem stood",
    days=200,
    tell=tell,
    endings={
        CUSTOMER: Ending(
            (
                Expected("service_failure_entered", "ticket_unanswered"),
                Expected("service_failure_escalated", "contact_during_failure", offset_ms(105, "06:30")),
                Expected("service_failure_cleared"),
            ),
        ),
    },
)
