"""S1: the wrong part twice, then no parts, then a dearer product as the only remedy."""

from streams.stories.wrong_part_twice import CASE, CUSTOMER
from tests.stories.telling import on_days, tell


def test_the_second_wrong_part_is_told_and_the_rest_climbs() -> None:
    """One wrong part is a mishap, two are a failure of ours; each further wrong of a new kind is heard."""
    assert on_days(tell("wrong_part_twice"), CUSTOMER) == [
        "service_failure_entered:wrong_part_twice on day 188",
        "service_failure_escalated:promise_reversed on day 193",
        "churn_risk_entered on day 193",
        "service_failure_escalated:upsell_as_remedy on day 193",
        "service_failure_escalated:contact_during_failure on day 194",
        "service_failure_escalated:third_contact on day 195",
        "churn_risk_escalated on day 195",
        "service_failure_escalated:escalation_denied on day 195",
        "service_failure_escalated:ticket_unanswered on day 198",
        "service_failure_escalated:executive_appeal on day 199",
        "service_failure_escalated:appeal_unanswered on day 201",
    ]


def test_what_it_cost_is_ours() -> None:
    """The parts and the third attempt by call are booked to the company, so nobody calls her a burden."""
    driver = tell("wrong_part_twice")
    company, customer, _, unknown = driver.row(CUSTOMER)["life_cost_cents"]
    assert company > 0
    assert (customer, unknown) == (0, 0)


def test_the_alert_says_what_to_do_and_what_would_clear_it() -> None:
    """A supervisor, a part checked by hand; the evidence points at the wrong parts by their events."""
    alert = next(one for one in tell("wrong_part_twice").alerts if one.moment == "wrong_part_twice")
    assert alert.actions == ("escalate_to_supervisor", "verify_part_before_shipping")
    assert any("open case" in one for one in alert.clears_when)
    parts = next(one for one in alert.evidence if one.unit == "decayed count" and one.name == "wrong_part")
    assert len(parts.event_digests) == 2
    assert CASE not in alert.to_json()
