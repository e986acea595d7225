"""A defect nobody claimed, a review as its only trace, and a replacement that nobody asked for."""

from schemas.codes import Kind
from streams.stories.teller import VALUE_LABELS, Ending, Expected, Story, Teller, Told, in_order, offset_ms

CUSTOMER = "story-silent-replacement"


def tell(start_ms: int) -> list[Told]:
    """A regular buyer, a cheery request for a review, an honest answer, a parcel, and many more orders."""
    one = Teller(CUSTOMER, start_ms)
    one.buys((0, 15, 29, 46), "20:10", 3_200, 1_100, "kitchen-ware")
    one.at(50, "19:30", Kind.PURCHASE, amount_cents=2_400, margin_cents=900, sku="lamp-s", order_id="sr-o-5")
    one.at(56, "08:00", Kind.CONTACT_SENT, purpose="review_ask")
    one.at(57, "21:15", Kind.REVIEW, stars=1, defect=True, sku="lamp-s", order_id="sr-o-5")
    one.at(59, "10:00", Kind.FREE_REPLACEMENT, cost_cents=1_500, sku="lamp-s")
    one.buys(range(66, 286, 15), "20:10", 3_200, 1_100, "kitchen-ware")
    return in_order(one)


STORY = Story(
    key="silent_replacement",
    title="The replacement nobody asked for",
    seed="S2: claiming would cost more than the item, so a bad review is the defect's only trace",
    days=290,
    tell=tell,
    endings={
        CUSTOMER: Ending(
            (
                Expected("service_failure_entered", "defect_review", offset_ms(57, "21:15")),
                Expected("service_failure_cleared", None, offset_ms(59, "10:00")),
            ),
            never=VALUE_LABELS | {"churn_risk_entered"},
            at_most=2,
        ),
    },
)
