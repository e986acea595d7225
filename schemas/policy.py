"""The policy: every rate, threshold, dwell and half-life a judgement uses, as TOML with units in the names.

A policy file states what differs from the defaults. It reaches the judge as a ledger entry, so that a replay
judges each event by the policy that held when it was judged.
"""

import tomllib
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas import owners
from schemas.codes import Evidence, Moment
from schemas.limits import BREAKER
from schemas.rules import EVIDENCE, MOMENT_RULES, TERMS
from schemas.settings import RELATIONS, Setting


class PolicyError(ValueError):
    """A policy that cannot be used; the message names file, key, value and what is allowed."""


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
    _S("fault", "warranty_grace_days", 90, 0, 3650, "the same fault this soon after the warranty is a repeat"),
    _S("fault", "appeal_hours", 48, 1, 24 * 365, "an appeal to an executive waiting longer is a failure"),
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
    _S("churn", "enter_probability", 0.2, 0.0, 1.0, "enter when the 90-day risk is at least this"),
    _S("churn", "high_probability", 0.60, 0.0, 1.0, "escalate when it is at least this"),
    _S("churn", "jump_probability", 0.15, 0.0, 1.0, "escalate on a rise of this much since yesterday"),
    _S("churn", "jump_floor_probability", 0.20, 0.0, 1.0, "where the risk is at least this"),
    _S("churn", "clear_probability", 0.10, 0.0, 1.0, "calm while the risk is at most this"),
    _S("churn", "clear_days", 7, 0, 365, "clear after so many calm days"),
    _S("churn", "cooldown_days", 14, 0, 365, "do not enter again this soon after clearing"),
    _S("churn", "action_cents", 3_000, 0, 10**9, "what reaching out takes: enter only where it saves as much"),
    _S("churn", "saved_share", 0.3, 0.0, 1.0, "chance that reaching out keeps somebody who would leave"),
    _S("churn", "won_back_share", 0.10, 0.0, 1.0, "chance that it wins somebody back who has left"),
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
    _S("service", "third_contacts", 3, 2, 255, "contacts for one unsolved case that make the moment"),
    _S("service", "cooldown_hours", 72, 0, 24 * 365, "do not tell the same moment again this soon"),
    _S("service", "quiet_days", 14, 1, 365, "clear after so many days with no failure told and nothing owed"),
    _S("service", "budget_per_day", 200, 1, 10**6, "service-failure alerts a day that the floors can act on"),
    _S("service", "rude_confidence", 0.7, 0.0, 1.0, "a rude call must be this sure to be told as one"),
    _S("economics", "acquisition_cents", 6_000, 0, 10**8, "what winning a new customer in their place would take"),
    _S("economics", "gesture_cents", 2_000, 0, 10**8, "a credit as a gesture of recovery"),
    _S("economics", "least_return", 1.5, 0.0, 100.0, "recommend a gesture that saves this many times its cost"),
    _S(
        "economics",
        "hold_out_share",
        0.1,
        0.0,
        1.0,
        "share of customers who get no proactive gestures, to learn",
    ),
    _S("economics", "claim_effort_cents", 2_500, 0, 10**8, "effort of a claim; below it a defect stays silent"),
    _S("economics", "replacement_share", 0.6, 0.0, 1.0, "cost of a replacement as a share of the last price"),
    _S("economics", "silence_probability", 0.1, 0.0, 1.0, "chance of being gone from which silence is unusual"),
    _S("hold", "failure_evidence", 0.5, 0.0, 100.0, "failure evidence, less recovery, that sets a hold by itself"),
    _S("hold", "quiet_days", 7, 0, 365, "lift after so many days without a reason"),
    _S("hold", "review_days", 30, 0, 365, "no review is asked for so long after a negative one"),
    *RELATIONS,
    *(Setting("breaker", *one) for one in BREAKER),
    _S(
        "ledger",
        "future_tolerance_minutes",
        10,
        0,
        1440,
        "how far an event may lie ahead of the ledger's clock",
    ),
)

RECORD = np.dtype(
    [(one.name, "<f8" if isinstance(one.default, float) else "<i8") for one in SETTINGS]
    + [
        ("weight", "<f8", len(EVIDENCE)),
        ("half_life_days", "<f8", len(EVIDENCE)),
        ("risk_weight", "<f8", len(TERMS)),
        ("risk_mean", "<f8", len(TERMS)),
        ("saves", "<f8", len(MOMENT_RULES) + 1),
        ("moment_gesture_cents", "<i8", len(MOMENT_RULES) + 1),
        ("moment_floor_minutes", "<f8", len(MOMENT_RULES) + 1),
        ("moments", "<i8"),
        ("version", "<i8"),
    ]
)
"""What kernels read: each setting under ``section_key``; weights of evidence and of the risk; of each moment (by
its code) what it saves and takes; a moment mask."""

ALL_MOMENTS = tuple(one.name.lower() for one in Moment)


@dataclass(frozen=True, slots=True)
class Policy:
    """A validated policy: its version, its TOML, the record kernels read (shape (1,)), who owns which alert."""

    version: int
    toml: str
    record: NDArray[np.void]
    owners: dict[str, str]
    digest: str = field(init=False)
    """Sixteen hex digits of what the policy says; equal for equal settings."""

    def __post_init__(self) -> None:
        said = self.record.tobytes() + repr(sorted(self.owners.items())).encode()
        object.__setattr__(self, "digest", blake2b(said, digest_size=8).hexdigest())


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
    _read_saves(_table(sections.pop("saves", {}), "saves", origin), record, origin)
    try:
        owned = owners.read(_table(sections.pop("owner", {}), "owner", origin), origin)
    except ValueError as error:
        raise PolicyError(str(error)) from None
    known = sorted({one.section for one in SETTINGS} | {"policy", "evidence", "saves", "owner"})
    _nothing_left(sections, None, known, origin)
    _check_together(record[0], origin)
    return Policy(int(version), toml, record, owned)


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
    lines += owners.toml_lines()
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
    lines += ["", "# chance that acting on a moment keeps the customer, what is given, and the time it takes"]
    for one_moment in MOMENT_RULES:
        lines += [f"[saves.{one_moment.moment.name.lower()}]  # {one_moment.doc}"]
        lines += [f"probability = {one_moment.probability}", f"gesture_cents = {one_moment.gesture_cents}"]
        lines += [f"floor_minutes = {one_moment.floor_minutes}"]
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


def _read_saves(tables: dict[str, Any], record: NDArray[np.void], origin: str) -> None:
    for rule in MOMENT_RULES:
        name = rule.moment.name.lower()
        section = f"saves.{name}"
        table = _table(tables.pop(name, {}), section, origin)
        chance = Setting(section, "probability", rule.probability, 0, 1, "")
        cents = Setting(section, "gesture_cents", rule.gesture_cents, 0, 10**8, "")
        minutes = Setting(section, "floor_minutes", rule.floor_minutes, 0, 24 * 60, "")
        for column, one in (("saves", chance), ("moment_gesture_cents", cents), ("moment_floor_minutes", minutes)):
            record[column][0, rule.moment] = _number(table.pop(one.key, one.default), one, origin)
        _nothing_left(table, section, (chance.key, cents.key, minutes.key), origin)
    _nothing_left(tables, "saves", [rule.moment.name.lower() for rule in MOMENT_RULES], origin)


def _check_together(record: Any, origin: str) -> None:
    """Borders need a gap between entering and leaving, or every tremble is an alert."""
    pairs = (
        ("value_clear_probability", "value_enter_probability"),
        ("churn_clear_probability", "churn_enter_probability"),
        ("churn_enter_probability", "churn_high_probability"),
        ("value_company_share_enter", "value_company_share_clear"),
        ("value_cause_share_clear", "value_company_share_enter"),
        ("value_severe_annual_cents", "value_enter_annual_cents"),
        ("best_clear_risk", "best_risk"),
        ("best_usual_clear_ratio", "best_usual_ratio"),
        ("referral_most_gone", "referral_clear_gone"),
        ("referral_recent_days", "referral_stay_days"),
        ("gem_clear_annual_cents", "gem_annual_cents"),
    )
    for below, above in pairs:
        if not record[below] < record[above]:
            low, high = below.replace("_", "] ", 1), above.replace("_", "] ", 1)
            raise PolicyError(f"{origin}: [{low} = {record[below]} must be less than [{high} = {record[above]}")
