"""S4: one fault behind many calls. The alerts are cases of one problem, and one line says what it costs."""

from streams.whale import of_insights
from tests.driver import DAY, Driver

ROUTER = {"sku": "router-x", "reason": "link_down"}


def lived_with(customers: int) -> Driver:
    """Each customer buys, calls twice for the same thing, and waits for an answer that does not come."""
    driver = Driver()
    for number in range(customers):
        name = f"C{number}"
        driver.buys("purchase", name, amount_cents=20_000, margin_cents=6_000, sku="router-x")
        driver.support("ticket_opened", name, case_id=f"T{number}", **ROUTER)
        driver.support("call_closed", name, case_id=f"T{number}", handle_ms=600_000, resolved=False, **ROUTER)
    driver.wait(days=4)
    return driver


def test_the_alerts_are_cases_of_one_problem() -> None:
    """Every unanswered ticket is told with the same problem, under which a desk may group them."""
    driver = lived_with(5)
    assert [alert.moment for alert in driver.alerts] == ["ticket_unanswered"] * 5
    assert {alert.problem for alert in driver.alerts} == {"sku router-x, reason link_down"}
    _, (problem,) = of_insights(driver.insights)
    assert {alert.problem_id for alert in driver.alerts} == {problem.problem_id}
    assert (problem.sku, problem.reason, problem.customers, problem.open_customers) == (
        "router-x",
        "link_down",
        5,
        5,
    )
    assert problem.failures == ("unanswered",)
    assert problem.cost_cents == 5 * (200 + 75 * 10)
    assert problem.at_risk_cents > 0


def test_a_moment_of_no_case_belongs_to_no_problem() -> None:
    """Negative control: rudeness is nobody's router, whatever else is open."""
    driver = lived_with(1)
    (alert,) = driver.support("rude_call", "C0", observer="qa")
    assert (alert.problem_id, alert.problem) == (None, None)


def test_calls_that_name_no_case_still_cost_the_fault_they_are_about() -> None:
    """Thirty-five calls on one open fault: their cost stands under the fault."""
    driver = Driver()
    driver.support("fault_opened", fault_id="F", sku="router-x")
    for _ in range(35):
        driver.wait(minutes=10)
        driver.support("call_closed", handle_ms=420_000, resolved=False)
    driver.now_ms += DAY
    driver.run()
    _, (problem,) = of_insights(driver.insights)
    assert (problem.fault_id, problem.customers) == ("F", 1)
    assert problem.cost_cents == 35 * (200 + 75 * 7)


def test_fixing_the_cause_names_the_dearest_problem() -> None:
    """Where we made the year a loss, the alert says what to fix."""
    driver = Driver()
    driver.support("part_wrong", case_id="A", sku="lamp")
    for _ in range(8):
        driver.wait(hours=1)
        driver.support("call_closed", case_id="B", handle_ms=900_000, resolved=False, **ROUTER)
    found = [alert for alert in driver.alerts if alert.kind == "fix_the_cause_entered"]
    assert [alert.problem for alert in found] == ["sku router-x, reason link_down"]
