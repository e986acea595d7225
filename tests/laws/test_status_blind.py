"""Tier, fame and name change nothing: what nobody may be judged by leaves rows and alerts as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from schemas.state import CUSTOMER
from tests.driver import DAY, HOUR, Driver, feed
from tests.worlds import START_MS, world

NAMES = ("line", "offer_rival", "reference_digest")
"""Row fields that hold names, or digests of events, which carry the customer's."""
SERVED_BY = ("floor", "skill")
"""Row fields that say who serves the customer: they choose an alert's owner, and nothing of what it says."""


def told_otherwise(fields: dict[str, Any]) -> dict[str, Any]:
    """The same event of a customer of another name, on another floor, by another agent, of another brand."""
    out = {**fields, "customer_id": "The-Famous-" + fields["customer_id"], "floor": "platinum", "skill": "vip"}
    out["agent_id"] = "star-agent"
    if "competitor" in fields:
        out["competitor"] = "famous-" + fields["competitor"]
    if "product_line" in fields:
        out["product_line"] = "luxury-" + fields["product_line"]
    return out


def judged(events: list[tuple[str, dict[str, Any]]]) -> tuple[list[bytes], list[dict[str, Any]]]:
    """Rows (names blanked) and alerts (ids and who they go to left out), both in the order of customers."""
    driver = Driver(now_ms=START_MS)
    feed(driver, events)
    driver.wait(days=10)
    rows = []
    for _, row in sorted(driver.pipelines[0].settled_rows().items()):
        blanked = row.copy()
        for name in NAMES:
            blanked[name] = np.where(row[name] != 0, 1, 0)
        for name in SERVED_BY:
            blanked[name] = 0
        rows.append(blanked.tobytes())
    alerts = []
    for alert in driver.alerts:
        told = alert.as_map()
        told["customer_id"] = told["customer_id"].removeprefix("The-Famous-")
        del told["alert_id"], told["owner"], told["skill"]
        for one in told["evidence"]:
            one["event_digests"] = len(one["event_digests"])
        alerts.append(told)
    return rows, alerts


@pytest.mark.parametrize("seed", range(4))
def test_name_floor_agent_and_brand_change_nothing(seed: int) -> None:
    """Byte for byte the same rows and, but for ids and owners, the same alerts."""
    events = world(seed, 300, customers=4, span_days=150, disorder_ms=HOUR)
    plain = judged(events)
    assert judged([(topic, told_otherwise(fields)) for topic, fields in events]) == plain
    assert plain[1]


def test_the_comparison_sees_what_may_count() -> None:
    """Negative control: one event that says something about conduct does change the judgement."""
    events = world(7, 100, customers=2, span_days=60)
    other = [*events]
    topic, fields = events[-1]
    at_ms = fields["ts_ms"] + DAY
    rude = {"kind": "rude_call", "observer": "qa", "ts_ms": at_ms, "customer_id": fields["customer_id"]}
    other.append(("support", {**rude, "event_id": "rude"}))
    assert topic in {"support", "purchases"}
    assert judged(other)[0] != judged(events)[0]
    assert "line" in (CUSTOMER.names or ())
