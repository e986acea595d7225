"""What people said on the desk is told of what it was said of: labels by alert, and how long somebody waited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from streams.desk.action import Action
from streams.desk.board import Board, Record
from streams.desk.figures import figures
from streams.desk.labels import of_board
from streams.desk.ranking import Queue
from streams.desk.view import View
from tests.vectors import ALERT

HOUR_MS = 3_600_000
CUSTOMER = ALERT.customer_id
FAILED, OVER, LEAVING = "service_failure_entered", "service_failure_cleared", "churn_risk_entered"


def board(told: Sequence[tuple[str, int]], done: Sequence[tuple[str, int, int]]) -> Board:
    """Alerts as (kind, hour), and what was done as (verb, alert, hour)."""
    found = Board()
    for at, (kind, hour) in enumerate(told):
        moment = "rude_call" if kind == FAILED else None
        alert = replace(ALERT, alert_id=f"alert-{at}", kind=kind, moment=moment, ts_ms=hour * HOUR_MS)
        found.take(Record("alerts", 0, at, hour * HOUR_MS, b"k", alert.to_msgpack()))
    for at, (verb, about, hour) in enumerate(done):
        ends = {"reason": "why", "undoes": f"action-{about}"}
        deed = Action(f"action-{at}", verb, "ada", "agent", hour * HOUR_MS, CUSTOMER, f"alert-{about}", **ends)
        found.take(Record("desk_actions", 0, at, hour * HOUR_MS, b"k", deed.to_msgpack()))
    assert found.unread == 0
    return found


def labels(*of: Sequence[tuple[str, int]] | Sequence[tuple[str, int, int]]) -> dict[str, bool]:
    return {one.alert_id: one.right for one in of_board(board(*of))}  # type: ignore[arg-type]


def test_a_word_on_a_new_card_says_nothing_of_the_one_that_was_closed() -> None:
    """Leaving was settled as right; what came a day later was not right, and that is another alert."""
    told = [(LEAVING, 0), (FAILED, 24)]
    assert labels(told, [("resolve", 0, 1), ("disagree", 1, 25)]) == {"alert-0": True, "alert-1": False}
    assert labels(told, [("disagree", 1, 25)]) == {"alert-0": False, "alert-1": False}
    assert labels(told, [("resolve", 0, 1), ("resolve", 1, 25), ("disagree", 1, 26)]) == {
        "alert-0": True, "alert-1": False,
    }  # fmt: skip


def test_an_undone_word_closes_nothing() -> None:
    told = [(LEAVING, 0), (FAILED, 24)]
    said = [("resolve", 0, 1), ("undo", 0, 2), ("disagree", 1, 25)]
    assert labels(told, said) == {"alert-0": False, "alert-1": False}


def waits_h(told: Sequence[tuple[str, int]], done: Sequence[tuple[str, int, int]]) -> float | None:
    """The median of how long somebody waited, in hours."""
    view = View(board(told, done), "USD", Queue())
    view.look(1_000 * HOUR_MS)
    median = figures(view, 1_000 * HOUR_MS)["all"]["acknowledge_median_ms"]
    return None if median is None else median / HOUR_MS


def test_nobody_waits_while_nothing_is_up() -> None:
    """A card that cleared and came again weeks later waited from then on, as its viewers were told."""
    told = [(FAILED, 0), (OVER, 5), (FAILED, 500)]
    assert waits_h(told, [("acknowledge", 2, 501)]) == 1
    assert waits_h(told, [("acknowledge", 0, 3), ("acknowledge", 2, 501)]) == 2
    assert waits_h([(FAILED, 0), (LEAVING, 4), (OVER, 5)], [("acknowledge", 2, 7)]) == 7
    assert waits_h([(FAILED, 0), (OVER, 5)], [("acknowledge", 1, 7)]) is None
