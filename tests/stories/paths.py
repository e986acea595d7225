"""Take the way an alert says would clear it, as real events and real time."""

from __future__ import annotations

from typing import Any

from schemas.alerts import Alert, Step
from schemas.codes import ALERT_NAMES
from tests.driver import HOUR, MINUTE, Driver, feed
from tests.oracle.hashing import of_text

TOLERANCE_MS = 2 * HOUR
"""Days are rounded up to whole ones; a tick that falls due at their very end comes with the next progress."""

Events = list[tuple[str, dict[str, Any]]]


def at_alert(events: Events, alert: Alert, start_ms: int, policy: str = "") -> Driver:
    """A driver that has lived through the events up to the alert, and not a moment longer."""
    driver = Driver(now_ms=start_ms, policy=policy)
    feed(driver, [one for one in events if one[1]["ts_ms"] <= alert.ts_ms])
    driver.now_ms = max(driver.now_ms, alert.ts_ms)
    driver.wait(minutes=0.5)
    return driver


def names(events: Events) -> dict[str, str]:
    """Texts of cases and faults by their digests."""
    keys = ("case_id", "fault_id", "repeat_of_case_id")
    texts = {fields[key] for _, fields in events for key in keys if key in fields}
    return {f"{of_text(text.encode()):016x}": text for text in texts}


def take(driver: Driver, alert: Alert, steps: tuple[Step, ...], texts: dict[str, str]) -> None:
    """Let each step happen to the alert's customer."""
    who = alert.customer_id
    for step in steps:
        if step.change == "quiet":
            driver.wait(days=step.amount)
            continue
        driver.now_ms += MINUTE
        case = {"case_id": texts[step.case_digest]} if step.case_digest else {}
        new = {"event_id": f"step-{driver.now_ms}"}
        if step.change in {"settle_case", "make_callback", "end_repair", "open_fault"}:
            kind = {"settle_case": "ticket_resolved", "make_callback": "callback_made", "end_repair": "repair_out"}
            driver.support(kind.get(step.change, "fault_opened"), who, **(case or _fault(step)), **new)
        elif step.change == "name_cause":
            driver.support("ticket_reply", who, author="agent", cause="company", **case, **new)
        elif step.change == "answer_appeal":
            driver.support("escalation_granted", who, **new)
        elif step.change == "thank_referrer":
            driver.buys("referral_credit", who, **new)
        elif step.change == "referral_ask":
            driver.support("contact_sent", who, purpose="referral_ask", **new)
        elif step.change == "recovery":
            driver.buys("credit", who, amount_cents=2_000, **new)
        elif step.change == "margin":
            driver.buys("purchase", who, amount_cents=step.amount, margin_cents=step.amount, **new)
        else:
            assert step.change == "purchase", step
            row = driver.row(who)
            mean = row["spent_cents"] // max(1, row["purchases"])
            driver.buys("purchase", who, amount_cents=mean, **new)


def _fault(step: Step) -> dict[str, str]:
    return {"fault_id": "F-new"} if step.change == "open_fault" else {}


def cleared(driver: Driver, alert: Alert) -> bool:
    """Whether the episode of the alert has come to its end."""
    machine = max((name for name in ALERT_NAMES.values() if alert.kind.startswith(name)), key=len)
    return any(
        one.kind == f"{machine}_cleared" and one.episode == alert.episode and one.customer_id == alert.customer_id
        for one in produced(driver)
    )


def produced(driver: Driver) -> list[Alert]:
    """Every alert that was made, those that wait for a wave to show itself too."""
    return [alert for outcome in driver.outcomes for alert in outcome.produced]


def settle(driver: Driver) -> None:
    """The tolerance passes."""
    driver.wait(minutes=TOLERANCE_MS / MINUTE)
