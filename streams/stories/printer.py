"""A printer sold below cost, ink that earns it back, a month in repair, and the same fault again."""

from schemas.codes import Kind
from streams.stories.teller import Ending, Expected, Story, Teller, Told, in_order, offset_ms

CUSTOMER = "story-printer"
SKU = "printer-p"
IN_REPAIR, BACK, AGAIN = 100, 131, 186
WARRANTY = 180
OVERDUE = IN_REPAIR + 21


def tell(start_ms: int) -> list[Told]:
    """A loss at the till, margin month by month, and a warranty that ends six days too early."""
    one = Teller(CUSTOMER, start_ms)
    warranty_ms = start_ms + offset_ms(WARRANTY)
    one.at(
        0,
        "11:00",
        Kind.PURCHASE,
        amount_cents=7_900,
        margin_cents=-3_500,
        sku=SKU,
        warranty_end_ms=warranty_ms,
    )
    one.buys((9, 30, 52, 75, 96), "19:00", 3_600, 2_100, "ink-4")
    first = {"case_id": "pr-case-1", "sku": SKU}
    one.at(IN_REPAIR, "10:00", Kind.REPAIR_IN, warranty_end_ms=warranty_ms, **first)
    one.at(BACK, "15:00", Kind.REPAIR_OUT, cost_cents=4_200, **first)
    one.at(BACK, "15:05", Kind.TICKET_RESOLVED, case_id="pr-case-1")
    one.buys((134, 157, 178), "19:00", 3_600, 2_100, "ink-4")
    again = {"case_id": "pr-case-2", "sku": SKU}
    one.at(AGAIN, "10:00", Kind.REPAIR_IN, warranty_end_ms=warranty_ms, **again)
    # Out of warranty by a few days, and yet the same fault: repaired on the house, and quickly.
    one.at(AGAIN + 5, "15:00", Kind.REPAIR_OUT, cost_cents=4_200, **again)
    one.at(AGAIN + 5, "15:05", Kind.TICKET_RESOLVED, case_id="pr-case-2")
    one.buys(range(AGAIN + 9, 255, 21), "19:00", 3_600, 2_100, "ink-4")
    return in_order(one)


STORY = Story(
    key="printer",
    title="The printer sold at a loss",
    seed="S0: margin comes from the ink; a month in repair; the same fault again just out of warranty",
    days=260,
    tell=tell,
    endings={
        CUSTOMER: Ending(
            (
                # Older than the limit: the first whole hour after it.
                Expected("service_failure_entered", "repair_overdue", offset_ms(OVERDUE, "11:00")),
                Expected("service_failure_cleared", None, offset_ms(BACK, "15:05")),
                Expected("service_failure_entered", "repeat_fault", offset_ms(AGAIN, "10:00")),
                Expected("service_failure_cleared", None, offset_ms(AGAIN + 5, "15:05")),
            )
        ),
    },
)
