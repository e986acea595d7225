"""What is concluded from a row at one time: value, risk, worth (docs/model.md section 4)."""

from typing import Final

from kernels._jit import kernel
from kernels.alive import gone_probability, purchases_if_alive
from kernels.churn import recall_risk, risk
from kernels.elementary import expm1, log, round_half_even
from kernels.lifetime import dert_if_alive, expected_spend
from kernels.nets import (
    DAYS_A_YEAR,
    awaited_cents,
    fee_year_cents,
    first_full_period,
    judge_nets,
    lasts_the_period,
    own_cost_cents,
    recent_cost_cents,
)
from kernels.rings import held_year, next_index
from kernels.settle import hazard, to_ppm
from kernels.shapes import Memo, Row, Rules, Scores
from kernels.value import destroyer_posterior, posterior_mean
from schemas.codes import Fault
from schemas.state import FAULTS, NEVER, PERIOD_DAYS, PERIODS

COMPANY: Final = int(Fault.COMPANY)
WEEKS_A_YEAR: Final = 52.1775
LEAST_FEE_WEEKS: Final = 4.0
SLACK: Final = 1.001  # what a bound adds for the quadrature of the worth itself
SLACK_CENTS: Final = 1.0
MOST_SCALES: Final = 10.0  # times alpha + T ahead; beyond it the quadrature may be coarser than the slack


@kernel
def score_value(row: Row, day: int, rules: Rules, scores: Scores) -> None:
    """Fill the value half of ``scores``: the posterior over full periods, the year, the company's share."""
    score_year(row, day, rules, scores)
    _score_negative(rules, scores)


@kernel
def score_year(row: Row, day: int, rules: Rules, scores: Scores) -> None:
    """Fill the value half but for ``p_negative_ppm``, which is left to ``known_negative_ppm``."""
    period = day // PERIOD_DAYS
    scores["invested_cents"], scores["awaited_cents"] = judge_nets(row, day, rules, scores)
    nets = scores["period_net_cents"]
    n = max(0, period - max(first_full_period(row), period - PERIODS + 1))
    mean = posterior_mean(
        nets[PERIODS - 1 - n :], n, float(rules["value_prior_mean_cents"]), float(rules["value_prior_weight"])
    )
    year = 0
    for place in range(PERIODS):
        year += int(nets[place])
    scores["p_negative_ppm"] = NEVER
    scores["year_cents"] = round_half_even(mean * DAYS_A_YEAR / PERIOD_DAYS)
    scores["net_year_cents"] = year
    scores["periods"] = n
    scores["forward_year_cents"] = 0
    _sum_the_year(row, period, period - n, rules, scores)


@kernel
def recall_year(row: Row, memo: Memo, day: int, rules: Rules, scores: Scores) -> None:
    """``score_year``, from the row's memo where that knows it; what is found to last is put into the memo."""
    until_day = (day // PERIOD_DAYS + 1) * PERIOD_DAYS
    if memo["until_day"] == until_day:
        copy_year(memo, scores)
        return
    score_year(row, day, rules, scores)
    if lasts_the_period(row, day, rules, scores):
        copy_year(scores, memo)
        memo["until_day"] = until_day
        memo["net_bin"] = memo["faultless_bin"] = 0


@kernel
def copy_year(of: Memo | Scores, to: Memo | Scores) -> None:
    """Copy the ``YEAR`` scores."""
    to["p_negative_ppm"] = of["p_negative_ppm"]
    to["year_cents"] = of["year_cents"]
    to["net_year_cents"] = of["net_year_cents"]
    to["raw_net_year_cents"] = of["raw_net_year_cents"]
    to["company_cents"] = of["company_cents"]
    to["company_ppm"] = of["company_ppm"]
    to["periods"] = of["periods"]
    to["contacts"] = of["contacts"]
    to["contact_periods"] = of["contact_periods"]
    to["year_contacts"] = of["year_contacts"]
    to["revenue_year_cents"] = of["revenue_year_cents"]
    to["invested_cents"] = of["invested_cents"]
    to["awaited_cents"] = of["awaited_cents"]
    to["fee_cover_ppm"] = of["fee_cover_ppm"]


@kernel
def known_negative_ppm(row: Row, day: int, rules: Rules, scores: Scores) -> int:
    """The chance that the mean net is below zero, computed at its first use after ``score_year``."""
    if scores["p_negative_ppm"] == NEVER:
        judge_nets(row, day, rules, scores)
        _score_negative(rules, scores)
    return int(scores["p_negative_ppm"])


@kernel
def _score_negative(rules: Rules, scores: Scores) -> None:
    n = int(scores["periods"])
    negative, _ = destroyer_posterior(
        scores["period_net_cents"][PERIODS - 1 - n :],
        n,
        float(rules["value_prior_mean_cents"]),
        float(rules["value_prior_variance_cents2"]),
        float(rules["value_prior_weight"]),
        float(rules["value_prior_freedom"]),
    )
    scores["p_negative_ppm"] = to_ppm(negative)


@kernel
def _sum_the_year(row: Row, period: int, full: int, rules: Rules, scores: Scores) -> None:
    """Fill what the year's ring says as it stands: raw net, company's share, revenue, contacts, cover by fees.

    full  the first full period: contacts before it, and in the running one, are of the year but prove nothing
    """
    company = total = margin = revenue = fees = own = 0
    year_contacts = contacts = with_contact = 0
    share = float(rules["value_unknown_share"])
    first, end, at = held_year(row, period)
    for one in range(first, end):
        here = int(row["period_contacts"][at])
        year_contacts += here
        if here > 0 and full <= one < period:
            contacts += here
            with_contact += 1
        margin += int(row["period_margin_cents"][at])
        revenue += int(row["period_revenue_cents"][at])
        fees += int(row["period_fee_cents"][at])
        own += own_cost_cents(row, at, share) + int(scores["period_service_cents"][one - period + PERIODS - 1])
        company += int(row["period_cost_cents"][at, COMPANY])
        for fault in range(FAULTS):
            total += int(row["period_cost_cents"][at, fault])
        at = next_index(at)
    scores["raw_net_year_cents"] = margin - total
    scores["company_cents"] = company
    scores["company_ppm"] = to_ppm(company / total) if total > 0 else 0
    scores["contacts"] = contacts
    scores["contact_periods"] = with_contact
    scores["year_contacts"] = year_contacts
    scores["revenue_year_cents"] = revenue
    scores["fee_cover_ppm"] = to_ppm(max(0, fees) / own) if fees != 0 and own > 0 else NEVER


@kernel
def score_forward(row: Row, day: int, rules: Rules, scores: Scores) -> None:
    """Fill the year ahead, if the customer stays: fees and purchases to come, less the recent cost to serve."""
    sales = 0.0
    bought = int(row["purchases"])
    spent = float(row["spent_cents"])
    if bought > 0 and spent > 0.0:
        earned = int(row["life_margin_cents"]) - int(row["life_fee_cents"]) + awaited_cents(row, day, rules)
        to_come = _purchases_to_come(row, day, WEEKS_A_YEAR, rules)
        rate = min(1.0, max(-1.0, float(earned) / spent))
        sales = to_come * spend_to_come(row, rules) * rate
    cost = recent_cost_cents(row, day, rules, scores)
    scores["forward_year_cents"] = round_half_even(sales) + fee_year_cents(row, day) - cost


@kernel
def _purchases_to_come(row: Row, day: int, weeks: float, rules: Rules) -> float:
    """Purchases to expect of a buyer in the next ``weeks`` if still here, leaving included."""
    return purchases_if_alive(
        float(rules["lifetime_purchase_shape"]),
        float(rules["lifetime_purchase_scale_weeks"]),
        float(rules["lifetime_leave_a"]),
        float(rules["lifetime_leave_b"]),
        True,
        float(row["repeat_days"]),
        max(0, day - int(row["first_purchase_day"])) / 7.0,
        weeks,
    )


@kernel
def spend_to_come(row: Row, rules: Rules) -> float:
    """Spend to expect of one purchase, cents."""
    bought = float(row["purchases"])
    return expected_spend(
        float(rules["lifetime_spend_p"]),
        float(rules["lifetime_spend_q"]),
        float(rules["lifetime_spend_v_cents"]),
        bought,
        float(row["spent_cents"]) / bought,
    )


@kernel
def score_risk(row: Row, now_ms: int, rules: Rules, scores: Scores) -> None:
    """Fill the churn half of ``scores``; worth and money at risk are left to ``score_worth``."""
    _write_risk(row, risk(row, hazard(row, now_ms, rules), now_ms, rules), scores)


@kernel
def recall_risk_scores(row: Row, memo: Memo, now_ms: int, rules: Rules, scores: Scores) -> None:
    """``score_risk``, sparing what the memo knows."""
    _write_risk(row, recall_risk(row, memo, hazard(row, now_ms, rules), now_ms, rules), scores)


@kernel
def _write_risk(row: Row, chance: float, scores: Scores) -> None:
    scores["risk"] = chance
    scores["risk_ppm"] = to_ppm(chance)
    scores["gone_ppm"] = to_ppm(gone_probability(float(row["odds"])))


@kernel
def discount_per_week(rules: Rules) -> float:
    """The continuous rate at which money to come is discounted."""
    return log(1.0 + float(rules["lifetime_discount_rate_per_year"])) / WEEKS_A_YEAR


@kernel
def _annuity_weeks(weeks: float, rules: Rules) -> float:
    """Today's worth of 1 a week over the next ``weeks``."""
    discount = discount_per_week(rules)
    return -expm1(-discount * weeks) / discount if discount > 0.0 else weeks


@kernel
def _earned_share(row: Row) -> float:
    """Margin of what was bought, over what was paid for it, 0 to 1."""
    spent = float(row["spent_cents"])
    if spent <= 0.0:
        return 0.0
    return min(1.0, max(0.0, float(row["life_margin_cents"] - row["life_fee_cents"]) / spent))


@kernel
def worth_cents(row: Row, day: int, rules: Rules) -> int:
    """What the customer is worth over the horizon if still here, cents: purchases to come and fees."""
    horizon = float(rules["lifetime_horizon_weeks"])
    worth = 0.0
    if row["purchases"] > 0:
        age_weeks = max(0, day - int(row["first_purchase_day"])) / 7.0
        to_come = dert_if_alive(
            float(rules["lifetime_purchase_shape"]),
            float(rules["lifetime_purchase_scale_weeks"]),
            float(rules["lifetime_leave_a"]),
            float(rules["lifetime_leave_b"]),
            True,
            float(row["repeat_days"]),
            age_weeks,
            horizon,
            discount_per_week(rules),
        )
        worth += to_come * spend_to_come(row, rules) * _earned_share(row)
    if row["first_fee_day"] != NEVER:
        weeks = max(LEAST_FEE_WEEKS, (day - int(row["first_fee_day"])) / 7.0)
        worth += float(row["life_fee_cents"]) / weeks * _annuity_weeks(horizon, rules)
    return round_half_even(worth)


@kernel
def score_worth(row: Row, day: int, rules: Rules, scores: Scores) -> None:
    """Fill worth, money at risk and the part of it that can be saved; ``score_risk`` comes first."""
    worth = worth_cents(row, day, rules)
    ahead = max(0.0, float(scores["risk"]) - gone_probability(float(row["odds"])))
    scores["savable_cents"] = round_half_even(float(worth) * ahead)
    scores["worth_cents"] = worth
    scores["at_risk_cents"] = round_half_even(float(worth) * float(scores["risk"]))


@kernel
def known_worth(row: Row, day: int, rules: Rules, scores: Scores) -> int:
    """The worth, computed at its first use: it is dear, and most conclusions never ask for it."""
    if scores["worth_cents"] == NEVER:
        score_worth(row, day, rules, scores)
    return int(scores["worth_cents"])


@kernel
def could_be_worth(row: Row, day: int, least_cents: float, rules: Rules) -> bool:
    """Whether the worth may reach ``least_cents``, by bounds that take few series or none to compute.

    Nobody buys faster than at today's rate ``(r + x) / (alpha + T)``, so the discounted purchases are at most that
    rate times the annuity over the horizon; and no more are to come than are expected without any discount, so the
    annuity is at most over the weeks in which that rate brings those. A no is certain; after a yes, ask
    ``known_worth``.
    """
    weeks = float(rules["lifetime_horizon_weeks"])
    fees = SLACK_CENTS
    if row["first_fee_day"] != NEVER:
        paid_weeks = max(LEAST_FEE_WEEKS, (day - int(row["first_fee_day"])) / 7.0)
        fees += max(0.0, float(row["life_fee_cents"])) / paid_weeks * _annuity_weeks(weeks, rules)
    bought = int(row["purchases"])
    if bought == 0:
        return fees >= least_cents
    age_weeks = max(0, day - int(row["first_purchase_day"])) / 7.0
    scale_weeks = float(rules["lifetime_purchase_scale_weeks"]) + age_weeks
    rate = (float(rules["lifetime_purchase_shape"]) + float(row["repeat_days"])) / scale_weeks
    earned = SLACK * rate * spend_to_come(row, rules) * _earned_share(row)
    if fees + earned * _annuity_weeks(weeks, rules) < least_cents:
        return False
    if weeks > MOST_SCALES * scale_weeks:
        return True
    to_come = _purchases_to_come(row, day, weeks, rules)
    return fees + earned * _annuity_weeks(min(weeks, to_come / rate), rules) >= least_cents
