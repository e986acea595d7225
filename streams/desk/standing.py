"""Where one customer stands on the desk: a function of the alerts heard and the actions taken, each in order.

Alerts of a customer come in one order and actions in another; between the two there is none. Each action names the
newest alert it knew, and counts from there: so it does not matter which of two topics was read faster, and a desk
that starts anew, or a second one, sees the same. What passes by itself (a snooze) is asked for with the time.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from schemas.alerts import Alert
from streams.desk.action import FOR_GOOD, ROLES, Action
from streams.words import PLEASANT

QUIET_AFTER_MS = 24 * 3_600_000
"""So long after somebody closed a card, pleasant news of the same customer does not open it again."""

CLOSES = ("resolve", "disagree")
UNKNOWN = -1
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Heard:
    """An alert, and when its record could be read first (the broker's time)."""

    alert: Alert
    at_ms: int

    @property
    def machine(self) -> str:
        """Whose border was crossed."""
        return self.alert.kind.rsplit("_", 1)[0]

    @property
    def raises(self) -> bool:
        """Whether it asks somebody to act, and does not say that it is over."""
        return not self.alert.kind.endswith("_cleared")

    @property
    def pleasant(self) -> bool:
        """Whether nobody is lost by waiting."""
        return self.machine in PLEASANT


@dataclass(frozen=True, slots=True)
class Taken:
    """An action and what became of it: ``""`` where it counts, else why it does not."""

    action: Action
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """One customer's card, but for what passes with time. Indices point into ``heard``."""

    heard: tuple[Heard, ...]
    taken: tuple[Taken, ...]
    raised: tuple[int, ...]
    began: int
    acknowledged: int
    acknowledger: str | None
    acknowledged_ms: int | None
    owner: str | None
    snooze: Action | None
    snoozed: int
    closing: Action | None
    overrides: tuple[Action, ...]

    def state(self, now_ms: int) -> str:
        """What the card is: open, acknowledged, assigned, snoozed, overridden, resolved, disagreed or cleared."""
        up = self.up(now_ms)
        if not up:
            if self.closing is not None and self._stands():
                return "disagreed" if self.closing.verb == "disagree" else "resolved"
            return "overridden" if self.raised else "cleared"
        if self.asleep(now_ms):
            return "snoozed"
        if up[-1] > self.acknowledged:
            return "open"
        return "assigned" if self.owner else "acknowledged"

    def up(self, now_ms: int) -> tuple[int, ...]:
        """The raised alerts that are shown now, oldest first: not overridden, not pleasant news of a busy day."""
        pinned = {one.machine for one in self.overrides if (one.until_ms or 0) > now_ms}
        quiet = self.quiet_until_ms > now_ms
        return tuple(
            at for at in self.raised if self.heard[at].machine not in pinned and not (quiet and self._in_quiet(at))
        )

    @property
    def quiet_until_ms(self) -> int:
        """Until when pleasant news waits, because somebody has just closed a card of this customer."""
        return self.closing.ts_ms + QUIET_AFTER_MS if self.closing is not None else 0

    def _in_quiet(self, at: int) -> bool:
        return self.heard[at].pleasant and self.heard[at].at_ms < self.quiet_until_ms

    def asleep(self, now_ms: int) -> bool:
        """Whether the card sleeps: until its time, or until something happens that is no pleasant news."""
        if self.snooze is None or (self.snooze.until_ms or 0) <= now_ms:
            return False
        return not any(at > self.snoozed and not self.heard[at].pleasant for at in self.raised)

    def wakes_ms(self, now_ms: int) -> int | None:
        """When the state changes next without anybody's doing; None: never."""
        ends = [one.until_ms or 0 for one in (*self.overrides, *((self.snooze,) if self.snooze else ()))]
        return min((one for one in (*ends, self.quiet_until_ms) if one > now_ms), default=None)

    def waiting_since_ms(self, now_ms: int) -> int | None:
        """Since when the oldest alert that nobody has acknowledged can be read; None where there is none."""
        up = self.up(now_ms)
        if not up or up[-1] <= self.acknowledged:
            return None
        behind = self.heard[self.acknowledged + 1 :]
        return next(one.at_ms for one in behind if one.raises)

    def _stands(self) -> bool:
        """Whether some alert is still up that a person has closed."""
        newest = {one.machine: one for one in self.heard}
        return any(one.raises for one in newest.values())


def stand(heard: Iterable[Heard], actions: Iterable[Action]) -> Standing:
    """Work out where a customer stands; ``heard`` and ``actions`` may hold repeats, of which the first counts."""
    alerts = _firsts(heard, lambda one: one.alert.alert_id)
    deeds = _firsts(actions, lambda one: one.action_id)
    place = {one.alert.alert_id: at for at, one in enumerate(alerts)}
    undone, vain = _undone(deeds)
    counting = [one for one in deeds if one.verb != "undo" and one.action_id not in undone]
    raised, begins, closing = _raised(alerts, counting, place)
    fold = _Fold(place, begins)
    verdict = {**dict.fromkeys(undone, "taken back"), **vain}
    for one in counting:
        verdict[one.action_id] = fold.take(one)
    began = begins[-1] if begins else 0
    known = fold.acknowledged >= began
    return Standing(
        heard=alerts,
        taken=tuple(Taken(one, verdict.get(one.action_id, "")) for one in deeds),
        raised=raised,
        began=began,
        acknowledged=max(fold.acknowledged, began - 1),
        acknowledger=fold.acknowledger if known else None,
        acknowledged_ms=fold.acknowledged_ms if known else None,
        owner=fold.owner if fold.owned >= began else None,
        snooze=fold.snooze if fold.snoozed >= began else None,
        snoozed=fold.snoozed,
        closing=closing,
        overrides=tuple(fold.overrides.values()),
    )


def _firsts(items: Iterable[T], key: Callable[[T], str]) -> tuple[T, ...]:
    """Each item once, where it came first."""
    found: dict[str, T] = {}
    for one in items:
        found.setdefault(key(one), one)
    return tuple(found.values())


class _Fold:
    """What the actions come to, taken one by one. ``begins``: with which alert the card of each one began."""

    def __init__(self, place: Mapping[str, int], begins: Sequence[int]) -> None:
        self.acknowledged, self.acknowledger, self.acknowledged_ms = UNKNOWN, "", 0
        self.owner: str | None = None
        self.snooze: Action | None = None
        self.owned = self.snoozed = UNKNOWN
        self.overrides: dict[str, Action] = {}
        self._place, self._begins = place, begins

    def take(self, one: Action) -> str:
        """Let it count; why it does not, or nothing."""
        at = self._place.get(one.alert_id or "", UNKNOWN)
        if at == UNKNOWN:
            return "its alert is not known here"
        if one.verb == "acknowledge" and at <= self.acknowledged:
            return f"acknowledged by {self.acknowledger} before"
        if one.verb == "assign":
            now = self.owner if self.owned >= self._begins[at] else None
            if now not in ((one.expects or None), (one.owner or None)):
                return f"taken by {now} before" if now else "given up by its owner before"
            self.owner, self.owned = one.owner or None, at
        elif one.verb == "snooze":
            self.snooze, self.snoozed = one, at
        elif one.verb in CLOSES:
            # Whoever takes the next card is asked anew, and nothing sleeps over a closed one.
            self.owner, self.snooze = None, None
        elif one.verb == "override" and one.machine:
            self.overrides[one.machine] = one
        if at > self.acknowledged:
            self.acknowledged, self.acknowledger, self.acknowledged_ms = at, one.author, one.ts_ms
        return ""


def _undone(deeds: Sequence[Action]) -> tuple[set[str], dict[str, str]]:
    """Ids of actions that were taken back, and why an undo takes nothing back, by its id."""
    undone: set[str] = set()
    vain: dict[str, str] = {}
    before: dict[str, Action] = {}
    for one in deeds:
        if one.verb == "undo":
            target = before.get(one.undoes or "")
            if target is None:
                vain[one.action_id] = "there is no such action before it"
            elif target.verb in FOR_GOOD:
                vain[one.action_id] = f"{target.verb} cannot be taken back"
            elif target.action_id in undone:
                vain[one.action_id] = "it was taken back before"
            elif target.author != one.author and ROLES.index(one.role) < ROLES.index("manager"):
                vain[one.action_id] = f"only {target.author} or a manager takes it back"
            else:
                undone.add(target.action_id)
        before[one.action_id] = one
    return undone, vain


def _raised(
    heard: Sequence[Heard], actions: Iterable[Action], place: Mapping[str, int]
) -> tuple[tuple[int, ...], list[int], Action | None]:
    """Which alerts are up, with which alert the card of each one began, and what closed a card last.

    A card begins where nothing was up before. Closing it closes all that its person had seen.
    """
    closings: dict[int, Action] = {}
    for one in actions:
        at = place.get(one.alert_id or "", UNKNOWN)
        if one.verb in CLOSES and at != UNKNOWN:
            closings.setdefault(at, one)
    up: dict[str, int] = {}
    began, last = 0, None
    begins = []
    for at, this in enumerate(heard):
        if this.raises:
            began = at if not up else began
            up[this.machine] = at
        else:
            up.pop(this.machine, None)
        begins.append(began)
        if at in closings:
            up, last = {}, closings[at]
    return tuple(sorted(up.values())), begins, last
