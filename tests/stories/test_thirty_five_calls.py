"""S4: thirty-five calls in a day, for a fault that is ours."""

from streams.stories.thirty_five_calls import CUSTOMER
from tests.driver import DAY, HOUR, Driver
from tests.stories.telling import START_MS, on_days, tell


def test_one_alert_for_thirty_five_calls() -> None:
    """The burst is told once, not thirty-five times, and ends with the fault; a best customer is protected."""
    assert on_days(tell("thirty_five_calls"), CUSTOMER) == [
        "service_failure_entered:contact_burst on day 92",
        "vulnerable_best_customer_entered on day 92",
        "service_failure_cleared on day 94",
        "vulnerable_best_customer_cleared on day 100",
    ]


def test_the_calls_are_booked_to_us() -> None:
    """A known fault of ours is open, so not a cent of the calls is the customer's or unknown."""
    row = tell("thirty_five_calls").row(CUSTOMER)
    company, customer, _, unknown = row["life_cost_cents"]
    assert company > 35 * 200
    assert (customer, unknown) == (0, 0)


def test_months_of_such_days_never_make_a_value_destroyer() -> None:
    """Thirty-five calls a day for half a year on one open fault of ours: nobody is judged for it."""
    driver = Driver(now_ms=START_MS)
    driver.support("fault_opened", fault_id="F")
    for day in range(0, 180, 9):
        for call in range(35):
            driver.now_ms = START_MS + day * DAY + call * HOUR // 2
            driver.support("call_closed", handle_ms=600_000)
    driver.wait(days=40)
    assert not any(kind.startswith("value_destroyer") for kind in driver.kinds())


def test_the_same_calls_without_a_fault_of_ours_do() -> None:
    """Negative control: the very same calls, ordinary and explained, enter the state."""
    driver = Driver(now_ms=START_MS)
    for day in range(0, 180, 9):
        for call in range(35):
            driver.now_ms = START_MS + day * DAY + call * HOUR // 2
            driver.support("call_closed", handle_ms=600_000, reason="how_to")
    driver.wait(days=40)
    assert "value_destroyer_entered" in driver.kinds()
