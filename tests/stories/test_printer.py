"""S0: a printer sold below cost, a month in repair, and the same fault again."""

import pytest

from kernels.nets import awaited_cents
from schemas.policy import parse
from streams.stories import STORIES
from streams.stories.printer import CUSTOMER
from tests.driver import DAY, Driver
from tests.stories.telling import START_MS, on_days, tell


def test_the_repairs_are_told_and_the_loss_leader_is_not_held_against_the_customer() -> None:
    """A timer tells of the overdue repair, the link between repairs of the repeat; of value, silence."""
    assert on_days(tell("printer"), CUSTOMER) == [
        "service_failure_entered:repair_overdue on day 121",
        "service_failure_cleared on day 131",
        "service_failure_entered:repeat_fault on day 186",
        "service_failure_cleared on day 191",
    ]


def test_the_printer_was_sold_below_cost() -> None:
    """The story would prove nothing with a profitable printer."""
    sold = [fields for _, fields in STORIES["printer"].tell(0) if "margin_cents" in fields]
    assert min(fields["margin_cents"] for fields in sold) < 0


def owner(ink: bool, calls_from_day: int = 10**6, days: int = 330) -> Driver:
    """Whoever bought a printer far below cost; ink every month or none; a long call each week or none."""
    driver = Driver(now_ms=START_MS)
    driver.buys("purchase", amount_cents=7_900, margin_cents=-30_000, sku="printer-p")
    for day in range(1, days):
        driver.now_ms = START_MS + day * DAY
        if ink and day % 28 == 9:
            driver.buys("purchase", amount_cents=9_000, margin_cents=6_500, sku="ink-4")
        if day >= calls_from_day and day % 7 == 3:
            driver.support("call_closed", reason="how_to", handle_ms=420_000)
        driver.run()
    return driver


def value_of(driver: Driver) -> list[str]:
    """What was said of the customer's value, each with its day."""
    return [one for one in on_days(driver, "C1") if one.startswith("value")]


def test_a_printer_is_an_investment_while_its_ink_is_bought() -> None:
    """Weekly questions and a large loss at the till: the ink pays for both, and nobody is judged meanwhile."""
    assert value_of(owner(ink=True, calls_from_day=1)) == []


def test_a_printer_without_ink_is_judged_in_time_but_not_in_its_first_months() -> None:
    """One who never buys ink and calls weekly may be judged, as soon as there is proof."""
    told = value_of(owner(ink=False, calls_from_day=1))
    assert told[0].startswith("value_destroyer_entered")
    assert int(told[0].split()[-1]) >= 120


def test_a_printer_alone_makes_nobody_a_burden() -> None:
    """Bought, never heard of again: no contacts, no label."""
    assert value_of(owner(ink=False)) == []


@pytest.mark.parametrize(("idle_days", "awaited"), [(0, 30_000), (90, 15_000), (179, 167), (180, 0)])
def test_the_loss_is_charged_by_the_days_without_supplies(idle_days: int, awaited: int) -> None:
    """Half of the window without ink: half of the loss counts; when it is over, all of it."""
    driver = Driver(now_ms=START_MS)
    driver.buys("purchase", amount_cents=7_900, margin_cents=-30_000)
    driver.wait(days=1)
    row = driver.pipelines[0].settled_rows()[b"C1"][0]
    day = START_MS // DAY + idle_days
    assert awaited_cents(row, day, parse("").record[0]) == awaited
