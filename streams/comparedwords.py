"""A comparison of two policies in plain words, for whoever decides on it, and as JSON."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from streams.compared import MAJORITY_PPM, Comparison, Side, day_text
from streams.words import TITLES, money

NO_DIFFERENCE = "No difference: both policies judged every event alike, to the last figure."


def title(subject: str) -> str:
    """What a kind of alert is called, without the customer."""
    return TITLES[f"{subject}_entered"]


def percent(share: float | None) -> str:
    """A share as people read it; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.1f} %"


def summary(found: Comparison) -> Iterator[str]:
    """What the comparison says, the most important first. A is the first policy, B the other."""
    if found.same:
        yield NO_DIFFERENCE
        return
    if found.same_alerts:
        yield "The same customers enter and leave at the same times; only figures within the alerts differ."
    else:
        yield (
            f"In another state at the end ({day_text(found.last_day)}): {found.differs:,} of {found.customers:,} "
            f"customers. {found.only_a:,} transitions happen only under A, {found.only_b:,} only under B."
        )
        yield from _who_moves(found)
    yield from _load(found)
    yield from _worth(found)
    yield from _called(found)
    yield from _money(found)
    yield from _fair(found)
    if found.a.figures["incidents"] or found.b.figures["incidents"]:
        yield (
            f"Waves held back for a person's word: A {_int(found.a, 'incidents')} with "
            f"{_int(found.a, 'held')} alerts, B {_int(found.b, 'incidents')} with {_int(found.b, 'held')}."
        )


def _int(side: Side, name: str) -> str:
    return f"{int(side.figures[name] or 0):,}"


def _who_moves(found: Comparison) -> Iterator[str]:
    for subject, moved in found.moved.items():
        if moved.only_a or moved.only_b:
            yield (
                f"“{title(subject)}”: {len(moved.only_b):,} customers enter only under B, "
                f"{len(moved.only_a):,} only under A, {moved.both:,} under both."
            )


def _load(found: Comparison) -> Iterator[str]:
    a, b = found.a.figures, found.b.figures
    yield (
        f"A sends {a['alerts_per_day']:.2f} alerts a day, B {b['alerts_per_day']:.2f}; the floor can act on "
        f"{found.capacity:,} a day. There are more on {_int(found.a, 'days_over_capacity')} days under A and "
        f"{_int(found.b, 'days_over_capacity')} under B, where {_int(found.a, 'unheard')} and "
        f"{_int(found.b, 'unheard')} alerts find nobody."
    )


def _worth(found: Comparison) -> Iterator[str]:
    if found.window.why is not None:
        yield f"How right the alerts were cannot be said: {found.window.why}."
        return
    a, b = found.a.figures, found.b.figures
    since, until = day_text(found.window.first), day_text(found.window.last)
    if not a["told_of"] and not b["told_of"]:
        yield f"From {since} to {until}, of which outcomes are known, neither told of anybody at risk of leaving."
        return
    yield (
        f"From {since} to {until} A told of {_int(found.a, 'told_of')} customers at risk of leaving and B of "
        f"{_int(found.b, 'told_of')}. Hindsight says that {percent(a['precision'])} and {percent(b['precision'])} "
        f"of them left within 90 days; {percent(a['in_time'])} and {percent(b['in_time'])} left, and could still "
        "be kept when the alert came."
    )
    if a["recall"] is not None and b["recall"] is not None:
        days = [f"{one:.0f} days" if one is not None else "–" for one in (a["lead_days"], b["lead_days"])]
        yield (
            f"Of all who left, A had warned of {percent(a['recall'])} ({days[0]} before), "
            f"B of {percent(b['recall'])} ({days[1]} before)."
        )
    yield (
        f"The risks are off by {percent(a['calibration_error'])} in the mean under A "
        f"and {percent(b['calibration_error'])} under B."
    )


def _called(found: Comparison) -> Iterator[str]:
    """What people's labels say; nothing where there are none."""
    if not found.labels:
        return
    for name, side in (("A", found.a), ("B", found.b)):
        one = side.figures
        if not one["labelled"]:
            yield f"Of {found.labels:,} labels none is about an alert that {name} raises."
            continue
        yield (
            f"People labelled {percent(one['label_coverage'])} of the alerts that {name} raises and called "
            f"{percent(one['label_precision'])} of these right (with 95 % confidence "
            f"{percent(one['label_precision_low'])} to {percent(one['label_precision_high'])}); {name} raises "
            f"{percent(one['label_kept'])} of what they called right, and not {percent(one['label_dropped'])} of "
            "what they called not right."
        )


def _money(found: Comparison) -> Iterator[str]:
    savable = [money(round(one.figures["savable_cents"] or 0), found.currency) for one in (found.a, found.b)]
    cost = [money(round(one.figures["gesture_cents"] or 0), found.currency) for one in (found.a, found.b)]
    yield (
        f"What those alerts say can be saved: {savable[0]} under A, {savable[1]} under B; "
        f"the gestures advised would cost {cost[0]} and {cost[1]}."
    )


def _fair(found: Comparison) -> Iterator[str]:
    for name, side in (("A", found.a), ("B", found.b)):
        entered = int(side.figures["value_destroyer_entered"] or 0)
        if not entered:
            yield f"Under {name} nobody enters as costing more than they bring."
            continue
        majority = int(side.figures["company_majority"] or 0)
        warned = "none of them" if not majority else f"{majority} OF THEM, WHICH IS UNFAIR"
        yield (
            f"Under {name} {entered:,} enter as costing more than they bring. We caused "
            f"{percent(side.figures['company_share'])} of their cost ourselves, at most "
            f"{percent(side.figures['most_company_share'])}; {MAJORITY_PPM // 10_000} % or more of it: {warned}."
        )


def as_map(found: Comparison) -> dict[str, Any]:
    """The comparison as it is written to JSON."""
    known = found.window.why is None
    return {
        "summary": list(summary(found)),
        **{
            name: getattr(found, name)
            for name in (
                *("same", "same_alerts", "events", "customers", "capacity", "differs", "only_a", "only_b"),
                "labels",
            )
        },
        "first_day": day_text(found.first_day),
        "last_day": day_text(found.last_day),
        "outcomes": {
            "known": known,
            "why_not": found.window.why,
            "first_day": day_text(found.window.first) if known else None,
            "last_day": day_text(found.window.last) if known else None,
        },
        "a": _side(found.a, found.look_days),
        "b": _side(found.b, found.look_days),
        "moved": {
            name: {"only_a": list(one.only_a), "only_b": list(one.only_b), "both": one.both}
            for name, one in found.moved.items()
        },
        "segments": [
            {"segment": one.name, "customers": one.customers}
            | {"entered": {name: {"a": a, "b": b} for name, (a, b) in one.entered.items()}}
            for one in found.segments
        ],
    }


def as_json(found: Comparison) -> str:
    """``as_map`` as text."""
    return json.dumps(as_map(found), indent=2, ensure_ascii=False) + "\n"


def _side(one: Side, look_days: Sequence[int]) -> dict[str, Any]:
    return {
        "policy": {"name": one.name, "version": one.version, "digest": one.digest},
        "figures": one.figures,
        "tenths": [bin_._asdict() for bin_ in one.tenths],
        "alerts_by_day": {day_text(day): count for day, count in sorted(one.by_day.items())},
        "in_state": {
            name: {day_text(day): count for day, count in zip(look_days, counts, strict=False)}
            for name, counts in one.in_state.items()
        },
        "said": [
            {"subject": subject, "moment": moment, **counts._asdict()}
            for (subject, moment), counts in one.said.items()
        ],
    }
