"""Years of loyalty, one call of thirty seconds, and an agent who was rude in it."""

from schemas.codes import Kind
from streams.stories.teller import Ending, Expected, Story, Teller, Told, in_order, offset_ms

CUSTOMER = "story-thirty-seconds"
CASE = "ts-case-1"


def tell(start_ms: int) -> list[Told]:
    """Purchases every three weeks, the call, and a supervisor who puts it right the next day."""
    one = Teller(CUSTOMER, start_ms)
    one.buys((0, 20, 41, 60, 83), "12:40", 15_900, 5_200, "subscription-box")
    one.at(88, "14:00:00", Kind.CALL_OPENED, case_id=CASE, reason="specification")
    one.at(88, "14:00:30", Kind.CALL_CLOSED, case_id=CASE, handle_ms=30_000, agent_id="agent-17")
    one.at(88, "14:00:31", Kind.RUDE_CALL, case_id=CASE, observer="customer", confidence=0.95)
    one.at(88, "14:20:00", Kind.ESCALATION_REQUESTED, case_id=CASE)
    one.at(89, "09:00:00", Kind.ESCALATION_GRANTED, case_id=CASE)
    one.at(89, "09:25:00", Kind.CALL_CLOSED, case_id=CASE, handle_ms=1_200_000, resolved=True)
    one.buys(range(101, 290, 21), "12:40", 15_900, 5_200, "subscription-box")
    return in_order(one)


STORY = Story(
    key="thirty_seconds",
    title="Thirty rude seconds",
    seed="S4: a long-time fan hears the rudest agent ever, for thirty seconds",
    days=290,
    tell=tell,
    endings={
        CUSTOMER: Ending(
            (
                Expected("service_failure_entered", "rude_call", offset_ms(88, "14:00:31")),
                Expected("service_failure_cleared", None, offset_ms(89, "09:25:00")),
            )
        ),
    },
)
