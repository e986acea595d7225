"""S2: a defect nobody reported, a bad review, and a replacement nobody had to ask for."""

from streams.stories.silent_replacement import CUSTOMER
from tests.driver import told
from tests.stories.telling import on_days, tell


def test_the_review_is_heard_and_the_replacement_makes_it_good() -> None:
    """No ticket at all: the review alone raises it, the unasked replacement clears it."""
    assert on_days(tell("silent_replacement"), CUSTOMER) == [
        "service_failure_entered:defect_review on day 57",
        "service_failure_cleared on day 59",
    ]


def test_the_action_is_the_replacement() -> None:
    """The alert asks for exactly what won the customer back."""
    alert = next(one for one in tell("silent_replacement").alerts if told(one).endswith(":defect_review"))
    assert alert.actions == ("send_replacement_without_asking",)


def test_recovery_lowers_the_risk_but_the_memory_stays() -> None:
    """Trust is partly restored: recovery counts, the review's evidence fades slowly and is not erased."""
    driver = tell("silent_replacement")
    review, recovery = (driver.row(CUSTOMER)["evidence"][at] for at in (5, 6))
    assert 0 < review < 1
    assert 0 < recovery < 1
