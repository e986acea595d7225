"""A loyal buyer waits weeks for a spare part, gets the wrong one twice, then an offer of a dearer product."""

from schemas.codes import Kind
from streams.stories.teller import VALUE_LABELS, Ending, Expected, Story, Teller, Told, in_order, offset_ms

CUSTOMER = "story-wrong-part-twice"
CASE = "wp-case-1"


def tell(start_ms: int) -> list[Told]:
    """Half a year of buying, then two months of one broken blender."""
    one = Teller(CUSTOMER, start_ms)
    one.buys((0, 24, 50, 73, 98, 120, 146), "18:20", 8_900, 2_700, "blender-accessory")
    one.at(150, "09:10", Kind.TICKET_OPENED, case_id=CASE, reason="broken_part", sku="blender-b")
    one.at(151, "11:00", Kind.TICKET_REPLY, case_id=CASE, author="agent")
    one.at(152, "15:00", Kind.PART_SHIPPED, case_id=CASE, part_id="jar-base-7", order_id="wp-o-1")
    _wrong_again(one, 166)
    one.at(170, "15:00", Kind.PART_SHIPPED, case_id=CASE, part_id="jar-base-7", order_id="wp-o-1")
    _wrong_again(one, 188)
    # "It was the correct part" becomes "there are no parts any more", and the way out costs four times more.
    one.at(193, "10:00", Kind.PROMISE_REVERSED, case_id=CASE, promise_id="wp-part", sku="blender-b")
    one.at(193, "10:01", Kind.PRODUCT_EOL, case_id=CASE, sku="blender-b", alternative="upgrade")
    one.at(193, "10:02", Kind.UPSELL_AS_REMEDY, case_id=CASE, sku="blender-c", price_ratio_percent=400)
    for day in (194, 197, 201):
        one.at(day, "07:00", Kind.CONTACT_SENT, purpose="marketing")
    one.at(195, "16:00", Kind.CALL_CLOSED, case_id=CASE, handle_ms=900_000, resolved=False)
    one.at(195, "16:05", Kind.ESCALATION_REQUESTED, case_id=CASE)
    one.at(195, "16:10", Kind.ESCALATION_DENIED, case_id=CASE)
    one.at(199, "08:00", Kind.EXECUTIVE_APPEAL, case_id=CASE)
    one.at(199, "08:05", Kind.TICKET_REPLY, case_id=CASE, author="customer")  # nobody answers it
    return in_order(one)


def _wrong_again(one: Teller, day: int) -> None:
    """A wrong part arrives, the customer writes, and an agent answers within two days."""
    one.at(day, "12:00", Kind.PART_WRONG, case_id=CASE, part_id="jar-base-7", order_id="wp-o-1")
    one.at(day, "12:30", Kind.EMAIL, case_id=CASE, reason="wrong_part", resolved=False)
    one.at(day + 2, "11:00", Kind.TICKET_REPLY, case_id=CASE, author="agent")


STORY = Story(
    key="wrong_part_twice",
    title="The wrong part, twice",
    seed="S1: the wrong part twice, weeks each, then no parts at all and an upgrade at four times the price",
    days=230,
    tell=tell,
    endings={
        CUSTOMER: Ending(
            (
                Expected("service_failure_entered", "wrong_part_twice", offset_ms(188, "12:00")),
                Expected("service_failure_escalated", "promise_reversed", offset_ms(193, "10:00")),
                Expected("churn_risk_entered"),
                Expected("service_failure_escalated", "executive_appeal", offset_ms(199, "08:00")),
            ),
            never=VALUE_LABELS | {"service_failure_cleared", "churn_risk_cleared"},
        ),
    },
)
