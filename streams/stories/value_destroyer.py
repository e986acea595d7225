"""Eight periods of long calls and tiny orders, and a twin whose equally dear calls the company causes."""

from schemas.codes import Kind
from streams.stories.teller import Ending, Expected, Story, Teller, Told, in_order

CUSTOMER = "story-value-destroyer"
TWIN = "story-value-destroyer-twin"
PERIOD_DAYS = 28
COSTLY_PERIODS = 8
GOOD_PERIODS = 2
CALL_MS = 8 * 60_000
"""Eight minutes: 200 + 8 x 75 = 800 cents a call, six calls a period, against 400 cents of margin."""


def _costly(one: Teller, periods: int) -> None:
    """A small order and six long, friendly calls in each period."""
    for period in range(periods):
        first = period * PERIOD_DAYS
        one.at(first + 3, "10:00", Kind.PURCHASE, amount_cents=2_000, margin_cents=400, sku="cable")
        for call in range(6):
            day = first + 1 + call * 4
            one.at(day, "15:00", Kind.CALL_CLOSED, handle_ms=CALL_MS, resolved=True, reason="how_to_use")


def tell(start_ms: int) -> list[Told]:
    """After eight periods a guide is offered: the same questions answered alone, and real orders."""
    one, twin = Teller(CUSTOMER, start_ms), Teller(TWIN, start_ms)
    twin.at(0, "09:00", Kind.FAULT_OPENED, fault_id="fault-manual-missing", sku="cable")
    _costly(one, COSTLY_PERIODS)
    _costly(twin, COSTLY_PERIODS + GOOD_PERIODS)
    for period in range(COSTLY_PERIODS, COSTLY_PERIODS + GOOD_PERIODS):
        first = period * PERIOD_DAYS
        for visit in range(6):
            one.at(first + 1 + visit * 4, "15:00", Kind.SELF_SERVICE, reason="how_to_use")
        one.buys((first + 5, first + 16), "10:00", 64_000, 16_000, "studio-set")
    return in_order(one, twin)


STORY = Story(
    key="value_destroyer",
    title="Costs above margin, and back",
    seed="S4: maintenance fees could not compensate; realign by self-service before anything else",
    days=(COSTLY_PERIODS + GOOD_PERIODS + 1) * PERIOD_DAYS,
    tell=tell,
    endings={
        CUSTOMER: Ending(
            (Expected("value_destroyer_entered"), Expected("value_destroyer_cleared")),
            never=frozenset({"value_destroyer_escalated"}),
        ),
        TWIN: Ending((Expected("fix_the_cause_entered"),), at_most=1),
    },
)
