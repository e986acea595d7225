"""S4: costs above margin, shown by months of evidence, and left again."""

from streams.stories.value_destroyer import CUSTOMER, TWIN
from tests.stories.telling import on_days, tell


def test_the_state_is_entered_on_proof_and_left_when_the_proof_is_gone() -> None:
    """Months before the label, not a day; self-service and real orders end it."""
    assert on_days(tell("value_destroyer"), CUSTOMER) == [
        "value_destroyer_entered on day 121",
        "value_destroyer_cleared on day 260",
    ]


def test_the_twin_with_a_fault_of_ours_is_never_judged() -> None:
    """The very same calls, made because a manual is missing: we are told to fix it, nobody is labelled."""
    assert on_days(tell("value_destroyer"), TWIN) == ["fix_the_cause_entered on day 29"]


def test_the_alert_carries_the_money_by_fault() -> None:
    """Margin, cost by fault, contacts; what the company caused counts for nothing."""
    alert = next(one for one in tell("value_destroyer").alerts if one.customer_id == CUSTOMER)
    by_name = {one.name: one for one in alert.evidence}
    assert set(by_name) == {
        *("margin", "cost_company", "cost_customer", "cost_shared", "cost_unknown", "contacts"),
        *("revenue", "reach"),
    }
    assert by_name["cost_company"].contribution == 0
    assert alert.p_negative_ppm >= 950_000
    assert alert.company_share_ppm < 500_000
    assert alert.actions[0] == "self_service_shift"
