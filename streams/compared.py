"""Two judgements of the same events side by side: the figures of each, and who moved."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas.codes import ALERT_NAMES, Fault, Machine
from streams.backtest import Judged, Told
from streams.desk.labels import Label
from streams.hindsighted import FIGURES as KNOWN_LATER
from streams.hindsighted import Hindsight, Window
from streams.riskreport import Bin
from streams.vouched import FIGURES as BY_LABEL
from streams.vouched import Subject, Vouched, vouched

SUBJECTS = tuple(ALERT_NAMES.values())
MAJORITY_PPM = 500_000
COUNTED = (
    *("alerts", "alerts_per_day", "most_alerts_a_day", "days_over_capacity", "unheard", "held", "incidents"),
    *("holds", "at_risk_cents", "savable_cents", "gesture_cents", "gesture_saves_cents", "destroyer_year_cents"),
    *("company_share", "most_company_share", "company_majority", "company_cost_share"),
)
ENTERED = tuple(f"{subject}_entered" for subject in SUBJECTS)
FIGURES = (*COUNTED, *ENTERED, *KNOWN_LATER, *BY_LABEL)
"""Every figure of a policy, by name; None where there is nothing to take it from."""

Figures = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Moved:
    """Who entered the states of one kind of alert: under the first policy alone, the other alone, and both."""

    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    both: int


@dataclass(frozen=True, slots=True)
class Side:
    """One policy in the comparison."""

    name: str
    version: int
    digest: str
    figures: Figures
    tenths: tuple[Bin, ...]
    by_day: dict[int, int]
    in_state: dict[str, list[int]]
    said: dict[Subject, Vouched]


@dataclass(frozen=True, slots=True)
class Segment:
    """How often customers of one segment enter, under each policy, by kind of alert."""

    name: str
    customers: int
    entered: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything a backtest has to say.

    same         no alert, no figure in one and no row differs; ``same_alerts``: none comes, goes or moves
    differs      customers who stand in another state at the end
    only_a       transitions that happen, at their time, only under the first policy; ``only_b`` the other
    labels       how many words of people on alerts there are
    late         events that stand in the file behind one of a later hour
    """

    events: int
    customers: int
    first_day: int
    last_day: int
    look_days: tuple[int, ...]
    capacity: int
    currency: str
    window: Window
    a: Side
    b: Side
    same: bool
    same_alerts: bool
    differs: int
    only_a: int
    only_b: int
    moved: dict[str, Moved]
    segments: tuple[Segment, ...]
    labels: int = 0
    late: int = 0


def day_text(day: int) -> str:
    """A UTC day, as in 2025-12-01."""
    return str(np.datetime64(day, "D"))


def compare(
    a: Judged,
    b: Judged,
    capacity: int | None = None,
    segments: Mapping[str, str] | None = None,
    currency: str = "USD",
    labels: Sequence[Label] = (),
) -> Comparison:
    """Compare two judgements of the same events.

    capacity  alerts a day that the floors can act on; None is the first policy's ``[service] budget_per_day``
    segments  the segment of each customer that has one
    labels    what people said of alerts that were raised live, under whichever policy
    """
    if capacity is None:
        capacity = int(a.rules.record["service_budget_per_day"][0])
    hindsight = Hindsight(a, b)
    first = min(look.day for part in a.parts for look in part.looks)
    last = max(part.looks[-1].day for part in a.parts)
    days = max(1, last - first)
    sides = [_of(one, capacity, days, hindsight, labels) for one in (a, b)]
    ours, theirs = _transitions(a.produced), _transitions(b.produced)
    moved = {subject: _moved(subject, a, b) for subject in SUBJECTS}
    return Comparison(
        events=a.events,
        customers=sum(len(part.names) for part in a.parts),
        first_day=first,
        last_day=last,
        look_days=tuple(look.day for look in a.parts[0].looks),
        capacity=capacity,
        currency=currency,
        window=hindsight.window,
        a=sides[0],
        b=sides[1],
        same=a.produced == b.produced and a.out == b.out and a.rows_digest == b.rows_digest,
        same_alerts=ours == theirs and a.held == b.held,
        differs=_differs(a, b),
        only_a=(ours - theirs).total(),
        only_b=(theirs - ours).total(),
        moved=moved,
        segments=tuple(_segments(a, b, segments or {})),
        labels=len(labels),
        late=a.late,
    )


def _transitions(alerts: Iterable[Told]) -> Counter[tuple[Any, ...]]:
    return Counter((one.ts_ms, one.customer_id, one.kind, one.moment, one.state_after) for one in alerts)


def heard_of(alerts: Sequence[Told], capacity: int) -> list[Told]:
    """The alerts for which the floor has time: of each day those that can save most; a clearing takes none."""
    days: dict[int, list[Told]] = {}
    for one in alerts:
        if one.change != "cleared":
            days.setdefault(one.day, []).append(one)
    found: list[Told] = []
    for day in sorted(days):
        first = sorted(days[day], key=lambda one: (-one.savable_cents, one.customer_id, one.kind))[:capacity]
        found += sorted(first, key=lambda one: (one.ts_ms, one.customer_id))
    return found


def _of(judged: Judged, capacity: int, days: int, hindsight: Hindsight, labels: Sequence[Label]) -> Side:
    asking = [one for one in judged.out if one.change != "cleared"]
    by_day = Counter(one.day for one in asking)
    heard = heard_of(judged.out, capacity)
    figures: Figures = {
        "alerts": len(asking),
        "alerts_per_day": len(asking) / days,
        "most_alerts_a_day": max(by_day.values(), default=0),
        "days_over_capacity": sum(count > capacity for count in by_day.values()),
        "unheard": len(asking) - len(heard),
        "held": judged.held,
        "incidents": len(judged.incidents),
        "holds": judged.holds,
        "at_risk_cents": sum(one.at_risk_cents for one in heard if one.kind == "churn_risk_entered"),
        "savable_cents": sum(one.savable_cents for one in heard if one.kind == "churn_risk_entered"),
        "gesture_cents": sum(one.gesture_cents for one in heard),
        "gesture_saves_cents": sum(one.gesture_saves_cents for one in heard),
        **_fairness(judged),
    }
    entered = Counter(one.kind for one in judged.produced if one.change == "entered")
    figures |= {name: entered[name] for name in ENTERED}
    known, tenths = hindsight.figures(judged, heard)
    by_label, said = vouched(asking, labels) if labels else (dict.fromkeys(BY_LABEL), {})
    rules = judged.rules
    in_state = {
        name: [_count(judged, at, machine) for at in range(len(judged.parts[0].looks))]
        for machine, name in ALERT_NAMES.items()
    }
    figures |= known | by_label
    return Side(judged.name, rules.version, rules.digest, figures, tenths, dict(by_day), in_state, said)


def _count(judged: Judged, at: int, machine: Machine) -> int:
    """How many were not at rest at a look."""
    return sum(int((part.states[at][:, machine] != 0).sum()) for part in judged.parts if at < len(part.states))


def _fairness(judged: Judged) -> Figures:
    """How much of the cost was our own doing, of those who entered as costing more than they bring."""
    entered = [one for one in judged.produced if one.kind == "value_destroyer_entered"]
    shares = [one.company_share_ppm for one in entered]
    costs = np.zeros(len(Fault), np.int64)
    for part in judged.parts:
        costs += part.costs[part.states[-1][:, Machine.VALUE] != 0].sum(axis=0)
    whole = int(costs.sum())
    return {
        "destroyer_year_cents": sum(one.expected_year_cents for one in entered),
        "company_share": sum(shares) / len(shares) / 1e6 if shares else None,
        "most_company_share": max(shares) / 1e6 if shares else None,
        "company_majority": sum(share >= MAJORITY_PPM for share in shares),
        "company_cost_share": int(costs[Fault.COMPANY]) / whole if whole else None,
    }


def _who_entered(judged: Judged, subject: str) -> set[str]:
    return {one.customer_id for one in judged.produced if one.kind == f"{subject}_entered"}


def _moved(subject: str, a: Judged, b: Judged) -> Moved:
    ours, theirs = _who_entered(a, subject), _who_entered(b, subject)
    return Moved(tuple(sorted(ours - theirs)), tuple(sorted(theirs - ours)), len(ours & theirs))


def _differs(a: Judged, b: Judged) -> int:
    """How many customers stand in another state at the end."""
    last: dict[str, list[int]] = {}
    for part in a.parts:
        last.update(zip(part.names, part.states[-1].tolist(), strict=True))
    found = 0
    for part in b.parts:
        found += sum(
            last.get(name) != states for name, states in zip(part.names, part.states[-1].tolist(), strict=True)
        )
    return found


def _segments(a: Judged, b: Judged, segment_of: Mapping[str, str]) -> Iterator[Segment]:
    if not segment_of:
        return
    size = Counter(segment_of.get(name, "(none)") for part in a.parts for name in part.names)
    entered: dict[str, Counter[str]] = {}
    for side, judged in (("a", a), ("b", b)):
        for subject in SUBJECTS:
            who = _who_entered(judged, subject)
            entered[side + subject] = Counter(segment_of.get(name, "(none)") for name in who)
    for name in sorted(size):
        yield Segment(
            name, size[name], {one: (entered["a" + one][name], entered["b" + one][name]) for one in SUBJECTS}
        )
