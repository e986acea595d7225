"""S4: a long-standing customer, and thirty rude seconds."""

from streams.stories.thirty_seconds import CUSTOMER
from tests.stories.telling import on_days, tell


def test_thirty_seconds_reach_the_floor_at_once() -> None:
    """One call is enough to be heard of as what it is, and a granted escalation makes it good."""
    assert on_days(tell("thirty_seconds"), CUSTOMER) == [
        "service_failure_entered:rude_call on day 88",
        "vulnerable_best_customer_entered on day 88",
        "service_failure_cleared on day 89",
        "vulnerable_best_customer_cleared on day 96",
        # And nobody asks for a referral later: the customer has said no good word of us since.
    ]


def test_the_ninety_day_risk_is_not_bent_for_it() -> None:
    """The failure is told; the risk stays what the evidence says, far from the border."""
    alert = tell("thirty_seconds").alerts[0]
    assert 10_000 < alert.risk_ppm < 200_000
