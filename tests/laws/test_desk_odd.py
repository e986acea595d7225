"""No record and no request, however odd, stops a desk: it is refused in a sentence, or counted and passed over."""

from __future__ import annotations

from typing import Any

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from schemas.alerts import Hold
from streams.desk import action as actions
from streams.desk.action import Action, ActionError
from streams.desk.board import Board, Record
from streams.desk.figures import figures
from streams.desk.ranking import Queue
from streams.desk.view import View
from tests.vectors import ALERT, INCIDENT

NOW_MS = 1_700_100_000_000
CUSTOMER = ALERT.customer_id
leaves = st.one_of(
    *(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats()),
    *(st.text(max_size=80), st.binary(max_size=9)),
)
anything = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=9), inner, max_size=3)),
    max_leaves=8,
)
GOOD = {
    "alerts": ALERT.as_map(),
    "alerts_held": ALERT.as_map(),
    "incidents": INCIDENT.as_map(),
    "holds": Hold(CUSTOMER, True, 1, ("open_case",), ("marketing",), 1).as_map(),
    "desk_actions": Action(
        "action-1", "snooze", "ada", "agent", NOW_MS, CUSTOMER, ALERT.alert_id, "why", until_ms=NOW_MS + 1_000
    ).as_map(),
}


@given(st.sampled_from(sorted(GOOD)), st.data())
def test_a_record_with_any_field_bent_is_shown_or_passed_over(role: str, data: Any) -> None:
    """What comes next counts as if the bent one had never been, or both are shown: nothing raises."""
    bent = dict(GOOD[role])
    for name in data.draw(st.lists(st.sampled_from(sorted(bent)), min_size=1, max_size=3)):
        if data.draw(st.booleans()):
            bent.pop(name, None)
        else:
            bent[name] = data.draw(anything)
    board = Board()
    view = View(board, "USD", Queue())
    records = [(role, bent), *sorted(GOOD.items())]
    for offset, (which, value) in enumerate(records):
        board.take(Record(which, 0, offset, NOW_MS, b"k", msgpack.packb(value)))
        view.look(NOW_MS)
    assert board.unread in (0, 1)
    for customer_id in view.places:
        for money in (False, True):
            assert view.card(customer_id, NOW_MS, money=money)
    assert view.card(CUSTOMER, NOW_MS, money=True)
    assert figures(view, NOW_MS)["all"]


TOPICS = ("alerts", "alerts_held", "incidents", "holds", "insights", "desk_actions", "erasures")


@given(st.sampled_from(TOPICS), st.binary(max_size=60))
def test_any_bytes_are_passed_over(role: str, value: bytes) -> None:
    board = Board()
    board.take(Record(role, 0, 0, NOW_MS, b"k", value))
    View(board, "USD").look(NOW_MS)


FIELDS = sorted({*GOOD["desk_actions"], "x"})


@given(st.one_of(anything, st.dictionaries(st.sampled_from(FIELDS), anything, max_size=6)))
def test_any_request_is_an_action_or_a_sentence(body: Any) -> None:
    taken_or_told(body)


@given(st.dictionaries(st.sampled_from(FIELDS), anything, max_size=3))
def test_so_is_one_that_is_almost_right(change: dict[str, Any]) -> None:
    body = {**GOOD["desk_actions"], **change}
    for name in ("version", "author", "role", "ts_ms", "x"):
        body.pop(name, None)
    taken_or_told(body)


def taken_or_told(body: Any) -> None:
    """An action comes back from its bytes; a refusal is one line."""
    try:
        action = actions.asked(body, "ada", "manager", NOW_MS)
    except ActionError as error:
        said = str(error)
    else:
        said = "taken"
        assert Action.of(action.to_msgpack()) == action
    assert said
    assert "\n" not in said
