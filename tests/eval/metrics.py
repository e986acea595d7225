"""Figures of merit, each a function of plain arrays: a test can hand it a score it knows everything about."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]
Flags = NDArray[np.bool_]
Figures = dict[str, float | None]

BINS = 15
AHEAD_DAYS = 90
STILL_TO_SAVE_DAYS = 30
FLAP_DAYS = 90
WARM_UP_DAYS = 28

SCORE_METRICS = ("auc", "ap", "ece")
ALERT_METRICS = ("alerts_per_1000_week", "precision", "recall", "actionable", "lead_days", "flapping")
DESTROYER_METRICS = ("destroyer_precision", "victims_mislabelled", "reentries", "company_share_error")
METRICS = (*SCORE_METRICS, *ALERT_METRICS, *DESTROYER_METRICS)


class Episode(NamedTuple):
    """One alert that stood: whose, from when, until when (days; infinity if it never ended)."""

    who: int
    start: float
    end: float


def auc(score: Column, happened: Flags) -> float | None:
    """Chance that one to whom it happened scores above one to whom it did not; ties count half."""
    yes = int(happened.sum())
    no = happened.size - yes
    if yes == 0 or no == 0:
        return None
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    rank = (ends - (count - 1) / 2)[place]
    return float((rank[happened].sum() - yes * (yes + 1) / 2) / (yes * no))


def average_precision(score: Column, happened: Flags) -> float | None:
    """Precision at each rise of recall, averaged; equal scores come in together."""
    if not happened.any():
        return None
    order = np.argsort(-score, kind="stable")
    found = np.cumsum(happened[order])
    last = np.append(np.diff(score[order]) != 0, True)
    found, seen = found[last], np.flatnonzero(last) + 1
    gained = np.diff(found, prepend=0)
    return float((gained * found / seen).sum() / found[-1])


def calibration_error(chance: Column, happened: Flags, bins: int = BINS) -> float:
    """Mean distance of the forecast from what happened, over bins of equal numbers in the forecast's order."""
    order = np.argsort(chance, kind="stable")
    parts = [part for part in np.array_split(order, bins) if part.size]
    return float(sum(part.size * abs(chance[part].mean() - happened[part].mean()) for part in parts) / order.size)


def scored(score: Column, happened: Flags, is_chance: bool) -> Figures:
    """The three figures of a score; calibration only where the score is a probability."""
    return {
        "auc": auc(score, happened),
        "ap": average_precision(score, happened),
        "ece": calibration_error(score, happened) if is_chance else None,
    }


def alerted(episodes: Sequence[Episode], active: Mapping[int, Flags], left_day: NDArray[np.int64]) -> Figures:
    """What the alerts of a window are worth.

    episodes  all that ever stood, also those from before the window
    active    by day of look, a week apart: who is a customer then, by number; the first and last are the window
    left_day  by number; a customer of day d leaves at its end
    """
    days = sorted(active)
    first, last = days[0], days[-1]
    gone_at = left_day + 1.0

    def is_active(who: int, at: float) -> bool:
        look = days[max(0, int(np.searchsorted(days, at, side="right")) - 1)]
        return bool(active[look][who])

    entries = [one for one in episodes if first < one.start <= last and is_active(one.who, one.start)]
    weeks = sum(int(active[day].sum()) for day in days[1:])
    came_true = [one for one in entries if gone_at[one.who] <= one.start + AHEAD_DAYS]
    in_time = [one for one in came_true if gone_at[one.who] > one.start - STILL_TO_SAVE_DAYS]
    within = np.flatnonzero((gone_at > first + WARM_UP_DAYS) & (gone_at <= last)).tolist()
    leavers = [who for who in within if is_active(who, gone_at[who] - 1)]
    leads: dict[int, float] = {}
    for one in episodes:
        if one.start < gone_at[one.who] <= min(one.end, one.start + AHEAD_DAYS):
            leads[one.who] = gone_at[one.who] - one.start
    caught = [leads[who] for who in leavers if who in leads]
    return {
        "alerts_per_1000_week": 1000 * len(entries) / weeks if weeks else None,
        "precision": len(came_true) / len(entries) if entries else None,
        "recall": len(caught) / len(leavers) if leavers else None,
        "actionable": len(in_time) / len(entries) if entries else None,
        "lead_days": float(np.median(caught)) if caught else None,
        "flapping": _flapping(episodes, entries),
    }


def _flapping(episodes: Sequence[Episode], entries: Sequence[Episode]) -> float | None:
    """Share of entries that follow another of the same customer within 90 days."""
    if not entries:
        return None
    starts: dict[int, list[float]] = {}
    for one in episodes:
        starts.setdefault(one.who, []).append(one.start)
    again = sum(any(0 < one.start - start <= FLAP_DAYS for start in starts[one.who]) for one in entries)
    return again / len(entries)


def labelled(
    looks: Sequence[tuple[Flags, Flags]], destroys: Flags, victims: Flags, entered: Mapping[int, int]
) -> Figures:
    """What a value-destroyer label is worth, over customers and looks together.

    looks    at each: who carries the label, who is a customer, by number
    entered  by number: how often the label was given in all
    """
    given = right = blamed = innocent = 0
    for label, active in looks:
        given += int((label & active).sum())
        right += int((label & active & destroys).sum())
        blamed += int((label & active & victims).sum())
        innocent += int((active & victims).sum())
    return {
        "destroyer_precision": right / given if given else None,
        "victims_mislabelled": blamed / innocent if innocent else None,
        "reentries": sum(entered.values()) / len(entered) - 1 if entered else None,
    }


def share_error(judged_cents: Column, true_cents: Column, least_cents: float = 5_000) -> float | None:
    """Mean distance of the company's share of cost from the truth, over customers who cost at least $50.

    judged_cents, true_cents  (n, 2): the company's, all
    """
    dear = (true_cents[:, 1] >= least_cents) & (judged_cents[:, 1] > 0)
    if not dear.any():
        return None
    ours = judged_cents[dear, 0] / judged_cents[dear, 1]
    return float(np.abs(ours - true_cents[dear, 0] / true_cents[dear, 1]).mean())


def spread(values: Sequence[float | None]) -> dict[str, float | None]:
    """Mean and standard deviation (n - 1) over seeds; seeds that have no value are left out."""
    known = [value for value in values if value is not None]
    if not known:
        return {"mean": None, "sd": None}
    sd = float(np.std(known, ddof=1)) if len(known) > 1 else 0.0
    return {"mean": float(np.mean(known)), "sd": sd}
