"""The policy: every rate, threshold, dwell and half-life a judgement uses, as TOML with units in the names.

A policy file states what differs from the defaults. It reaches the judge as a ledger entry, so that a replay
judges each event by the policy that held when it was judged.
"""

import tomllib
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.codes import Evidence, Moment, Term


class PolicyError(ValueError):
    """A policy that cannot be used; the message names file, key, value and what is allowed."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One number of the policy, its bounds and what it does."""

    section: str
    key: str
    default: int | float
    low: float
    high: float
    doc: str

    @property
    def name(self) -> str:
        """The name kernels read it by."""
        return f"{self.section}_{self.key}"


@dataclass(frozen=True, slots=True)
class EvidenceRule:
    """How one kind of evidence weighs and fades."""

    kind: Evidence
    weight: float
    half_life_days: float
    doc: str


@dataclass(frozen=True, slots=True)
class TermRule:
    """How one term weighs in the log-odds of the 90-day risk, and what it is for a customer like any other."""

    term: Term
    weight: float
    mean: float
    doc: str


_S = Setting
SETTINGS: tuple[Setting, ...] = (
    _S("cost", "voice_cents_per_minute", 75, 0, 10**6, "an agent's minute on the phone"),
    _S("cost", "voice_fixed_cents", 200, 0, 10**6, "each call, whatever its length"),
    _S("cost", "chat_cents_per_minute", 40, 0, 10**6, "an agent's minute in a chat"),
    _S("cost", "chat_fixed_cents", 80, 0, 10**6, "each chat"),
    _S("cost", "email_cents", 450, 0, 10**6, "each mail"),
    _S("cost", "self_service_cents", 10, 0, 10**6, "each self-service contact"),
    _S("cost", "dispatch_cents", 12_000, 0, 10**8, "a technician's visit where no cost is given"),
    _S("cost", "part_cents", 1_800, 0, 10**8, "a part where no cost is given"),
    _S("cost", "return_handling_cents", 1_200, 0, 10**8, "handling a return"),
    _S("cost", "chargeback_cents", 2_500, 0, 10**8, "handling a chargeback, beside the bank's fee"),
    _S("cost", "order_handling_cents", 350, 0, 10**8, "handling an order"),
    _S("cost", "imputed_handle_minutes", 9, 0, 600, "handle time of a contact that states none"),
    _S("cost", "replacement_cents", 3_000, 0, 10**8, "a free replacement where no cost is given"),
    _S("cost", "margin_rate", 0.25, -1.0, 1.0, "margin on a sale that states none, as a share of its price"),
    _S("cost", "fee_margin_rate", 0.7, -1.0, 1.0, "margin on a fee that states none, as a share of the fee"),
    _S("fault", "repair_overdue_days", 21, 1, 365, "a repair that takes longer is the company's doing"),
    _S("fault", "unanswered_hours", 72, 1, 24 * 365, "a ticket waiting longer is the company's doing"),
    _S("fault", "callback_grace_hours", 4, 0, 24 * 30, "how late a promised callback may come"),
    _S("fault", "repeat_fault_days", 90, 1, 3650, "the same fault this soon after a repair is a repeat"),
    _S("fault", "abuse_days", 90, 1, 365, "how long a human's abuse flag books cost to the customer"),
    _S("fault", "rude_sentiment", -0.6, -1.0, 0.0, "a mood this low counts as a rude call"),
    _S("fault", "negative_stars", 2, 1, 4, "a review with so many stars or fewer is negative"),
    _S("fault", "defect_days", 21, 0, 89, "contacts this soon after a purchase may tell of a defect"),
    _S("fault", "again_days", 10, 0, 89, "and do so when they come again this soon, with nothing said of why"),
    _S("fault", "low_csat_share", 0.4, 0.0, 1.0, "a score this share of the scale or lower is low"),
    _S("value", "prior_mean_cents", 234, -(10**9), 10**9, "population median of the mean 28-day adjusted net"),
    _S("value", "prior_variance_cents2", 2_640_000, 1, 1e15, "population median of its variance"),
    _S("value", "prior_weight", 1.0, 0.001, 1000, "kappa0 of the prior"),
    _S("value", "prior_freedom", 4.0, 0.001, 1000, "nu0 of the prior"),
    _S(
        "value",
        "unknown_share",
        0.5,
        0.0,
        1.0,
        "share of cost of unknown fault that counts: the benefit of the doubt",
    ),
    _S(
        "value",
        "enter_probability",
        0.95,
        0.5,
        1.0,
        "enter when the posterior of a negative mean is at least this",
    ),
    _S("value", "clear_probability", 0.60, 0.0, 1.0, "clear when it is below this"),
    _S("value", "enter_annual_cents", -5_000, -(10**9), 0, "enter when the expected year is at most this"),
    _S(
        "value",
        "severe_annual_cents",
        -100_000,
        -(10**9),
        0,
        "escalate when the expected year is at most this",
    ),
    _S("value", "min_periods", 3, 1, 12, "full 28-day periods that must have been observed"),
    _S("value", "min_contacts", 6, 0, 10_000, "contacts in those periods"),
    _S("value", "min_contact_periods", 3, 0, 12, "periods of them with a contact"),
    _S("value", "bottom_net_cents", 0, -(10**9), 10**9, "adjusted net of the year must be at most this"),
    _S(
        "value",
        "company_share_enter",
        0.5,
        0.0,
        1.0,
        "never enter when the company caused this share of cost",
    ),
    _S("value", "company_share_clear", 0.6, 0.0, 1.0, "clear when the company caused this share of cost"),
    _S("value", "cause_share_clear", 0.4, 0.0, 1.0, "fix_the_cause clears when the company's share is below this"),
    _S(
        "value",
        "onboarding_days",
        120,
        0,
        364,
        "nobody enters in the first days; fees may pay for them",
    ),
    _S("value", "investment_periods", 26, 1, 130, "periods over which such an investment is spread"),
    _S("value", "attach_days", 180, 1, 364, "how long a sale below cost may wait for what it brings later"),
    _S("value", "attach_share", 1.0, 0.0, 1.0, "share of its loss that is expected back within those days"),
    _S("value", "recent_periods", 3, 1, 12, "full periods whose cost to serve the year ahead is expected to have"),
    _S("value", "forward_cents", 0, -(10**9), 10**9, "enter only when the year ahead brings no more than this"),
    _S("value", "good_days", 84, 0, 365, "clear when the year ahead has brought more for so many days"),
    _S("value", "high_revenue_cents", 500_000, 1, 10**12, "revenue of a year that has the account reviewed first"),
    _S("value", "review_days", 180, 1, 3650, "days in the state before a person may review the relation itself"),
    _S("value", "review_remedies", 2, 0, 3, "remedies of different kinds that must have been tried before"),
    _S("value", "dwell_days", 14, 0, 365, "stay at least this long once entered"),
    _S("value", "cooldown_days", 28, 0, 365, "do not enter again this soon after clearing"),
    _S("churn", "base_hazard_per_day", 1.6e-4, 1e-7, 0.005, "hazard of leaving with no failure"),
    _S("churn", "effective_days", 60, 1, 365, "days of a 90-day look ahead in which evidence still counts"),
    _S("churn", "rate_shape", 1.34, 0.01, 100, "r of the purchase rate's gamma mixing"),
    _S("churn", "rate_scale_weeks", 7.66, 0.01, 1000, "alpha of the purchase rate's gamma mixing"),
    _S(
        "churn",
        "season_gap_days",
        120,
        30,
        3650,
        "a gap this long is a season's rest once a purchase has ended it",
    ),
    _S("churn", "regular_repeats", 4, 2, 100, "repeat purchases that show whether somebody buys regularly"),
    _S("churn", "regular_spread", 0.5, 0.0, 3.0, "spread of regular gaps, over their mean, at most"),
    _S("churn", "fee_days", 31, 1, 400, "days from one fee to the next, after which one is missing"),
    _S("churn", "enter_probability", 0.25, 0.0, 1.0, "enter when the 90-day risk is at least this"),
    _S("churn", "high_probability", 0.60, 0.0, 1.0, "escalate when it is at least this"),
    _S("churn", "jump_probability", 0.15, 0.0, 1.0, "escalate on a rise of this much since yesterday"),
    _S("churn", "jump_floor_probability", 0.20, 0.0, 1.0, "where the risk is at least this"),
    _S("churn", "clear_probability", 0.15, 0.0, 1.0, "calm while the risk is at most this"),
    _S("churn", "clear_days", 7, 0, 365, "clear after so many calm days"),
    _S("churn", "cooldown_days", 14, 0, 365, "do not enter again this soon after clearing"),
    _S("churn", "min_at_risk_cents", 2_500, 0, 10**9, "enter only where this much money is at risk"),
    _S("risk", "intercept", 0.0, -20.0, 20.0, "log-odds of the 90-day risk before any term"),
    _S("lifetime", "purchase_shape", 0.525, 0.01, 100, "r of the MBG/NBD model, time in weeks"),
    _S("lifetime", "purchase_scale_weeks", 6.183, 0.01, 1000, "alpha of the MBG/NBD model"),
    _S("lifetime", "leave_a", 0.891, 0.01, 100, "a of the MBG/NBD model"),
    _S("lifetime", "leave_b", 1.614, 0.01, 100, "b of the MBG/NBD model"),
    _S("lifetime", "spend_p", 6.25, 0.01, 1000, "p of the gamma-gamma spend model"),
    _S("lifetime", "spend_q", 3.74, 1.01, 1000, "q of the gamma-gamma spend model"),
    _S("lifetime", "spend_v_cents", 1544, 0.01, 10**9, "v of the gamma-gamma spend model"),
    _S("lifetime", "horizon_weeks", 260, 1, 1040, "weeks a customer's worth is counted ahead"),
    _S("lifetime", "discount_rate_per_year", 0.10, 0.0, 1.0, "discount rate"),
    _S("service", "wrong_parts", 2, 1, 20, "wrong parts on one case that make the moment"),
    _S("service", "burst_contacts", 10, 2, 255, "contacts in 24 hours that make the moment"),
    _S("service", "cooldown_hours", 72, 0, 24 * 365, "do not tell the same moment again this soon"),
    _S("service", "quiet_days", 14, 1, 365, "clear after so many days with no failure and nothing open"),
    _S("service", "budget_per_day", 200, 1, 10**6, "service-failure alerts a day that the floors can act on"),
    _S("service", "rude_confidence", 0.7, 0.0, 1.0, "a rude call must be this sure to be told as one"),
    _S("hold", "failure_evidence", 0.5, 0.0, 100.0, "failure evidence, less recovery, that sets a hold by itself"),
    _S("hold", "quiet_days", 7, 0, 365, "lift after so many days without a reason"),
    _S(
        "ledger",
        "future_tolerance_minutes",
        10,
        0,
        1440,
        "how far an event may lie ahead of the ledger's clock",
    ),
)

EVIDENCE: tuple[EvidenceRule, ...] = (
    EvidenceRule(Evidence.UNRESOLVED_REPEAT, 1.3, 30, "repeat contacts for one unsolved problem, as log1p"),
    EvidenceRule(Evidence.ESCALATION_DENIED, 1.6, 45, "a supervisor was refused"),
    EvidenceRule(Evidence.RUDE_CALL, 1.9, 45, "a rude call or a very low mood"),
    EvidenceRule(Evidence.WRONG_PART, 0.7, 60, "wrong parts, two count at most"),
    EvidenceRule(Evidence.CALLBACK_MISSED, 0.6, 30, "a promised callback did not come"),
    EvidenceRule(Evidence.NEGATIVE_REVIEW, 1.5, 60, "a public negative review"),
    EvidenceRule(Evidence.RECOVERY, -0.6, 60, "a replacement, a granted escalation, a solved case"),
    EvidenceRule(Evidence.LOW_CSAT, 0.25, 45, "a low satisfaction score"),
    EvidenceRule(Evidence.CANCEL_REQUEST, 1.0, 30, "the customer asked to leave, one counts at most"),
    EvidenceRule(Evidence.BROKEN_PROMISE, 0.8, 45, "promise reversed, upsell as remedy, specification not met"),
    EvidenceRule(
        Evidence.LEAVING_SIGNAL, 0.8, 30, "a rival's offer heard, an appeal to an executive, a lost deal"
    ),
    EvidenceRule(Evidence.REPAIR_TROUBLE, 0.8, 60, "a repair overdue, the same fault again"),
    EvidenceRule(
        Evidence.UNANSWERED_TICKET, 1.2, 1, "log1p of the weeks the oldest ticket waits; live, never decays"
    ),
)

TERMS: tuple[TermRule, ...] = (
    TermRule(Term.FILTER, 1.0, -4.6, "log-odds of the alive filter's own 90-day risk"),
    TermRule(Term.REPEATS, 0.0, 0.0, "log1p of the repeat purchase days"),
    TermRule(Term.OVERDUE, 0.0, 0.0, "logarithm of the silence in the customer's own gaps, 0.05 to 10"),
    TermRule(Term.REGULAR, 1.2, 0.0, "own gaps beyond two, of somebody who buys regularly; four at most"),
    TermRule(Term.GONE, 0.0, 0.0, "log-odds of being gone already, -4.6 to 6.9; 0 while fees are paid"),
    TermRule(Term.TENURE, 0.0, 0.0, "log1p of the months since the first purchase"),
    TermRule(Term.OPEN_CASES, 0.0, 0.0, "open cases"),
    TermRule(Term.OPEN_AGE, 0.0, 0.0, "log1p of the weeks the oldest case has been open"),
    TermRule(Term.OPEN_CONTACTS, 0.0, 0.0, "log1p of the contacts that the open case with the most of them took"),
    TermRule(Term.SUBSCRIBED, 0.0, 0.0, "1 while fees are paid"),
    TermRule(Term.CANCEL, 3.5, 0.0, "the wish to leave, decayed, one at most: half of those who say so go"),
    TermRule(Term.FEE_OVERDUE, 1.0, 0.0, "weeks a fee is missing, two at most"),
)

RECORD = np.dtype(
    [(one.name, "<f8" if isinstance(one.default, float) else "<i8") for one in SETTINGS]
    + [
        ("weight", "<f8", len(EVIDENCE)),
        ("half_life_days", "<f8", len(EVIDENCE)),
        ("risk_weight", "<f8", len(TERMS)),
        ("risk_mean", "<f8", len(TERMS)),
        ("moments", "<i8"),
        ("version", "<i8"),
    ]
)
"""What kernels read: each setting under ``section_key``, weights of evidence and of the risk, a moment mask."""

ALL_MOMENTS = tuple(one.name.lower() for one in Moment)


@dataclass(frozen=True, slots=True)
class Policy:
    """A validated policy: its version, the TOML it was read from, and the record kernels read (shape (1,))."""

    version: int
    toml: str
    record: NDArray[np.void]

    @property
    def digest(self) -> str:
        """Sixteen hex digits of what the policy says; equal for equal settings."""
        return blake2b(self.record.tobytes(), digest_size=8).hexdigest()


def parse(toml: str, origin: str = "policy") -> Policy:
    """Read a policy; ``origin`` names the file in errors. Raises ``PolicyError`` with one sentence."""
    try:
        sections = tomllib.loads(toml)
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"{origin}: not valid TOML: {error}") from None
    record = np.zeros(1, RECORD)
    head = _table(sections.pop("policy", {}), "policy", origin)
    version = _number(head.pop("version", 1), Setting("policy", "version", 1, 1, 2**31, ""), origin)
    _nothing_left(head, "policy", ("version",), origin)
    record["version"] = version
    _read_terms(sections, record, origin)
    _read_settings(sections, record, origin)
    _read_evidence(_table(sections.pop("evidence", {}), "evidence", origin), record, origin)
    known = sorted({one.section for one in SETTINGS} | {"policy", "evidence"})
    _nothing_left(sections, None, known, origin)
    _check_together(record[0], origin)
    return Policy(int(version), toml, record)


def default_toml() -> str:
    """The whole default policy as commented TOML; ``parse`` of it equals ``parse("")``."""
    lines = [
        "# whaleline policy. Every line states a default and may be left out.",
        "[policy]",
        "version = 1",
    ]
    section = ""
    for one in SETTINGS:
        if one.section != section:
            section = one.section
            lines += ["", f"[{section}]"]
            if section == "service":
                lines += ["# which moments are told", f"moments = {list(ALL_MOMENTS)}".replace("'", '"')]
        lines.append(f"{one.key} = {one.default}  # {one.doc}")
    lines += ["", "# weight in the hazard's logarithm and half-life of each kind of evidence"]
    for rule in EVIDENCE:
        name = rule.kind.name.lower()
        lines += [f"[evidence.{name}]", f"weight = {rule.weight}  # {rule.doc}"]
        if rule.kind is not Evidence.UNANSWERED_TICKET:
            lines.append(f"half_life_days = {rule.half_life_days}")
    lines += ["", "# weight in the risk's log-odds of each term, and its mean, from which an alert counts"]
    for term in TERMS:
        lines += [
            f"[risk.{term.term.name.lower()}]",
            f"weight = {term.weight}  # {term.doc}",
            f"mean = {term.mean}",
        ]
    return "\n".join(lines) + "\n"


def _table(value: Any, name: str, origin: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PolicyError(f"{origin}: [{name}] must be a table, not {value!r}")
    return dict(value)


def _nothing_left(
    left: dict[str, Any], section: str | None, known: tuple[str, ...] | list[str], origin: str
) -> None:
    for key in left:
        where = f"[{section}] {key}" if section else f"[{key}]"
        raise PolicyError(f"{origin}: {where} is not known; allowed are {', '.join(known)}")


def _number(value: Any, one: Setting, origin: str) -> float:
    where = f"{origin}: [{one.section}] {one.key} = {value!r}"
    whole = isinstance(one.default, int)
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise PolicyError(f"{where} must be a {'whole ' if whole else ''}number from {one.low:g} to {one.high:g}")
    if not one.low <= value <= one.high:
        raise PolicyError(f"{where} must lie between {one.low:g} and {one.high:g}")
    return value


def _read_settings(sections: dict[str, Any], record: NDArray[np.void], origin: str) -> None:
    tables: dict[str, dict[str, Any]] = {}
    for one in SETTINGS:
        if one.section not in tables:
            tables[one.section] = _table(sections.pop(one.section, {}), one.section, origin)
        record[one.name] = _number(tables[one.section].pop(one.key, one.default), one, origin)
    record["moments"] = _moments(tables["service"].pop("moments", list(ALL_MOMENTS)), origin)
    for section, left in tables.items():
        _nothing_left(left, section, [one.key for one in SETTINGS if one.section == section], origin)


def _moments(names: Any, origin: str) -> int:
    if not isinstance(names, list) or any(name not in ALL_MOMENTS for name in names):
        raise PolicyError(f"{origin}: [service] moments = {names!r} must be a list of {', '.join(ALL_MOMENTS)}")
    return sum(1 << Moment[name.upper()] for name in set(names))


def _read_evidence(tables: dict[str, Any], record: NDArray[np.void], origin: str) -> None:
    for rule in EVIDENCE:
        name = rule.kind.name.lower()
        table = _table(tables.pop(name, {}), f"evidence.{name}", origin)
        section = f"evidence.{name}"
        weight = Setting(section, "weight", rule.weight, -10, 10, "")
        fades = rule.kind is not Evidence.UNANSWERED_TICKET
        life = Setting(section, "half_life_days", float(rule.half_life_days), 0.1, 3650, "")
        record["weight"][0, rule.kind] = _number(table.pop("weight", rule.weight), weight, origin)
        days = _number(table.pop("half_life_days", life.default) if fades else life.default, life, origin)
        record["half_life_days"][0, rule.kind] = days
        _nothing_left(table, section, ("weight", "half_life_days") if fades else ("weight",), origin)
    _nothing_left(tables, "evidence", [rule.kind.name.lower() for rule in EVIDENCE], origin)


def _read_terms(sections: dict[str, Any], record: NDArray[np.void], origin: str) -> None:
    """Take the tables ``[risk.<term>]`` out of the section ``risk``, whose other keys are plain settings."""
    risk = sections["risk"] = _table(sections.get("risk", {}), "risk", origin)
    for rule in TERMS:
        name = rule.term.name.lower()
        section = f"risk.{name}"
        table = _table(risk.pop(name, {}), section, origin)
        weight, mean = (Setting(section, key, 0.0, -100, 100, "") for key in ("weight", "mean"))
        record["risk_weight"][0, rule.term] = _number(table.pop("weight", rule.weight), weight, origin)
        record["risk_mean"][0, rule.term] = _number(table.pop("mean", rule.mean), mean, origin)
        _nothing_left(table, section, ("weight", "mean"), origin)


def _check_together(record: Any, origin: str) -> None:
    """Borders need a gap between entering and leaving, or every tremble is an alert."""
    pairs = (
        ("value_clear_probability", "value_enter_probability"),
        ("churn_clear_probability", "churn_enter_probability"),
        ("churn_enter_probability", "churn_high_probability"),
        ("value_company_share_enter", "value_company_share_clear"),
        ("value_cause_share_clear", "value_company_share_enter"),
        ("value_severe_annual_cents", "value_enter_annual_cents"),
    )
    for below, above in pairs:
        if not record[below] < record[above]:
            low, high = below.replace("_", "] ", 1), above.replace("_", "] ", 1)
            raise PolicyError(f"{origin}: [{low} = {record[below]} must be less than [{high} = {record[above]}")
