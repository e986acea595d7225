"""The driver, and what our own tests do with it beside: feeding it a history, killing it again and again."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from schemas.codec import encode
from streams.driver import DAY, HOUR, MINUTE, NOON, PURCHASES, SUPPORT, TOPIC_IDS, Driver, told
from streams.pipeline import Pipeline, Record

__all__ = [
    "DAY", "HOUR", "MINUTE", "NOON", "PURCHASES", "SUPPORT", "TOPIC_IDS",
    "Driver", "crashed", "feed", "source_id", "told",
]  # fmt: skip


def feed(driver: Driver, events: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Let each event happen at its own time: ("support" | "purchases", fields with ``ts_ms``), in order."""
    for topic, fields in events:
        driver.now_ms = max(driver.now_ms, fields["ts_ms"])
        value = encode(fields)
        driver.send_bytes(SUPPORT if topic == "support" else PURCHASES, fields["customer_id"].encode(), value)
        driver.run()


def crashed(ledger: Sequence[Record], crashes: Iterable[int], **how: Any) -> Driver:
    """A driver that has judged the ledger, killed again and again: after so many records, published or not."""
    driver = Driver(**how)
    driver.ledger = [list(ledger)]
    for steps in crashes:
        driver.judge(steps)
        if steps % 2:
            driver.publish()
        driver.judge(3)
        driver.pipelines[0] = Pipeline(driver.app_id)
        driver._unpublished = [[]]
        for key, value in driver.changelog[0]:
            driver.pipelines[0].restore(key, value)
        driver.pipelines[0].restored()
    driver.judge()
    driver.publish()
    return driver


def source_id(topic: str) -> UUID:
    """The UUID the driver gives a topic."""
    return TOPIC_IDS[topic]
