"""What a person lets go is exactly what is named, and a slip of the pen lets nothing go."""

from __future__ import annotations

import pytest

from streams.accepted import LostRecords, Span, accepts, begin, parse, remedy
from streams.config import Config, ConfigError, load

LOST = Span("calls", 0, 5, 9)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("", ()),
        ("calls/0:5-9", (LOST,)),
        (" calls/0:5-9 , a.b_c-d/12:7,", (LOST, Span("a.b_c-d", 12, 7, 7))),
    ],
)
def test_what_is_written_is_read_and_written_again(text: str, spans: tuple[Span, ...]) -> None:
    assert parse(text) == spans
    assert parse(", ".join(map(str, spans))) == spans
    assert load(None, {"WHALELINE_ACCEPT_LOST": text}).accepted() == spans


@pytest.mark.parametrize(
    "text",
    ["calls", "calls/0", "calls/0:", "calls/0:9-5", "calls/x:5", "calls/0:5-", "calls/0:-5", "a b/0:1"],
)
def test_anything_else_is_a_sentence(text: str) -> None:
    with pytest.raises(ConfigError, match=r"ACCEPT_LOST = .* must be TOPIC/PARTITION:FIRST-LAST"):
        load(None, {"WHALELINE_ACCEPT_LOST": text})


@pytest.mark.parametrize("text", ["calls/0:5-9", "calls/0:0-100", "other/0:1, calls/0:4-9"])
def test_a_span_that_holds_all_lets_it_go(text: str) -> None:
    assert accepts(parse(text), LOST)


@pytest.mark.parametrize(
    "text", ["", "calls/0:6-9", "calls/0:5-8", "calls/1:5-9", "calls2/0:5-9", "calls/0:5-6, calls/0:7-9"]
)
def test_less_than_all_lets_nothing_go(text: str) -> None:
    assert not accepts(parse(text), LOST)


@pytest.mark.parametrize(
    ("at", "text", "found"),
    [
        (10, "", None),
        (15, "", None),
        (20, "calls/0:0-30", None),
        (5, "calls/0:5-9", LOST),
        (5, "calls/0:0-30", LOST),
        (5, "calls/0:6-9", "calls/0: offset 5 comes next, the log holds 10 to 20. To go on without for good, set"),
        (21, "calls/0:0-30", "calls/0: offset 21 comes next, the log holds 10 to 20; make it anew."),
    ],
)
def test_reading_begins_where_it_was_left_or_behind_what_was_let_go(at: int, text: str, found: object) -> None:
    if not isinstance(found, str):
        assert begin(parse(text), ("calls", 0), at, (10, 20), "make it anew") == found
        return
    with pytest.raises(LostRecords) as told:
        begin(parse(text), ("calls", 0), at, (10, 20), "make it anew")
    assert str(told.value).startswith(found)


def test_what_the_worker_says_is_what_is_to_be_set() -> None:
    said = remedy(LOST).rsplit(" ", 1)[1]
    assert accepts(parse(said), LOST)
    assert Config().accepted() == ()
