"""S0: a printer sold below cost, a month in repair, and the same fault again."""

from streams.stories import STORIES
from streams.stories.printer import CUSTOMER
from tests.stories.telling import on_days, tell


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
