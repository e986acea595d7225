"""A shadow beside the live judge: who would enter and who would not, in numbers and on the desk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.policy import parse
from streams.config import Config
from streams.metrics import Metrics
from streams.shadow import shadow_of
from streams.shadowed import LIVE, SHADOW, Begun, Shadowed
from streams.shadowwatch import Watch
from tests.desks import DeskProcess, stage, story_alerts
from tests.driver import Driver

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
SINCE_MS = 1_700_000_000_000
BEGUN = Begun(SINCE_MS, SINCE_MS, SINCE_MS + 2 * DAY_MS, "new.toml", 7, "ab" * 8, 3)
CHURN = ("churn_risk_entered", "loyal", "at_risk"), ("churn_risk_cleared", "at_risk", "loyal")

Said = tuple[int, str, str, str, str, int]
"""Side, customer, kind, state before and after, time."""


def heard(said: Sequence[Said], begun: Begun = BEGUN) -> Shadowed:
    fold = Shadowed()
    fold.begin(0, begun.to_msgpack())
    for side, customer, kind, before, after, ts_ms in said:
        told = {"customer_id": customer, "kind": kind, "state_before": before, "state_after": after}
        fold.take(side, 0, {**told, "ts_ms": ts_ms})
    return fold


def entered(side: int, customer: str, ts_ms: int = SINCE_MS + 1) -> Said:
    return side, customer, *CHURN[0], ts_ms


def cleared(side: int, customer: str, ts_ms: int = SINCE_MS + 2) -> Said:
    return side, customer, *CHURN[1], ts_ms


CASES: list[tuple[str, list[Said], dict[str, int], int]] = [
    ("both, each at its time", [entered(LIVE, "a"), entered(SHADOW, "a", SINCE_MS + DAY_MS)], {"both": 1}, 0),
    ("the live one alone", [entered(LIVE, "a")], {"only_live": 1}, 1),
    ("the shadow alone", [entered(SHADOW, "a"), entered(LIVE, "b")], {"only_shadow": 1, "only_live": 1}, 2),
    ("entered by one and over again", [entered(LIVE, "a"), cleared(LIVE, "a")], {"only_live": 1}, 0),
    ("of before it began", [entered(LIVE, "a", SINCE_MS - 1), cleared(LIVE, "b", SINCE_MS - 1)], {}, 0),
    ("entered before it began, cleared by one", [cleared(SHADOW, "a")], {}, 1),
    ("entered before it began, cleared by both", [cleared(SHADOW, "a"), cleared(LIVE, "a")], {}, 0),
]


@pytest.mark.parametrize(("said", "counts", "differs"), [one[1:] for one in CASES], ids=[one[0] for one in CASES])
def test_who_enters_and_who_stands_otherwise(said: list[Said], counts: dict[str, int], differs: int) -> None:
    fold = heard(said)
    assert {which: count for (_, which), count in fold.entered.items() if count} == counts
    assert fold.differs["churn_risk"] == differs


@given(
    st.lists(st.tuples(st.sampled_from((LIVE, SHADOW)), st.sampled_from("abc"), st.integers(0, 1))), st.randoms()
)
def test_how_the_two_topics_interleave_makes_no_difference(steps: list[tuple[int, str, int]], dice: Any) -> None:
    said = [(side, who, *CHURN[what], SINCE_MS + at) for at, (side, who, what) in enumerate(steps)]
    sides = [[one for one in said if one[0] == side] for side in (LIVE, SHADOW)]
    mixed: list[Said] = []
    while any(sides):
        mixed.append(dice.choice([one for one in sides if one]).pop(0))
    one, other = heard(said), heard(mixed)
    assert +Counter(one.entered) == +Counter(other.entered)
    assert one.asked == other.asked
    never = lambda _who, _ms: False  # noqa: E731
    assert _counts(one.told(never)) == _counts(other.told(never))


def _counts(told: dict[str, Any] | None) -> Any:
    assert told is not None
    return [{name: value for name, value in one.items() if name != "differs"} for one in told["kinds"]]


def test_another_policy_begins_anew_and_progress_does_not() -> None:
    fold = heard([entered(LIVE, "a")])
    assert fold.begin(0, BEGUN._replace(until_ms=SINCE_MS + 3 * DAY_MS).to_msgpack()) is False
    assert fold.asked == [1, 0]
    assert fold.begin(0, BEGUN._replace(version=8).to_msgpack()) is True
    assert fold.asked == [0, 0]


def test_a_worker_of_a_shadow_tells_since_when_and_how_far() -> None:
    """Later than whatever it has heard of; under another policy anew, and the shadow's beginning stays."""
    driver = Driver()
    driver.support("rude_call", "C1", observer="qa", handle_ms=60_000)
    driver.wait(days=2)
    pipeline, policy = driver.pipelines[0], parse("[policy]\nversion = 2\n[service]\nbudget_per_day = 9\n")
    config = shadow_of(Config(), "there/new.toml")
    watch = Watch(config, policy, Metrics(of_shadow=True), lambda: {0: pipeline})
    begun = watch._begun(None, pipeline)
    assert (begun.file, begun.version, begun.capacity, begun.until_ms) == ("new.toml", 2, 9, pipeline.last_tick_ms)
    assert begun.first_ms == begun.since_ms > max(one.ts_ms for one in driver.alerts)
    assert watch._begun(begun, pipeline) == begun
    later = watch._begun(begun._replace(version=1, first_ms=5, since_ms=5), pipeline)
    assert (later.first_ms, later.since_ms) == (5, begun.since_ms)


def test_the_gauges_are_the_folds() -> None:
    metrics = Metrics(of_shadow=True)
    watch = Watch(shadow_of(Config(), ""), parse(""), metrics, dict)
    watch._show(heard([entered(LIVE, "a"), entered(SHADOW, "a"), entered(SHADOW, "b")]))
    value = metrics.registry.get_sample_value
    of = {"kind": "churn_risk", "entered": "only_shadow"}
    assert value("whaleline_shadow_entered_customers", of) == 1
    assert value("whaleline_shadow_entered_customers", of | {"entered": "only_live"}) == 0
    assert value("whaleline_shadow_differing_customers", {"kind": "churn_risk"}) == 1
    assert value("whaleline_shadow_compared_alerts", {"policy": "shadow"}) == 2


def test_a_desk_shows_a_shadow_as_it_goes(tmp_path: Path) -> None:
    """Nothing while none has begun; then who would enter and who would not, and no erased customer."""
    first, *_ = (one for one in story_alerts("thirty_seconds") if one.kind.endswith("_entered"))
    told = [replace(first, customer_id=f"C{at}", alert_id=f"{at:032x}") for at in range(4)]
    begun = BEGUN._replace(first_ms=1, since_ms=first.ts_ms, until_ms=first.ts_ms + 2 * DAY_MS)
    with stage(shadow=True) as on, DeskProcess(on.environment, tmp_path / "desk.log") as desk:
        desk.ready()
        assert desk.get("/v1/shadow") == {"shadow": None, "of_partitions": 4}
        on.alerts(*told[:3])
        on.in_shadow(begun, *told[2:])

        def all_there() -> Any:
            found = desk.get("/v1/shadow")["shadow"]
            return found if found and found["alerts"] == {"live": 3, "shadow": 2} else None

        found = desk.until("both are heard", all_there)
        assert (found["policy"]["version"], found["partitions"], found["capacity_per_day"]) == (7, 4, 3)
        assert found["alerts_per_day"] == {"live": 1.5, "shadow": 1.0}
        (one,) = found["kinds"]
        assert (one["both"], one["only_live"], one["only_shadow"], one["differs"]) == (1, 2, 1, 3)
        assert [who["customer"] for who in one["enters"]] == ["C3"]
        assert [who["customer"] for who in one["leaves"]] == ["C0", "C1"]
        on.in_shadow(begun._replace(version=8))
        again = desk.until("another policy", lambda: _of_version(desk, 8))
        assert again["policy"]["version"] == 8
    assert heard([entered(SHADOW, "gone")]).told(lambda who, _ms: who == "gone")["kinds"][0]["enters"] == []  # type: ignore[index]


def _of_version(desk: DeskProcess, version: int) -> Any:
    found = desk.get("/v1/shadow")["shadow"]
    return found if found and found["policy"]["version"] == version else None
