"""The stories and the made-up year around them are well formed, the same every time, and in order."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from schemas.alerts import KINDS, Alert
from schemas.codec import Reject, decode
from schemas.codes import Kind, Moment, Reason
from schemas.events import DAY_MS
from streams.simulate import END_MS, FIRST_DAY, Simulation
from streams.stories import STORIES, Ending, Expected, Story

START_MS = 17_000 * DAY_MS
KEYS = [
    "wrong_part_twice",
    "thirty_seconds",
    "thirty_five_calls",
    "silent_replacement",
    "printer",
    "value_destroyer",
    "month_of_ads",
]

ALERT = Alert(
    *("id", "service_failure_entered", "story-printer", START_MS, "served", "failed", 1, 1, "rude_call"),
    *(0, 0, 0, 0, 0, 0, 0, 0, None, 0, 0, 0, 0),
    *("support", None, "emotion", "repeat", (), (), (), (), None, (), (), 1, "0"),
)


def test_there_are_seven_stories() -> None:
    assert list(STORIES) == KEYS
    assert len({story.title for story in STORIES.values()}) == 7
    assert all(story.seed[:2] in {"S0", "S1", "S2", "S4"} for story in STORIES.values())


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
class TestStory:
    def test_every_event_is_accepted_on_the_topic_it_names(self, story: Story) -> None:
        from schemas.codec import encode

        for topic, fields in story.tell(START_MS):
            event = decode(encode(fields), purchases=topic == "purchases")
            assert not isinstance(event, Reject), (fields, event)
            assert set(fields) == {*event.numbers, *event.texts}, "a field of another kind would be ignored"

    def test_events_stand_in_order_within_its_days(self, story: Story) -> None:
        times = [fields["ts_ms"] for _, fields in story.tell(START_MS)]
        assert times == sorted(times)
        assert times[0] >= START_MS
        assert times[-1] < START_MS + story.days * DAY_MS

    def test_event_ids_are_its_own(self, story: Story) -> None:
        told = story.tell(START_MS)
        assert len({fields["event_id"] for _, fields in told}) == len(told)
        assert {fields["customer_id"] for _, fields in told} == set(story.endings)

    def test_told_twice_is_told_alike(self, story: Story) -> None:
        assert story.tell(START_MS) == story.tell(START_MS)
        later = [
            (topic, {**fields, "ts_ms": fields["ts_ms"] - DAY_MS})
            for topic, fields in story.tell(START_MS + DAY_MS)
        ]
        plain = [{key: value for key, value in fields.items() if key != "warranty_end_ms"} for _, fields in later]
        assert plain == [
            {key: value for key, value in fields.items() if key != "warranty_end_ms"}
            for _, fields in story.tell(START_MS)
        ]

    def test_its_ending_speaks_of_kinds_and_moments_there_are(self, story: Story) -> None:
        moments = {moment.name.lower() for moment in Moment}
        for ending in story.endings.values():
            assert ending.never <= set(KINDS)
            for one in ending.expected:
                assert one.kind in KINDS
                assert one.kind not in ending.never
                assert one.moment is None or one.moment in moments


def test_only_one_customer_is_ever_said_to_cost_more_than_margin() -> None:
    for story in STORIES.values():
        for customer, ending in story.endings.items():
            blamed = "value_destroyer_entered" not in ending.never and ending.at_most != 0
            assert blamed == (customer == "story-value-destroyer")


def test_the_day_has_thirty_five_calls() -> None:
    calls = [
        fields for _, fields in STORIES["thirty_five_calls"].tell(START_MS) if fields["kind"] == "call_closed"
    ]
    assert len(calls) == 35
    assert len({fields["ts_ms"] // DAY_MS for fields in calls}) == 1


# What came, and whether it is the ending: expected "a b", never "x", at most three.
ENDING = Ending((Expected("a"), Expected("b")), frozenset({"x"}), 3)


@pytest.mark.parametrize(
    ("came", "holds"),
    [
        ("a b", True),
        ("c a b", True),
        ("b a", False),
        ("a", False),
        ("", False),
        ("a x b", False),
        ("a b c c", False),
    ],
)
def test_an_ending_wants_order_and_no_storm(came: str, holds: bool) -> None:
    assert ENDING.holds([replace(ALERT, kind=kind) for kind in came.split()], START_MS) == holds


@pytest.mark.parametrize(
    ("expected", "meets"),
    [
        (Expected("service_failure_entered"), True),
        (Expected("service_failure_entered", "rude_call", 0), True),
        (Expected("service_failure_entered", "repeat_fault"), False),
        (Expected("service_failure_entered", None, 1), False),
        (Expected("churn_risk_entered"), False),
    ],
)
def test_an_expected_alert_is_met_by_kind_moment_and_time(expected: Expected, meets: bool) -> None:
    assert expected.meets(ALERT, START_MS) == meets


# ---------------------------------------------------------------- the made-up year


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert list(Simulation(customers=5).feed()) == list(Simulation(customers=5).feed())
    assert list(Simulation(customers=5).feed()) != list(Simulation(customers=5, seed=2).feed())


def test_more_customers_change_nothing_for_the_others() -> None:
    few, many = ({fed.value for fed in Simulation(customers=count, stories={}).feed()} for count in (3, 6))
    assert few < many


def test_the_feed_stands_in_order_and_time_is_told_behind_it() -> None:
    told_ms = 0
    for fed in Simulation(customers=20).feed():
        assert fed.ts_ms >= told_ms, "progress has already passed this event"
        if fed.everywhere:
            event = decode(fed.value, purchases=fed.topic == "purchases")
            assert not isinstance(event, Reject)
            assert event.kind is Kind.PROGRESS
            assert event.ts_ms == fed.ts_ms
            told_ms = fed.ts_ms
    assert told_ms == END_MS


def test_time_is_told_to_both_topics_every_midnight_and_at_last_every_hour() -> None:
    simulation = Simulation(customers=0, stories={})
    marks = [(fed.topic, fed.ts_ms) for fed in simulation.feed()]
    assert all(fed.everywhere for fed in simulation.feed())
    assert {ts_ms for topic, ts_ms in marks if topic == "support"} == {
        ts_ms for topic, ts_ms in marks if topic == "purchases"
    }
    times = [ts_ms for topic, ts_ms in marks if topic == "support"]
    gaps = [(later - sooner) // 3_600_000 for sooner, later in pairwise(times)]
    assert gaps == [24] * (simulation.days - 3) + [1] * 72


def test_three_records_are_broken_and_no_more() -> None:
    feed = list(Simulation(customers=20, broken=True).feed())
    rejects = [
        event.reason
        for fed in feed
        if isinstance(event := decode(fed.value, purchases=fed.topic == "purchases"), Reject)
    ]
    assert sorted(rejects) == sorted([Reason.UNKNOWN_KIND, Reason.NOT_A_NUMBER, Reason.UNDECODABLE])


def test_every_story_has_its_place_in_the_year() -> None:
    assert set(FIRST_DAY) == set(STORIES)
    assert all(FIRST_DAY[key] + story.days <= Simulation().days for key, story in STORIES.items())
