"""The numbered messages of a desk: whoever was away gets what they missed, or the whole, and memory has an end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.desk.feed import Feed


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 12))
def test_no_gap_and_no_double_wherever_a_viewer_left_off(before: int, after: int, kept: int) -> None:
    """Away after ``before`` messages, back after ``after`` more: exactly those, or the whole picture."""
    feed = Feed("epoch", kept=kept)
    for number in range(before):
        feed.publish({"number": number}, {"number": number})
    left = feed.last_id
    for number in range(before, before + after):
        feed.publish({"number": number}, {"number": number})
    seen = feed.number_of(left)
    if seen is None:
        assert after > kept
        return
    behind = feed.behind(seen)
    assert behind is not None
    assert [one.number for one in behind] == list(range(before + 1, before + after + 1))


@given(st.lists(st.integers(1, 4_000), max_size=30))
def test_the_tail_is_bounded_by_bytes_too(sizes: list[int]) -> None:
    feed = Feed("epoch", kept_bytes=10_000)
    for size in sizes:
        feed.publish({"text": "x" * size}, {})
        behind = feed.behind(feed.number - 1)
        assert behind is not None
        assert len(behind) == 1
    whole = sum(one.size for one in feed._tail)
    assert whole == feed._size
    assert whole <= 10_000 or len(feed._tail) == 1


def test_what_another_desk_numbered_is_not_taken_for_ours() -> None:
    feed = Feed("ours")
    feed.publish({}, {})
    for other in (None, "", "theirs-1", "ours-2", "ours-x", "ours--1", "ours", "ours-" + "9" * 30):
        assert feed.number_of(other) is None
    assert feed.number_of("ours-1") == 1
    assert feed.number_of("ours-0") == 0
