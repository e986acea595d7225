"""Labels: what people decided about alerts on the desk, as truth to measure precision by and to learn from."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from streams.config import Config
from streams.desk.board import Board, Record
from streams.desk.standing import CLOSES
from streams.reading import reading

ROLES = ("alerts", "desk_actions")


@dataclass(frozen=True, slots=True)
class Label:
    """One alert and a person's word on it. ``right`` is False for "not right", True for one that was settled."""

    alert_id: str
    customer_id: str
    kind: str
    moment: str | None
    episode: int
    alert_ms: int
    risk_ppm: int
    policy_digest: str
    right: bool
    reason: str | None
    author: str
    labelled_ms: int
    action_id: str

    def as_map(self) -> dict[str, Any]:
        """The label as one line of JSON holds it."""
        return asdict(self)


def of_board(board: Board) -> list[Label]:
    """The labels behind a board, oldest first: the last word on each alert that was up when it was said."""
    out: list[Label] = []
    for customer_id in board.people:
        one = board.standing(customer_id)
        if one is None:
            continue
        place = {heard.alert.alert_id: at for at, heard in enumerate(one.heard)}
        last: dict[str, Label] = {}
        for taken in one.taken:
            action = taken.action
            if action.verb not in CLOSES or taken.refused:
                continue
            for alert in _up_at(one.heard[: place[action.alert_id or ""] + 1]):
                last[alert.alert_id] = Label(
                    alert.alert_id, customer_id, alert.kind, alert.moment, alert.episode, alert.ts_ms,
                    alert.risk_ppm, alert.policy_digest, action.verb == "resolve", action.reason, action.author,
                    action.ts_ms, action.action_id,
                )  # fmt: skip
        out.extend(last.values())
    return sorted(out, key=lambda label: (label.labelled_ms, label.alert_id))


def _up_at(heard: Iterable[Any]) -> list[Any]:
    """The alerts that were up when this one was the newest."""
    up: dict[str, Any] = {}
    for one in heard:
        if one.raises:
            up[one.machine] = one.alert
        else:
            up.pop(one.machine, None)
    return list(up.values())


def read(config: Config, **client: Any) -> list[Label]:
    """The labels of a deployment; raises ``TopicError`` with one sentence."""
    board = Board()
    for role in ROLES:
        with reading(config.broker, getattr(config.topics, role), **client) as (_, messages):
            for partition, one in messages:
                board.take(Record(role, partition, one.offset, one.timestamp, one.key, one.value))
    return of_board(board)


def summed(found: Iterable[Label]) -> list[dict[str, Any]]:
    """For each kind how many were labelled and how many were right: the precision as the floor sees it."""
    counts: dict[str, list[int]] = {}
    for one in found:
        both = counts.setdefault(one.kind, [0, 0])
        both[0] += 1
        both[1] += one.right
    return [
        {"kind": kind, "labelled": labelled, "right": right, "precision_ppm": round(1e6 * right / labelled)}
        for kind, (labelled, right) in sorted(counts.items())
    ]
