"""The desk is a view: the same records give the same board, however topics interleave, restart or repeat."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alerts import Alert, Hold
from schemas.erasures import Receipt, marker_of
from streams.desk.action import MACHINES, Action
from streams.desk.alerts import alert_of
from streams.desk.board import Board, Record
from streams.desk.cards import LIVE
from streams.desk.forgotten import Forgotten
from streams.desk.ranking import Queue
from streams.desk.standing import Heard, stand
from streams.desk.view import View
from streams.markers import MarkersError
from streams.stories import STORIES
from tests.stories.telling import tell
from tests.vectors import ALERT

NOW_MS = 1_700_100_000_000
HOUR_MS = 3_600_000
CUSTOMERS = ("C1", "C2", "C3")
PARTITION = {"C1": 0, "C2": 1, "C3": 1}
KINDS = (
    "service_failure_entered", "service_failure_escalated", "service_failure_cleared", "churn_risk_entered",
    "churn_risk_cleared", "good_news_entered", "good_news_cleared", "value_destroyer_entered",
)  # fmt: skip
VERBS = ("acknowledge", "assign", "snooze", "disagree", "resolve", "override", "undo")

alerts = st.lists(
    st.tuples(st.sampled_from(CUSTOMERS), st.sampled_from(KINDS), st.integers(0, 10**7)), min_size=1, max_size=12
)
deeds = st.lists(
    st.tuples(
        st.sampled_from(CUSTOMERS), st.sampled_from(VERBS), st.integers(0, 12), st.sampled_from(("ada", "bo")),
        st.integers(0, 14), st.sampled_from(("agent", "manager")), st.integers(0, 14),
    ),
    max_size=14,
)  # fmt: skip


def made(customer: str, kind: str, number: int, cents: int = 0) -> Alert:
    machine = kind.rsplit("_", 1)[0]
    moment = "rude_call" if machine == "service_failure" and not kind.endswith("cleared") else None
    return replace(
        ALERT, customer_id=customer, kind=kind, alert_id=f"{customer}-{number}", moment=moment, savable_cents=cents
    )


def history(
    told: Iterable[tuple[str, str, int]], done: Iterable[tuple[Any, ...]]
) -> dict[tuple[str, int], list[Record]]:
    """The records of each partition; of two actions with one id the second is a repeat."""
    logs: dict[tuple[str, int], list[Record]] = {}

    def add(role: str, customer: str, value: bytes) -> None:
        log = logs.setdefault((role, PARTITION[customer]), [])
        at_ms = NOW_MS - 20 * HOUR_MS + len(log) * HOUR_MS
        log.append(Record(role, PARTITION[customer], len(log), at_ms, customer.encode(), value))

    for number, (customer, kind, cents) in enumerate(told):
        add("alerts", customer, made(customer, kind, number, cents).to_msgpack())
    for customer, verb, about, author, given_id, role, undoes in done:
        action = Action(
            action_id=f"action-{given_id}",
            verb=verb,
            author=author,
            role=role,
            ts_ms=NOW_MS - (30 - given_id) * HOUR_MS,
            customer_id=customer,
            alert_id=f"{customer}-{about}",
            reason="why",
            owner=author,
            until_ms=NOW_MS + (given_id - 7) * HOUR_MS,
            machine=MACHINES[given_id % len(MACHINES)],
            undoes=f"action-{undoes}",
        )
        add("desk_actions", customer, action.to_msgpack())
    for customer in CUSTOMERS[:2]:
        hold = Hold(customer, True, NOW_MS, ("open_case",), ("marketing",), 1)
        add("holds", customer, hold.to_msgpack())
    return logs


def in_turn(logs: dict[tuple[str, int], list[Record]], draw: Any) -> list[Record]:
    """Some interleaving that keeps each partition's order."""
    left = {place: list(log) for place, log in logs.items()}
    out = []
    while left:
        place = draw(st.sampled_from(sorted(left)))
        out.append(left[place].pop(0))
        if not left[place]:
            del left[place]
    return out


def seen(board: Board, view: View | None = None) -> dict[str, Any]:
    """Everything that a viewer could see of a board, for both roles."""
    view = view or View(board, "USD", Queue(2))
    view.look(NOW_MS)
    found: dict[str, Any] = {"order": view.order, "beyond": view.beyond, "counts": +view.counts}
    for money in (False, True):
        found |= {f"{one} {money}": view.card(one, NOW_MS, money=money) for one in CUSTOMERS}
    found["history"] = {one: board.standing(one) for one in CUSTOMERS}
    return found


def read(records: Iterable[Record]) -> Board:
    board = Board()
    for record in records:
        board.take(record)
    assert board.unread == 0
    return board


@given(alerts, deeds, st.data())
def test_any_order_between_topics_gives_the_same_desk(told: Any, done: Any, data: Any) -> None:
    """Two replicas, each reading at its own pace, one of them looked at while it read."""
    logs = history(told, done)
    one = read(in_turn(logs, data.draw))
    other = Board()
    view = View(other, "USD", Queue(2))
    for number, record in enumerate(in_turn(logs, data.draw)):
        other.take(record)
        view.look(min(NOW_MS, NOW_MS - (30 - number) * HOUR_MS))
    assert seen(one) == seen(other, view)


@given(alerts, deeds, st.data())
def test_what_is_read_again_changes_nothing(told: Any, done: Any, data: Any) -> None:
    """After a lost connection a reader goes back as far as it likes; a restarted one begins anew."""
    order = in_turn(history(told, done), data.draw)
    cut = data.draw(st.integers(0, len(order)))
    back = data.draw(st.integers(0, cut))
    assert seen(read([*order[:cut], *order[back:]])) == seen(read(order))


@given(alerts, deeds, st.data())
def test_an_action_sent_twice_counts_once(told: Any, done: Any, data: Any) -> None:
    """Two desks may both write what was sent twice: the second record is the same action."""
    logs = history(told, done)
    log = logs.get(("desk_actions", 1), [])
    if not log:
        return
    again = data.draw(st.sampled_from(log))
    place = data.draw(st.integers(again.offset + 1, len(log)))
    doubled = [*log[:place], again, *log[place:]]
    doubled = [one._replace(offset=offset) for offset, one in enumerate(doubled)]
    twice = {**logs, ("desk_actions", 1): doubled}
    assert seen(read(in_turn(twice, data.draw))) == seen(read(in_turn(logs, data.draw)))


@given(alerts, deeds)
def test_nothing_raised_is_lost(told: Any, done: Any) -> None:
    """A customer with an alert up is in the queue, asleep with an end, or closed by somebody who saw it."""
    board = read(record for log in history(told, done).values() for record in log)
    view = View(board, "USD", Queue(1))
    view.look(NOW_MS)
    for customer in CUSTOMERS:
        one = board.standing(customer)
        if one is None:
            continue
        newest = {heard.machine: heard for heard in one.heard}
        state = view.places[customer].state
        if not any(heard.raises for heard in newest.values()):
            assert state == "cleared"
        elif state in ("snoozed", "overridden"):
            assert one.wakes_ms(NOW_MS)
        elif state in ("resolved", "disagreed"):
            assert one.closing is not None
        else:
            assert customer in view.order or view.beyond[view.places[customer].floor]


@given(alerts, deeds, st.integers(1, 2))
def test_no_floor_is_shown_more_than_its_budget(told: Any, done: Any, budget: int) -> None:
    """What nobody has acknowledged stays within it; what is beyond stands behind what is shown."""
    board = read(record for log in history(told, done).values() for record in log)
    view = View(board, "USD", Queue(budget))
    view.look(NOW_MS)
    live = [one for one in view.places.values() if one.state in LIVE]
    waiting = sorted((one for one in live if one.state == "open"), key=lambda one: one.sort)
    taken = [one for one in live if one.state != "open"]
    shown = sorted([*taken, *waiting[:budget]], key=lambda one: one.sort)
    assert view.order == tuple(one.customer_id for one in shown)
    assert sum(view.beyond.values()) == max(0, len(waiting) - budget)


def test_a_fold_by_arrival_would_be_found_out() -> None:
    """Negative control: were an action to close whatever had arrived before it, two readers would disagree."""
    first, second = (Heard(made("C1", kind, at), NOW_MS + at) for at, kind in enumerate(KINDS[:2]))
    close = Action("action-1", "resolve", "ada", "agent", NOW_MS, "C1", "C1-0")

    def by_arrival(events: list[Any]) -> list[str]:
        up: list[str] = []
        for one in events:
            up = [] if isinstance(one, Action) else [*up, one.alert.alert_id]
        return up

    assert by_arrival([first, close, second]) != by_arrival([first, second, close])
    assert stand([first, second], [close]).raised == (1,)


@pytest.mark.parametrize(
    "value", [b"", b"\xc1", b"\x80", b"\x93\x01\x02\x03", b"\x81\xa7version\x01", b"\xff" * 9]
)
@pytest.mark.parametrize("role", ["alerts", "alerts_held", "incidents", "holds", "desk_actions"])
def test_bytes_that_are_no_record_are_counted_and_passed_over(role: str, value: bytes) -> None:
    board = Board()
    board.take(Record(role, 0, 0, NOW_MS, b"C1", value))
    board.take(Record("alerts", 1, 0, NOW_MS, b"C1", made("C1", KINDS[0], 1).to_msgpack()))
    assert board.unread == 1
    assert board.standing("C1") is not None


@pytest.mark.parametrize("key", STORIES)
def test_the_fast_reading_of_an_alert_is_the_plain_one(key: str) -> None:
    for alert in (ALERT, *tell(key).alerts):
        sent = alert.as_map()
        assert alert_of(msgpack.unpackb(msgpack.packb(sent))) == Alert.of(sent) == alert
        assert alert_of({**sent, "of_a_later_version": 1}) == alert


# ---------------------------------------------------------------- erasure

KEY = bytes(32)
ERASED_MS, LATER_MS = NOW_MS - 12 * HOUR_MS, ALERT.ts_ms + HOUR_MS


def with_erasure(told: Any, done: Any, after: Any) -> dict[tuple[str, int], list[Record]]:
    """A history in which C1 is erased in the middle: what was before, the receipt, and what comes after."""
    logs = history(told, done)
    receipt = Receipt(marker_of(KEY, b"C1").hex(), 0, 7, ERASED_MS, ALERT.ts_ms, True, 0, "dpo", "asked")
    logs["erasures", 0] = [Record("erasures", 0, 0, NOW_MS, receipt.key, receipt.to_json())]
    again = [made("C1", kind, 100 + at, cents) for at, (_, kind, cents) in enumerate(after)]
    for role, value in [
        ("holds", None),
        *(("alerts", replace(one, ts_ms=LATER_MS).to_msgpack()) for one in again),
    ]:
        log = logs.setdefault((role, 0), [])
        log.append(Record(role, 0, len(log), NOW_MS, b"C1", value))
    return logs


def erasing() -> Board:
    return Board(forgotten=Forgotten(KEY))


@given(alerts, deeds, st.one_of(st.just([]), alerts), st.data())
def test_whoever_was_erased_is_gone_in_any_order_and_after_a_restart(
    told: Any, done: Any, after: Any, data: Any
) -> None:
    """Alerts of before, still kept by their topic, bring nobody back; those of a new relationship count."""
    logs = with_erasure(told, done, after)
    one, other = erasing(), erasing()
    view = View(other, "USD", Queue(2))
    for record in in_turn(logs, data.draw):
        one.take(record)
    for record in in_turn(logs, data.draw):
        other.take(record)
        view.look(NOW_MS)
    assert seen(one) == seen(other, view)
    assert (one.unread, other.unread) == (0, 0)
    heard = one.standing("C1")
    assert ({it.alert.ts_ms for it in heard.heard} if heard else set()) <= {LATER_MS}
    assert "C1" not in one.holds
    assert ("C1" in view.places) == bool(after)


def test_a_desk_without_the_key_does_not_show_whom_it_should_not() -> None:
    """It says what it lacks and ends."""
    (record,) = with_erasure([], [], [])["erasures", 0]
    with pytest.raises(MarkersError, match="erasure_key"):
        Board().take(record)
