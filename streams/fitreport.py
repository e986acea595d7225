"""What a fit found, as a piece of policy, as Markdown and as JSON: the same fit, the same bytes."""

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from math import fsum
from typing import Any

from streams.labelled import Labelled
from streams.riskreport import RiskFit, Settings, merged, toml_of

EPOCH = date(1970, 1, 1).toordinal()
PURCHASE_KEYS = ("purchase_shape", "purchase_scale_weeks", "leave_a", "leave_b")
SPEND_KEYS = ("spend_p", "spend_q", "spend_v_cents")


@dataclass(frozen=True, slots=True)
class Fitted:
    """The values of one model as a policy states them, and the log-likelihood with them and with the defaults."""

    values: tuple[float, ...]
    log_likelihood: float
    default_log_likelihood: float


@dataclass(frozen=True, slots=True)
class Decile:
    """A tenth of the customers in the order of what was expected of them, the most first."""

    customers: int
    expected: float
    actual: int


@dataclass(frozen=True, slots=True)
class HoldOut:
    """Purchase days expected after the cut, from what was known up to it, and those that came."""

    cut_day: int
    last_day: int
    values: tuple[float, ...]
    deciles: tuple[Decile, ...]
    by_default: float

    @property
    def expected(self) -> float:
        """What the model fitted up to the cut expected in all."""
        return fsum(one.expected for one in self.deciles)

    @property
    def actual(self) -> int:
        """What came in all."""
        return sum(one.actual for one in self.deciles)


@dataclass(slots=True)
class Report:
    """Everything a fit has to say. Days are days since 1970, UTC; ``correlation`` is of purchases and spend."""

    digest: str
    first_day: int
    last_day: int
    customers: int
    repeaters: int
    purchases: int
    repeated: int
    refused: int
    purchase: Fitted
    spend: Fitted
    correlation: float
    hold_out: HoldOut | None = None
    risk: RiskFit | None = None
    labelled: Labelled | None = None
    warnings: list[str] = field(default_factory=list)

    def settings(self) -> Settings:
        """The fitted settings of a policy by section; the purchase rate is the same in both."""
        shape, scale = self.purchase.values[:2]
        lifetime = dict(
            zip((*PURCHASE_KEYS, *SPEND_KEYS), (*self.purchase.values, *self.spend.values), strict=True)
        )
        purchases = {"churn": {"rate_shape": shape, "rate_scale_weeks": scale}, "lifetime": lifetime}
        learned = [one.settings() for one in (self.risk, self.labelled) if one is not None]
        return merged(purchases, *learned)

    def toml(self) -> str:
        """The fitted settings as a piece of policy, which is a whole policy by itself."""
        lines = [
            f"# Fitted by `whaleline fit` to {self.customers} customers and {self.purchases} purchases,",
            f"# {_date(self.first_day)} to {_date(self.last_day)}, history {self.digest}.",
            "# Put these lines into your policy and raise its version; what is not named keeps its default.",
        ]
        return "\n".join([*lines, *toml_of(self.settings())]) + "\n"

    def as_map(self) -> dict[str, Any]:
        """The report as numbers."""
        told = asdict(replace(self, risk=None, labelled=None)) | {
            "first_day": _date(self.first_day),
            "last_day": _date(self.last_day),
        }
        for model in ("purchase", "spend"):
            del told[model]["values"]
        if self.hold_out is not None:
            told["hold_out"] |= {
                "cut_day": _date(self.hold_out.cut_day),
                "last_day": _date(self.hold_out.last_day),
                "values": dict(zip(PURCHASE_KEYS, self.hold_out.values, strict=True)),
                "expected": self.hold_out.expected,
                "actual": self.hold_out.actual,
            }
        told["risk"] = self.risk.as_map() if self.risk is not None else None
        told["labelled"] = self.labelled.as_map() if self.labelled is not None else None
        return {"settings": self.settings(), **told}

    def as_json(self) -> str:
        """The report as JSON, indented for people."""
        return json.dumps(self.as_map(), indent=2) + "\n"

    def markdown(self) -> str:
        """The report as Markdown."""
        lines = [
            "# A fit to a history",
            "",
            (
                f"History `{self.digest}`: {_date(self.first_day)} to {_date(self.last_day)} "
                f"({(self.last_day - self.first_day + 1) / 7:.1f} weeks), {self.customers} customers, "
                f"{self.repeaters} of them with a repeat purchase, {self.purchases} purchases. "
                f"Left out: {self.repeated} repeated purchases, {self.refused} unreadable records."
            ),
            "",
            *self._warned(),
            "## Settings",
            "",
            "| setting | fitted |",
            "|---|---:|",
        ]
        for section, values in self.settings().items():
            lines += [f"| {section}.{key} | {value:g} |" for key, value in values.items()]
        lines += [
            "",
            "## Log-likelihood of the whole history",
            "",
            "| model | fitted | defaults | gained |",
            "|---|---:|---:|---:|",
            _likelihood_line("purchases (MBG/NBD)", self.purchase),
            _likelihood_line("spend (gamma-gamma)", self.spend),
            "",
            f"Correlation of purchases and mean spend: {self.correlation:+.3f}.",
            *self._held_out(),
            *(self.risk.markdown() if self.risk is not None else []),
            *(self.labelled.markdown() if self.labelled is not None else []),
        ]
        return "\n".join(lines) + "\n"

    def _warned(self) -> list[str]:
        if not self.warnings:
            return []
        return ["## Warnings", "", *(f"- {one}" for one in self.warnings), ""]

    def _held_out(self) -> list[str]:
        tried = self.hold_out
        if tried is None:
            return []
        lines = [
            "",
            "## Hold-out",
            "",
            (
                f"Fitted to the days up to {_date(tried.cut_day)}, tried on those up to {_date(tried.last_day)}: "
                f"{tried.expected:.1f} purchase days expected, {tried.actual} came; "
                f"the defaults expected {tried.by_default:.1f}."
            ),
            "",
            "| tenth | customers | expected | actual | expected each | actual each |",
            "|---:|---:|---:|---:|---:|---:|",
        ]
        for number, one in enumerate(tried.deciles, 1):
            each, came = one.expected / max(1, one.customers), one.actual / max(1, one.customers)
            lines.append(
                f"| {number} | {one.customers} | {one.expected:.1f} | {one.actual} | {each:.3f} | {came:.3f} |"
            )
        return lines


def _likelihood_line(name: str, model: Fitted) -> str:
    gained = model.log_likelihood - model.default_log_likelihood
    return f"| {name} | {model.log_likelihood:.2f} | {model.default_log_likelihood:.2f} | {gained:+.2f} |"


def _date(day: int) -> str:
    return date.fromordinal(EPOCH + day).isoformat()
