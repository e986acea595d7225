"""Labels: what people decided about alerts on the desk, as truth to measure precision by and to learn from."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any, NamedTuple

from streams.desk.board import Board
from streams.desk.standing import CLOSES, Standing

Z95 = 1.959963984540054
"""Standard normal deviate that leaves out one in forty on either side."""


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
        if one is not None:
            out.extend(of_standing(customer_id, one))
    return sorted(out, key=lambda label: (label.labelled_ms, label.alert_id))


def of_standing(customer_id: str, one: Standing) -> Iterable[Label]:
    """The labels of one customer."""
    place = {heard.alert.alert_id: at for at, heard in enumerate(one.heard)}
    said = [it.action for it in one.taken if it.action.verb in CLOSES and not it.refused]
    closed = {place[action.alert_id or ""] for action in said}
    last: dict[str, Label] = {}
    for action in said:
        at = place[action.alert_id or ""]
        # What an earlier word has closed is not on the card any more that this one is about.
        begin = max((before + 1 for before in closed if before < at), default=0)
        for alert in _up_at(one.heard[begin : at + 1]):
            last[alert.alert_id] = Label(
                alert.alert_id, customer_id, alert.kind, alert.moment, alert.episode, alert.ts_ms,
                alert.risk_ppm, alert.policy_digest, action.verb == "resolve", action.reason, action.author,
                action.ts_ms, action.action_id,
            )  # fmt: skip
    return last.values()


def _up_at(heard: Iterable[Any]) -> list[Any]:
    """The alerts of these that were up when the last of them was the newest."""
    up: dict[str, Any] = {}
    for one in heard:
        if one.raises:
            up[one.machine] = one.alert
        else:
            up.pop(one.machine, None)
    return list(up.values())


class Said(NamedTuple):
    """What people said of the alerts of one kind, and of one moment where the kind has moments."""

    kind: str
    moment: str | None
    labelled: int
    right: int

    @property
    def bounds(self) -> tuple[float, float]:
        """Between what the share of right ones lies, with 95 % confidence."""
        return interval(self.right, self.labelled)

    def as_map(self) -> dict[str, Any]:
        """As JSON holds it."""
        low, high = self.bounds
        shares = {"precision": self.right / self.labelled, "low": low, "high": high}
        return self._asdict() | {f"{name}_ppm": round(1e6 * share) for name, share in shares.items()}


def interval(right: int, labelled: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (Wilson 1927): it holds for few labels too; of none it is everything."""
    if labelled <= 0:
        return 0.0, 1.0
    share, more = right / labelled, Z95 * Z95 / labelled
    middle = share + more / 2.0
    spread = Z95 * sqrt(share * (1.0 - share) / labelled + more / (4.0 * labelled))
    return max(0.0, (middle - spread) / (1.0 + more)), min(1.0, (middle + spread) / (1.0 + more))


def summed(found: Iterable[Label]) -> list[Said]:
    """How often people called the alerts of each kind, and of each of its moments, right."""
    counts: dict[tuple[str, str | None], list[int]] = {}
    for one in found:
        both = counts.setdefault((one.kind, one.moment), [0, 0])
        both[0] += 1
        both[1] += one.right
    return [
        Said(*about, *both) for about, both in sorted(counts.items(), key=lambda one: (one[0][0], one[0][1] or ""))
    ]
