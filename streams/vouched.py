"""What people's words on past alerts say of the alerts of a policy that raises some of them, and others.

A label is a word on one alert. It speaks of another policy's alert where that is the same about the same customer
within days. What nobody labelled, a policy that raises more above all, stays unknown: the coverage says how much.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import NamedTuple

from schemas.events import DAY_MS
from streams.backtest import Told
from streams.desk.labels import Label, interval

WITHIN_MS = 7 * DAY_MS
"""So far apart an alert and a label may lie and still be about the same."""

FIGURES = (
    "labelled",
    "label_coverage",
    "label_precision",
    "label_precision_low",
    "label_precision_high",
    "label_kept",
    "label_dropped",
)
Subject = tuple[str, str | None]


class Vouched(NamedTuple):
    """Of one kind of alert and its moment: how many alerts there are, have a label, and were called right."""

    alerts: int
    labelled: int
    right: int


def vouched(
    alerts: Sequence[Told], labels: Sequence[Label]
) -> tuple[dict[str, float | None], dict[Subject, Vouched]]:
    """The figures of one policy, and what they are made of; ``alerts`` are those that ask for something.

    kept     of the labels that call an alert right, the share whose alert this policy raises
    dropped  of those that call it not right, the share whose alert it does not raise
    """
    free: dict[tuple[str, str, str | None], list[tuple[int, int]]] = {}
    found: dict[Subject, list[int]] = {}
    for at, one in enumerate(alerts):
        insort(free.setdefault((one.customer_id, one.subject, one.moment), []), (one.ts_ms, at))
        found.setdefault((one.subject, one.moment), [0, 0, 0])[0] += 1
    met = {True: 0, False: 0}
    for label in sorted(labels, key=lambda one: (one.alert_ms, one.alert_id)):
        subject = label.kind.rpartition("_")[0]
        if _take(free.get((label.customer_id, subject, label.moment), []), label.alert_ms):
            counts = found[subject, label.moment]
            counts[1] += 1
            counts[2] += label.right
            met[label.right] += 1
    labelled, right = met[True] + met[False], met[True]
    all_right = sum(one.right for one in labels)
    all_wrong = len(labels) - all_right
    figures: dict[str, float | None] = dict.fromkeys(FIGURES)
    figures["labelled"] = labelled
    figures["label_coverage"] = labelled / len(alerts) if alerts else None
    figures["label_kept"] = right / all_right if all_right else None
    figures["label_dropped"] = 1.0 - met[False] / all_wrong if all_wrong else None
    if labelled:
        figures["label_precision"] = right / labelled
        figures["label_precision_low"], figures["label_precision_high"] = interval(right, labelled)
    return figures, {subject: Vouched(*counts) for subject, counts in sorted(found.items(), key=_by_name)}


def _take(times: list[tuple[int, int]], alert_ms: int) -> bool:
    """Take the free alert next to a time, if there is one within days."""
    after = bisect_left(times, (alert_ms, -1))
    near = [at for at in (after - 1, after) if 0 <= at < len(times)]
    best = min(near, key=lambda at: abs(times[at][0] - alert_ms), default=-1)
    if best < 0 or abs(times[best][0] - alert_ms) > WITHIN_MS:
        return False
    del times[best]
    return True


def _by_name(item: tuple[Subject, list[int]]) -> tuple[str, str]:
    (subject, moment), _ = item
    return subject, moment or ""
