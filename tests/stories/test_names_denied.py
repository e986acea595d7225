"""S4: a supervisor, an ID and a name are refused; whoever asks who they speak to has a right to know."""

from __future__ import annotations

from streams.words import in_words
from tests.driver import DAY, Driver
from tests.oracle.hashing import of_event
from tests.stories.telling import START_MS


def refused(kind: str) -> Driver:
    """A regular buyer calls, and is refused something."""
    driver = Driver(now_ms=START_MS)
    for day in (0, 20, 40, 60):
        driver.now_ms = START_MS + day * DAY
        driver.buys("purchase", amount_cents=9_000)
    driver.wait(minutes=1)
    driver.support(kind, case_id="T", agent_id="agent-17", event_id="denied-1")
    return driver


def test_a_refused_name_is_told_as_what_it_is() -> None:
    """The alert says so, asks for an apology by somebody with a name, and does not name the agent."""
    driver = refused("identity_refused")
    assert driver.kinds() == ["service_failure_entered:identity_refused"]
    alert = driver.alerts[0]
    assert alert.actions == ("apologise_in_person", "single_owner")
    assert in_words(alert).title == "C1: we failed: an agent would not give a name"
    assert "agent-17" not in alert.to_json()
    felt = next(one for one in alert.evidence if one.name == "escalation_denied")
    assert felt.event_digests == (f"{of_event(False, b'C1', b'denied-1'):016x}",)


def test_it_weighs_as_a_refused_supervisor_does() -> None:
    """The same conduct: the same risk."""
    name, supervisor = refused("identity_refused"), refused("escalation_denied")
    assert name.alerts[0].risk_ppm == supervisor.alerts[0].risk_ppm
    assert name.row()["evidence"] == supervisor.row()["evidence"]


def test_an_apology_and_a_settled_case_put_it_right() -> None:
    """The next day somebody with a name takes over."""
    driver = refused("identity_refused")
    driver.wait(days=1)
    driver.support("escalation_granted", case_id="T")
    driver.support("ticket_resolved", case_id="T")
    assert driver.kinds()[-1] == "service_failure_cleared"
