"""S3: a thousand contracts. One bad release, a thousand customers cross in an hour, and nobody is judged."""

from collections import Counter

import pytest

from schemas.alerts import Alert
from streams.intake import Clock
from tests.driver import DAY, HOUR, MINUTE, PURCHASES, SUPPORT, Driver
from tests.stories.telling import START_MS

CUSTOMERS = 1_000
BAD_RELEASE = {"sku": "app-7.2", "reason": "cannot log in"}
OPEN_BREAKER = """
[breaker]
wait_minutes = 0
entries_per_hour = 1000000
entries_per_day = 1000000
least_entries = 1000000
same_cause = 1000000
churn_least_entries = 1000000
"""
"""A breaker that never trips: what the judge says by itself."""


def regulars(driver: Driver, count: int = CUSTOMERS) -> list[str]:
    """Customers who buy every three weeks, until today."""
    names = [f"C{number}" for number in range(count)]
    for day in range(0, 84, 21):
        driver.now_ms = START_MS + day * DAY
        for name in names:
            driver.send(PURCHASES, "purchase", name, amount_cents=9_000, margin_cents=3_000)
        driver.run()
    return names


def bad_release(driver: Driver, names: list[str]) -> None:
    """In half an hour each of them asks for help, is refused, is insulted, and wants to leave."""
    for number, name in enumerate(names):
        at_ms = driver.now_ms + number * 30 * MINUTE // len(names)
        driver.send(SUPPORT, "chat", name, at_ms, case_id=f"T-{name}", resolved=False, **BAD_RELEASE)
        driver.send(SUPPORT, "escalation_denied", name, at_ms, case_id=f"T-{name}")
        driver.send(SUPPORT, "rude_call", name, at_ms, observer="qa")
        driver.send(SUPPORT, "cancel_request", name, at_ms)
    driver.now_ms += 30 * MINUTE
    driver.run()


def dear_callers(driver: Driver, count: int = CUSTOMERS, days: int = 121) -> None:
    """Customers who call at length every week and bring nothing; all are judged at the same period's end."""
    for day in range(0, days, 7):
        driver.now_ms = START_MS + day * DAY
        for number in range(count):
            driver.send(SUPPORT, "call_closed", f"C{number}", reason="how_to", handle_ms=900_000)
        driver.run()


def entered(alerts: list[Alert]) -> Counter[str]:
    return Counter(alert.kind for alert in alerts if alert.kind.endswith("_entered"))


def test_one_incident_takes_the_place_of_two_thousand_alerts() -> None:
    """At most nine go out before one incident holds the rest; a person lets them go, and all are there."""
    driver, free = Driver(now_ms=START_MS), Driver(now_ms=START_MS, policy=OPEN_BREAKER)
    for one in (driver, free):
        bad_release(one, regulars(one))
    out = entered(driver.alerts)
    assert set(out) == {"service_failure_entered", "churn_risk_entered"}
    assert 0 < sum(out.values()) <= 9
    (incident,) = driver.latest().values()
    assert (incident.kind, incident.cause) == ("common_cause", "product app-7.2, reason cannot log in")
    assert (incident.limit, incident.allowed, incident.partition) == ("same_cause", 9, 0)
    assert len(driver.alerts) + incident.count == len(free.alerts)
    assert len(incident.customers) == 5
    assert incident.released_ms is None
    assert all(alert.held and alert.incident_id == incident.incident_id for alert in driver.held)

    driver.crash()
    driver.wait(hours=1)
    late = driver.send(SUPPORT, "chat", "late", case_id="T", resolved=False, **BAD_RELEASE)
    assert late
    assert driver.support("rude_call", "late", observer="qa") == [], "tripped it stays, also after a restart"
    released = driver.release(incident.incident_id, "jo", "release 7.2 is withdrawn")
    assert {alert.alert_id for alert in driver.alerts} >= {alert.alert_id for alert in free.alerts}
    assert [alert.alert_id for alert in released] == [alert.alert_id for alert in driver.held]
    assert all(not alert.held and alert.incident_id == incident.incident_id for alert in released)
    assert driver.kept() == []
    closed = driver.latest()[incident.incident_id]
    assert (closed.released_by, closed.released_because) == ("jo", "release 7.2 is withdrawn")
    assert entered(driver.support("rude_call", "later", observer="qa")) == {"service_failure_entered": 1}


@pytest.mark.parametrize("partitions", [1, 4])
def test_nobody_is_judged_when_a_thousand_cross_at_once(partitions: int) -> None:
    """A thousand labels in an hour: not one goes out, because each waits until the wave can be seen."""
    driver = Driver(now_ms=START_MS, partitions=partitions)
    free = Driver(now_ms=START_MS, partitions=partitions, policy=OPEN_BREAKER)
    for one in (driver, free):
        dear_callers(one)
        one.wait(days=5)
    labels = [alert for alert in free.alerts if alert.kind == "value_destroyer_entered"]
    assert len(labels) == CUSTOMERS
    assert not [alert for alert in driver.alerts if alert.kind.startswith("value_destroyer")]
    incidents = driver.latest().values()
    assert {(one.kind, one.limit) for one in incidents} == {("value_destroyer", "share_per_hour")}
    assert sum(one.count for one in incidents) == CUSTOMERS
    assert len(incidents) == partitions
    for one in incidents:
        driver.release(one.incident_id)
    assert {one.alert_id for one in driver.alerts} == {one.alert_id for one in free.alerts}


def test_a_few_labels_wait_an_hour_and_go_out() -> None:
    """A small base does not trip on its first entries; whoever is judged is heard of an hour later."""
    driver = Driver(now_ms=START_MS)
    dear_callers(driver, 5)
    driver.wait(days=5)
    assert driver.latest() == {}
    mine = [alert for alert in driver.alerts if alert.kind == "value_destroyer_entered"]
    assert len(mine) == 5
    out_at = next(outcome.ticks[-1] for outcome in driver.outcomes if any(one in outcome.alerts for one in mine))
    assert out_at >= mine[0].ts_ms + HOUR
    produced = [alert for outcome in driver.outcomes for alert in outcome.produced]
    assert {one.alert_id for one in produced} == {one.alert_id for one in driver.alerts}


def test_different_troubles_are_no_wave() -> None:
    """Negative control: as many customers in the same hour, each with a trouble of their own, are all heard."""
    driver = Driver(now_ms=START_MS)
    for number in range(40):
        name = f"C{number}"
        driver.send(SUPPORT, "chat", name, case_id="T", resolved=False, reason=f"reason {number}")
        driver.send(SUPPORT, "rude_call", name, observer="qa")
    driver.run()
    assert entered(driver.alerts) == {"service_failure_entered": 40}
    assert driver.latest() == {}


def test_a_known_fault_is_the_cause_whatever_was_asked() -> None:
    """Customers under one open fault belong together, though each calls about something else."""
    driver = Driver(now_ms=START_MS)
    for number in range(20):
        name = f"C{number}"
        driver.send(SUPPORT, "fault_opened", name, fault_id="F-7", sku="app")
        driver.send(SUPPORT, "chat", name, case_id="T", resolved=False, reason=f"reason {number}")
        driver.send(SUPPORT, "rude_call", name, observer="qa")
    driver.run()
    assert entered(driver.alerts) == {"service_failure_entered": 9}
    assert [one.cause for one in driver.latest().values()] == ["known fault F-7"]


def test_what_is_put_right_meanwhile_is_told_in_order() -> None:
    """A failure that is held and made good leaves with its release: first the one, then the other."""
    driver = Driver(now_ms=START_MS)
    for number in range(10):
        driver.send(SUPPORT, "chat", f"C{number}", case_id="T", resolved=False, **BAD_RELEASE)
        driver.send(SUPPORT, "rude_call", f"C{number}", observer="qa")
    driver.run()
    driver.wait(hours=1)
    driver.send(SUPPORT, "ticket_resolved", "C9", case_id="T")
    driver.run()
    driver.wait(hours=1)
    assert driver.kinds("C9") == []
    driver.crash()
    driver.release("common_cause-0-1")
    assert driver.kinds("C9") == ["service_failure_entered:rude_call", "service_failure_cleared"]


def test_an_imported_past_is_a_report() -> None:
    """A year of history read at once is told as one incident that a person may leave; what comes now is heard."""
    driver = Driver(now_ms=START_MS + 300 * DAY)
    for day in range(0, 121, 7):
        for number in range(8):
            at_ms = START_MS + day * DAY
            driver.send(SUPPORT, "call_closed", f"C{number}", at_ms, reason="how_to", handle_ms=900_000)
    driver.run()
    driver.wait(days=2)
    report = driver.latest()["initial-0-1"]
    assert entered(driver.held)["value_destroyer_entered"] == 8
    assert all(alert.initial for alert in driver.held)
    assert report.count == len(driver.held)
    assert driver.alerts == []
    driver.support("rude_call", "C1", observer="qa")
    assert driver.kinds("C1") == ["service_failure_entered:rude_call"]
    driver.release("initial-0-1")
    assert all(alert.initial for alert in driver.alerts if alert.incident_id == "initial-0-1")


@pytest.mark.parametrize(
    ("clock", "policy", "held"),
    [(Clock.WALL, "", True), (Clock.SOURCE, "", False), (Clock.WALL, "[breaker]\ninitial_days = 0\n", False)],
    ids=["the wall's clock", "a recording", "switched off"],
)
def test_only_the_walls_clock_knows_a_past(clock: Clock, policy: str, held: bool) -> None:
    """Where the ledger's time is a recording's, or nobody wants a report, an old event is an event."""
    driver = Driver(now_ms=START_MS + 300 * DAY, policy=policy, clock=clock)
    for day in range(0, 121, 7):
        at_ms = START_MS + day * DAY
        driver.send(SUPPORT, "call_closed", "C1", at_ms, reason="how_to", handle_ms=900_000)
    for days in (110, 125):
        driver.progress(START_MS + days * DAY)
        driver.run()
    assert ("value_destroyer_entered" in entered(driver.held)) is held
    assert ("value_destroyer_entered" in driver.kinds("C1")) is not held
