"""Tell a story to the driver, and read what came of it."""

from streams.stories import STORIES
from tests.driver import DAY, Driver, feed, told

START_MS = 1_700_006_400_000
"""2023-11-15 00:00 UTC."""


def tell(key: str) -> Driver:
    """A driver that has lived through the whole story."""
    story = STORIES[key]
    driver = Driver(now_ms=START_MS)
    feed(driver, story.tell(START_MS))
    driver.wait(days=(START_MS + story.days * DAY - driver.now_ms) / DAY)
    assert story.told(driver.alerts, START_MS)
    return driver


def on_days(driver: Driver, customer: str) -> list[str]:
    """The customer's alerts in short, each with the day of the story it came on."""
    mine = [alert for alert in driver.alerts if alert.customer_id == customer]
    return [f"{told(alert)} on day {(alert.ts_ms - START_MS) // DAY}" for alert in mine]
