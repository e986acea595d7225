"""What a fit of the 90-day risk found, as settings of a policy, as numbers and as lines of a report."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from kernels.elementary import round_half_even
from schemas.policy import Policy, parse

BAR = 40

Settings = dict[str, dict[str, float]]
"""Settings of a policy, by section and key."""


def merged(*parts: Settings) -> Settings:
    """All of them, in the order in which their sections first appear."""
    out: Settings = {}
    for part in parts:
        for section, values in part.items():
            out.setdefault(section, {}).update(values)
    return out


def toml_of(settings: Settings) -> list[str]:
    """The settings as lines of a policy."""
    lines = []
    for section, values in settings.items():
        lines += ["", f"[{section}]", *(f"{key} = {value!r}" for key, value in values.items())]
    return lines


def policy_of(settings: Settings) -> Policy:
    """A policy that says no more than these settings."""
    return parse("\n".join(toml_of(settings)), "the fitted policy")


class Weighed(NamedTuple):
    """One coefficient: fitted, what the default says, its standard error, and the term's mean (0 for evidence)."""

    name: str
    weight: float
    default: float
    error: float
    mean: float


class Bin(NamedTuple):
    """A part of the customers held out, in the order of their risk: how many, expected to leave, and who did."""

    customers: int
    expected: float
    left: float


@dataclass(slots=True)
class RiskFit:
    """What was learned. ``refused`` says why nothing of it is taken; then only the figures stand."""

    leavers: float
    base_hazard_per_day: float
    evidence: list[Weighed]
    intercept: float
    terms: list[Weighed]
    samples: int = 0
    auc: float = 0.5
    default_auc: float = 0.5
    loss: float = 0.0
    default_loss: float = 0.0
    calibration_error: float = 0.0
    default_calibration_error: float = 0.0
    bins: tuple[Bin, ...] = ()
    refused: str | None = None

    def settings(self) -> dict[str, dict[str, float]]:
        """The fitted settings of a policy, by section."""
        if self.refused is not None:
            return {}
        told: dict[str, dict[str, float]] = {"churn": {"base_hazard_per_day": self.base_hazard_per_day}}
        told |= {f"evidence.{one.name}": {"weight": one.weight} for one in self.evidence}
        told["risk"] = {"intercept": self.intercept}
        told |= {f"risk.{one.name}": {"weight": one.weight, "mean": one.mean} for one in self.terms}
        return told

    def as_map(self) -> dict[str, Any]:
        """The fit as numbers."""
        return {
            "refused": self.refused,
            "leavers": self.leavers,
            "samples": self.samples,
            "auc": self.auc,
            "default_auc": self.default_auc,
            "log_loss": self.loss,
            "default_log_loss": self.default_loss,
            "calibration_error": self.calibration_error,
            "default_calibration_error": self.default_calibration_error,
            "base_hazard_per_day": self.base_hazard_per_day,
            "intercept": self.intercept,
            "evidence": [one._asdict() for one in self.evidence],
            "terms": [one._asdict() for one in self.terms],
            "bins": [one._asdict() for one in self.bins],
        }

    def markdown(self) -> list[str]:
        """The fit as lines of Markdown."""
        lines = ["", "## Risk of leaving", ""]
        if self.refused is not None:
            return [*lines, f"Not taken, the defaults stand: {self.refused}."]
        held = sum(one.customers for one in self.bins)
        lines += [
            (
                f"In hindsight {self.leavers:.0f} customers left. Learned from {self.samples} looks at customers "
                f"and tried on the {held} newest of them, left aside for the trial. Who left is itself "
                "hindsight, a probability each."
            ),
            "",
            *self._trial(),
            "",
            *_picture_of_bins(self.bins),
            "",
            (
                f"Hazard without any failure: {365 * self.base_hazard_per_day:.1%} a year. Below, z is the weight "
                "over its standard error; a dash says that the history tells nothing of it, so that the default "
                "stands, or that the weight stands at its bound."
            ),
            "",
            *_table_of_weights("evidence in the hazard", self.evidence, means=False),
            "",
            f"Log-odds of the risk, intercept {self.intercept:g}:",
            "",
            *_table_of_weights("term", self.terms, means=True),
        ]
        return lines

    def _trial(self) -> list[str]:
        """The figures of the trial beside those of the defaults."""
        return [
            "| left aside | fitted | defaults |",
            "|---|---:|---:|",
            f"| AUC, more is better | {self.auc:.3f} | {self.default_auc:.3f} |",
            f"| log loss, less is better | {self.loss:.4f} | {self.default_loss:.4f} |",
            (
                f"| calibration error, less is better | {self.calibration_error:.4f} "
                f"| {self.default_calibration_error:.4f} |"
            ),
        ]


def error_of(parts: Sequence[Bin]) -> float:
    """Mean distance of what was expected from what came."""
    return sum(abs(one.expected - one.left) for one in parts) / max(1, sum(one.customers for one in parts))


def _picture_of_bins(parts: Sequence[Bin]) -> list[str]:
    """Hindsight share of leavers by tenth of the risk as a bar, and a mark on it where they were expected."""
    most = max((max(one.expected, one.left) / one.customers for one in parts), default=0.0)
    lines = ["```", "tenth  customers  expected    left  # left, | expected"]
    for number, one in enumerate(parts, 1):
        expected, left = one.expected / one.customers, one.left / one.customers
        bar = "#" * _signs(left, most)
        at = _signs(expected, most)
        picture = f"{bar:{at}}"[:at] + "|" + bar[at:]
        lines.append(f"{number:5}  {one.customers:9}  {expected:8.1%}  {left:6.1%}  {picture}")
    return [*lines, "```"]


def _signs(share: float, most: float) -> int:
    """How long the bar of a share is, the longest being ``BAR``."""
    return round_half_even(BAR * share / most) if most > 0.0 else 0


def _table_of_weights(head: str, found: Sequence[Weighed], *, means: bool) -> list[str]:
    """One line a coefficient; z is weight over standard error, a dash at a bound or where it is the default."""
    lines = [f"| {head} | weight | default | z |" + (" mean |" if means else "")]
    lines.append("|---|---:|---:|---:|" + ("---:|" if means else ""))
    for one in found:
        z = f"{one.weight / one.error:.1f}" if one.error > 0.0 and one.weight != one.default else "–"
        line = f"| {one.name} | {one.weight:g} | {one.default:g} | {z} |"
        lines.append(line + (f" {one.mean:.3g} |" if means else ""))
    return lines
