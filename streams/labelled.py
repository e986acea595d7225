"""What people's words on alerts teach: how right each kind was, and from which border on it is right enough.

Only what was alerted has a label. So nothing here speaks of customers below the border that was in force, and no
label touches the 90-day risk: an alert can be right, and the customer kept by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor
from typing import Any, NamedTuple

import numpy as np

from schemas.policy import Policy
from streams.desk.labels import Label, Said, interval, summed
from streams.fitrisk import auc
from streams.riskreport import Settings, merged
from streams.witness import Standing

LEAST_LABELS = 30
"""So many labels must lie at or above a border before anything is said of it."""

BANDS = 5
PERCENT = 0.01


class Border(NamedTuple):
    """A border that is one probability: whose alerts it lets in, its settings, and what is held against it."""

    subject: str
    section: str
    score: str
    called: str
    above: str | None

    @property
    def setting(self) -> str:
        """The border's name in a policy."""
        return f"{self.section}.enter_probability"


BORDERS = (
    Border("churn_risk", "churn", "risk_ppm", "90-day risk", "churn_high_probability"),
    Border("value_destroyer", "value", "p_negative_ppm", "chance that they cost more than they bring", None),
)


class Part(NamedTuple):
    """Labelled customers between two scores: how many, and how many of their alerts were called right."""

    low: float
    high: float
    labelled: int
    right: int

    def as_map(self) -> dict[str, Any]:
        """As JSON holds it."""
        share = self.right / self.labelled if self.labelled else None
        least, most = interval(self.right, self.labelled)
        return {
            "from": self.low, "to": self.high, "labelled": self.labelled, "right": self.right, "precision": share,
            "low": least, "high": most,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """What labels say of one border.

    bands  equal parts of the labelled by their score
    above  what lies at or above each border that was tried, from the highest down
    rank   chance that a right alert scored above one that was not; None where all were called alike
    value  the border to enter at; None where ``why`` says that there is none to propose
    """

    border: Border
    customers: int
    bands: tuple[Part, ...]
    above: tuple[Part, ...]
    rank: float | None
    value: float | None
    why: str

    def as_map(self) -> dict[str, Any]:
        """As numbers."""
        return {
            "setting": self.border.setting,
            "customers": self.customers,
            "rank": self.rank,
            "value": self.value,
            "why_not": self.why or None,
            "bands": [one.as_map() for one in self.bands],
            "above": [one.as_map() for one in self.above],
        }

    def markdown(self, target: float | None) -> list[str]:
        """As lines of Markdown; of the borders that were tried every fifth, the last and the one proposed."""
        lines = ["", f"### {self.border.setting}", ""]
        if target is not None:
            lines += [f"{self._verdict(target)}", ""]
        ranked = (
            ""
            if self.rank is None
            else f" A right one scored above one that was not with a chance of {self.rank:.2f}."
        )
        lines += [
            (
                f"The newest label of each of {self.customers} customers, by their {self.border.called} then, "
                f"under the fitted policy.{ranked}"
            ),
            "",
            "| score | labelled | right | share | 95 % between |",
            "|---|---:|---:|---:|---:|",
            *(f"| {one.low:.3f} to {one.high:.3f} | {_counted(one.labelled, one.right)} |" for one in self.bands),
        ]
        last = len(self.above) - 1
        shown = [
            one for at, one in enumerate(self.above)
            if at == last or one.low == self.value or round(one.low * 100) % 5 == 0
        ]  # fmt: skip
        return lines + [f"| {one.low:.2f} and above | {_counted(one.labelled, one.right)} |" for one in shown]

    def _verdict(self, target: float) -> str:
        if self.value is None:
            return f"No border is proposed: {self.why}."
        return (
            f"Proposed: {self.value:.2f}. From there on the alerts that people label are right in at least "
            f"{target:.0%}; the chance that this is not so is one in forty."
        )


def _counted(labelled: int, right: int) -> str:
    low, high = interval(right, labelled)
    return f"{labelled} | {right} | {right / max(1, labelled):.1%} | {low:.1%} to {high:.1%}"


@dataclass(frozen=True, slots=True)
class Labelled:
    """Everything that labels have to say to a fit. ``target``: how often an alert must be right, if asked for."""

    labels: int
    unknown: int
    said: tuple[Said, ...]
    borders: tuple[Finding, ...]
    target: float | None

    def settings(self) -> Settings:
        """The borders that are proposed, as settings of a policy."""
        found = [one for one in self.borders if one.value is not None]
        return merged(*({one.border.section: {"enter_probability": one.value or 0.0}} for one in found))

    def warnings(self) -> list[str]:
        """What the report warns of, in sentences."""
        found = []
        if not self.labels:
            found.append("No label counts: all of them were given later than this fit may know.")
        if self.unknown:
            found.append(
                f"Of {self.unknown} labels the history lacks the customer, or ends before; no border heeds them."
            )
        if self.target is None:
            return found
        missing = [one for one in self.borders if one.value is None]
        return found + [f"No {one.border.setting} is proposed: {one.why}." for one in missing]

    def as_map(self) -> dict[str, Any]:
        """As numbers."""
        return {
            "labels": self.labels,
            "unknown": self.unknown,
            "target": self.target,
            "said": [one.as_map() for one in self.said],
            "borders": [one.as_map() for one in self.borders],
        }

    def markdown(self) -> list[str]:
        """As lines of Markdown."""
        lines = [
            "",
            "## What people said of the alerts",
            "",
            (
                f"{self.labels} alerts were called right or not right on the desk. Only alerts have labels, and "
                "only those that somebody closed: the figures speak of these, and not of customers who were never "
                "alerted. Right does not mean left: the 90-day risk learns nothing from labels."
            ),
            "",
            "| alert | labelled | right | share | 95 % between |",
            "|---|---:|---:|---:|---:|",
        ]
        for one in self.said:
            about = one.kind if one.moment is None else f"{one.kind}, {one.moment}"
            lines.append(f"| {about} | {_counted(one.labelled, one.right)} |")
        if self.short:
            named = ", ".join(one.moment or one.kind for one in self.short)
            lines += ["", f"Less often right than the {self.target:.0%} asked for, chance allowed for: {named}."]
        for found in self.borders:
            lines += found.markdown(self.target)
        return lines

    @property
    def short(self) -> list[Said]:
        """Kinds and moments that are right less often than was asked, chance allowed for."""
        return [one for one in self.said if self.target is not None and one.bounds[1] < self.target]


def learn(
    labels: Sequence[Label], standings: Sequence[Standing | None], policy: Policy, target: float | None
) -> Labelled:
    """What the labels say under ``policy``.

    standings  how each label's customer stood under it when the alert was raised; None for whom nobody knows
    target     the share of right alerts that the border must reach
    """
    found = []
    for border in BORDERS:
        newest: dict[str, tuple[float, bool]] = {}
        for label, stood in zip(labels, standings, strict=True):
            if stood is not None and label.kind.startswith(f"{border.subject}_"):
                newest[label.customer_id] = getattr(stood, border.score) / 1e6, label.right
        if newest:
            scores, right = zip(*(newest[one] for one in sorted(newest)), strict=True)
            found.append(finding_of(border, scores, right, policy, target))
    return Labelled(
        len(labels), sum(one is None for one in standings), tuple(summed(labels)), tuple(found), target
    )


def finding_of(
    border: Border, scores: Sequence[float], right: Sequence[bool], policy: Policy, target: float | None
) -> Finding:
    """Find the lowest border from which on alerts are right as often as ``target`` asks, and show it by trying.

    Borders are tried from the highest down, each against Wilson's lower bound, and the first that fails ends it.
    As their order is fixed beforehand, the proposed border falls short of the target in one history of forty,
    however many were tried (fixed sequence testing; Maurer, Hothorn and Lehmacher 1995).
    """
    x, y = np.asarray(scores, np.float64), np.asarray(right, np.float64)
    rules = policy.record[0]
    least = max(
        floor(float(x.min()) / PERCENT), round(float(rules[f"{border.section}_clear_probability"]) * 100) + 1
    )
    most = 99 if border.above is None else round(float(rules[border.above]) * 100) - 1
    tried = [_above(percent / 100, x, y) for percent in range(most, least - 1, -1)]
    tried = [one for one in tried if one.labelled >= LEAST_LABELS]
    rank = auc(x, y) if 0.0 < y.sum() < y.size else None
    value, why = _proposed(tried, x.size, target)
    return Finding(border, x.size, _bands(x, y), tuple(tried), rank, value, why)


def _above(border: float, x: Any, y: Any) -> Part:
    here = x >= border - 1e-9
    return Part(border, 1.0, int(here.sum()), int(y[here].sum()))


def _proposed(tried: Sequence[Part], labelled: int, target: float | None) -> tuple[float | None, str]:
    if target is None:
        return None, "no precision was asked for"
    if not tried:
        return None, f"{labelled} labelled customers are too few: {LEAST_LABELS} must lie at or above a border"
    passed = 0
    while passed < len(tried) and interval(tried[passed].right, tried[passed].labelled)[0] >= target:
        passed += 1
    if passed == 0:
        return (
            None,
            f"at the highest border with {LEAST_LABELS} labels, {tried[0].low:.2f}, it is not sure to be reached",
        )
    if passed == len(tried):
        return (
            None,
            "every alert that was labelled reaches it; of lower borders no label can tell, as nobody was alerted",
        )
    return tried[passed - 1].low, ""


def _bands(x: Any, y: Any) -> tuple[Part, ...]:
    order = np.argsort(x, kind="stable")
    edges = np.linspace(0, x.size, BANDS + 1).round().astype(int).tolist()
    parts = [order[first:end] for first, end in pairwise(edges) if end > first]
    return tuple(Part(float(x[one].min()), float(x[one].max()), one.size, int(y[one].sum())) for one in parts)
