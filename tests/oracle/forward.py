"""The oracle's money to come: contracts, losses awaited back, investments, the year ahead (docs/model.md)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from schemas import state
from schemas.codes import Fault, Kind, Machine, Remedy
from schemas.events import DAY_MS
from tests.oracle.rows import MILLION, Heard, Row, Rules, day_of, period_of, stopped

DAYS_PER_YEAR = 365.25
WEEKS_PER_YEAR = 52.1775
TELLS_OF_A_CONTRACT = {Kind.MAINTENANCE_FEE, Kind.CANCEL_REQUEST, Kind.ETF_QUERY, Kind.CONTRACT_SIGNED}
REMEDY_OF = {
    Kind.SELF_SERVICE: Remedy.SELF_SERVICE,
    Kind.CONTRACT_SIGNED: Remedy.CHARGE,
    Kind.CREDIT: Remedy.CONCESSION,
    Kind.CONCESSION: Remedy.CONCESSION,
}


def tells_of_a_defect(row: Row, event: Heard, rules: Rules) -> bool:
    """Whether a contact comes again soon after a purchase; the row as it was before it."""
    day = day_of(event.ts)
    bought = any(row.read("day_purchases", one) for one in range(day - rules.fault_defect_days, day + 1))
    came = any(row.read("day_contacts", one) for one in range(day - rules.fault_again_days, day + 1))
    return event.is_contact and bought and came


def learn(row: Row, event: Heard, rules: Rules, margin: int) -> None:
    """What the event says of a contract, of a sale below cost, and of a remedy."""
    kind, day = event.kind, day_of(event.ts)
    if kind in TELLS_OF_A_CONTRACT:
        row.contract_end_ms = max(row.contract_end_ms, event.or_else("contract_end_ms", state.NEVER))
        row.termination_fee_cents = event.or_else("termination_fee_cents", row.termination_fee_cents)
    period = event.get("period_ms")
    if kind in {Kind.MAINTENANCE_FEE, Kind.CONTRACT_SIGNED} and period and event.ts >= row.contract_from_ms:
        stated, amount = event.get("margin_cents"), event.or_else("amount_cents", 0)
        row.contract_fee_cents = round(amount * rules.cost_fee_margin_rate) if stated is None else stated
        row.contract_from_ms, row.contract_period_days = event.ts, period // DAY_MS
    if kind is Kind.PURCHASE and margin < 0 and day >= row.loss_day:
        row.loss_cents = stopped((row.loss_cents if day == row.loss_day else 0) - margin)
        row.loss_day = day
    if kind in REMEDY_OF and row.state[Machine.VALUE] and event.ts > row.value_entered_ms:
        row.remedies |= int(REMEDY_OF[kind])


def counted(row: Row, rules: Rules, period: int) -> tuple[int, int]:
    """Service and own cost of a period; what was set aside comes off service first, and off own cost then."""
    cost = row.read("period_cost_cents", period)
    unknown = cost[Fault.UNKNOWN] - row.read("period_doubt_cents", period)
    asked = int(cost[Fault.SHARED]) + round(unknown * rules.value_unknown_share)
    aside = int(row.read("period_aside_cents", period))
    off = min(aside, asked)
    return asked - off, max(0, int(cost[Fault.CUSTOMER]) - (aside - off))


def service(row: Row, rules: Rules, period: int) -> int:
    """Shared cost of a period, and unknown cost without the doubtful, by its share, less what was set aside."""
    return counted(row, rules, period)[0]


def adjusted_net(row: Row, rules: Rules, period: int) -> int:
    """Margin of a period less every cost that the company did not cause."""
    return int(row.read("period_margin_cents", period)) - sum(counted(row, rules, period))


def fees_of_a_year(row: Row, day: int) -> int:
    """Margin of the fees known to come."""
    if row.contract_period_days:
        to_come = row.last_fee_day < row.contract_from_ms // DAY_MS and row.contract_end_ms > day * DAY_MS
        fresh = row.last_fee_day != state.NEVER and day - row.last_fee_day <= row.contract_period_days + 28
        rate = row.contract_fee_cents * DAYS_PER_YEAR / row.contract_period_days
        return round(rate) if to_come or fresh else 0
    if row.last_fee_day == state.NEVER or day - row.last_fee_day > 56:
        return 0
    return round(row.life_fee_cents * DAYS_PER_YEAR / max(28, day - row.first_fee_day))


@dataclass
class Judged:
    """Judged nets by period, and what they already have in them."""

    nets: dict[int, int]
    invested: int
    awaited: int


def judged(row: Row, rules: Rules, day: int) -> Judged:
    """The judged net of each period of the year."""
    now, begun = period_of(day), period_of(row.first_day)
    nets = {period: adjusted_net(row, rules, period) for period in range(now - 12, now + 1)}
    first_days = [one for one in nets if one >= begun and one * 28 < row.first_day + rules.value_onboarding_days]
    spent = sum(service(row, rules, one) for one in first_days)
    fees = fees_of_a_year(row, day)
    invested = 0
    if fees > 0 and spent * DAYS_PER_YEAR <= fees * (rules.value_investment_periods * 28.0):
        part = round(spent / rules.value_investment_periods)
        back = {one: service(row, rules, one) for one in first_days}
        for one in nets if spent else ():
            if one >= begun:
                nets[one] += back.get(one, 0) - part
                invested += back.get(one, 0) - part
    awaited = _awaited(row, rules, day)
    if awaited and period_of(row.loss_day) in nets:
        nets[period_of(row.loss_day)] += awaited
    return Judged(nets, invested, awaited)


def _awaited(row: Row, rules: Rules, day: int) -> int:
    window = rules.value_attach_days
    if row.loss_day == state.NEVER or day - row.loss_day >= window:
        return 0
    if not row.holds("period", period_of(row.loss_day)):
        return 0
    idle = max(0, day - max(row.loss_day, row.last_purchase_day))
    return round(row.loss_cents * rules.value_attach_share * (1 - idle / window))


def hyp2f1(a: float, b: float, c: float, z: float) -> float:
    """Gauss's series, summed until it no longer moves; 0 <= z < 1."""
    total = term = 1.0
    k = 0
    while True:
        term *= (a + k) * (b + k) / (c + k) / (k + 1) * z
        total += term
        k += 1
        if abs(term) <= 1e-18 * abs(total):
            return total


@lru_cache(20_000)
def purchases_ahead(r: float, alpha: float, a: float, b: float, repeats: int, age_weeks: float) -> float:
    """Purchases within a year of an MBG/NBD customer who is alive: the intensity, summed by quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    total = 0.0
    for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
        v = (node + 1) / 2
        s = WEEKS_PER_YEAR * v * v
        z = s / (alpha + age_weeks + s)
        at = (r + repeats) / (alpha + age_weeks) * math.exp(a * math.log1p(-z))
        total += weight * WEEKS_PER_YEAR * v * at * hyp2f1(a + b - r, a, a + b + 1 + repeats, z)
    return total


def year_ahead(row: Row, rules: Rules, day: int) -> int:
    """What a year from now on brings if the customer stays."""
    found, now = judged(row, rules, day), period_of(day)
    sales = 0.0
    if row.purchases and row.spent_cents:
        p, q, v = rules.lifetime_spend_p, rules.lifetime_spend_q, rules.lifetime_spend_v_cents
        spend = p * (v + row.spent_cents) / (p * row.purchases + q - 1)
        rate = (row.life_margin_cents - row.life_fee_cents + found.awaited) / row.spent_cents
        mixing = (rules.lifetime_purchase_shape, rules.lifetime_purchase_scale_weeks)
        leaving = (rules.lifetime_leave_a, rules.lifetime_leave_b)
        bought = purchases_ahead(*mixing, *leaving, row.repeat_days, max(0, day - row.first_purchase_day) / 7)
        sales = bought * spend * max(-1.0, min(1.0, rate))
    first = period_of(row.first_day) + (row.first_day % 28 != 0)
    recent = range(max(first, now - rules.value_recent_periods), now)
    cost = sum(row.read("period_margin_cents", one) - found.nets[one] for one in recent)
    if found.awaited and period_of(row.loss_day) in recent:
        cost += found.awaited
    yearly = round(cost * DAYS_PER_YEAR / (28 * len(recent))) if recent else 0
    return round(sales) + fees_of_a_year(row, day) - yearly


def fee_cover(row: Row, rules: Rules, day: int) -> int:
    """Fees' margin over the cost to serve of the year, ppm; -1 for none."""
    year = range(period_of(day) - 12, period_of(day) + 1)
    fees = sum(row.read("period_fee_cents", one) for one in year)
    own = sum(sum(counted(row, rules, one)) for one in year)
    return round(max(0, fees) / own * MILLION) if fees and own > 0 else -1
