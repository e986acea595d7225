"""Stories from real customers, each with the ending a fair judge must give it."""

from streams.stories import (
    month_of_ads,
    printer,
    silent_replacement,
    thirty_five_calls,
    thirty_seconds,
    value_destroyer,
    wrong_part_twice,
)
from streams.stories.teller import Ending, Expected, Story, Teller, Told, Topic

__all__ = ["STORIES", "Ending", "Expected", "Story", "Teller", "Told", "Topic"]

STORIES: dict[str, Story] = {
    module.STORY.key: module.STORY
    for module in (
        wrong_part_twice,
        thirty_seconds,
        thirty_five_calls,
        silent_replacement,
        printer,
        value_destroyer,
        month_of_ads,
    )
}
"""By key, in the order in which they are told."""
