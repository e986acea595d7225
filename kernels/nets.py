"""What a period brought, as it is judged: without the company's own cost, and with investments spread over time.

Two kinds of loss are no loss yet (docs/model.md section 4): service of the first days that known fees will pay
for, and a sale below cost that waits for what it brings later.
"""

from typing import Final

from kernels._jit import kernel
from kernels.elementary import round_half_even
from kernels.rings import held_year, next_index
from kernels.shapes import Row, Rules, Scores
from schemas.codes import Fault
from schemas.state import NEVER, PERIOD_DAYS, PERIODS

CUSTOMER: Final = int(Fault.CUSTOMER)
SHARED: Final = int(Fault.SHARED)
UNKNOWN: Final = int(Fault.UNKNOWN)
DAYS_A_YEAR: Final = 365.25
DAY_MS: Final = 86_400_000


@kernel
def holds_period(row: Row, period: int) -> bool:
    """Whether the ring of periods holds this one."""
    head = int(row["period_head"])
    return head - PERIODS < period <= head


@kernel
def asked_cents(row: Row, at: int, unknown_share: float) -> int:
    """What was asked of us in the period at ``at`` of the ring: shared cost, and a share of unknown less doubt."""
    shared = int(row["period_cost_cents"][at, SHARED])
    unknown = int(row["period_cost_cents"][at, UNKNOWN]) - int(row["period_doubt_cents"][at])
    return shared if unknown == 0 else shared + round_half_even(float(unknown) * unknown_share)


@kernel
def served_cents(row: Row, at: int, unknown_share: float) -> int:
    """Service of the period at ``at``: what was asked of us, less what was set aside as a suspected burst's."""
    asked = asked_cents(row, at, unknown_share)
    aside = int(row["period_aside_cents"][at])
    return asked if aside == 0 else max(0, asked - aside)


@kernel
def own_cost_cents(row: Row, at: int, unknown_share: float) -> int:
    """The customer's own cost in the period at ``at``, less what was set aside above what was asked of us."""
    own = int(row["period_cost_cents"][at, CUSTOMER])
    aside = int(row["period_aside_cents"][at])
    if aside == 0:
        return own
    return max(0, own - max(0, aside - asked_cents(row, at, unknown_share)))


@kernel
def fee_year_cents(row: Row, day: int) -> int:
    """Margin of a year of the fees that are known to come at ``day``; 0 when none are."""
    paid = int(row["last_fee_day"])
    days = int(row["contract_period_days"])
    if days == 0:
        if paid == NEVER or day - paid > 2 * PERIOD_DAYS:
            return 0
        since = max(PERIOD_DAYS, day - int(row["first_fee_day"]))
        return round_half_even(float(row["life_fee_cents"]) * DAYS_A_YEAR / since)
    signed = int(row["contract_from_ms"]) // DAY_MS
    runs = paid < signed and row["contract_end_ms"] > day * DAY_MS
    if not runs and (paid == NEVER or day - paid > days + PERIOD_DAYS):
        return 0
    return round_half_even(float(row["contract_fee_cents"]) * DAYS_A_YEAR / days)


@kernel
def _onboarding_cents(row: Row, day: int, rules: Rules, scores: Scores) -> int:
    """Service of the year's periods that began within the onboarding days."""
    year = day // PERIOD_DAYS - PERIODS + 1
    first_day = int(row["first_day"])
    until = first_day + int(rules["value_onboarding_days"])
    total = 0
    for one in range(max(first_day // PERIOD_DAYS, year), year + PERIODS):
        if one * PERIOD_DAYS >= until:
            break
        total += int(scores["period_service_cents"][one - year])
    return total


@kernel
def invested_cents(row: Row, day: int, rules: Rules, scores: Scores) -> int:
    """Service of the onboarding periods that the known fees earn back within the investment's life; else 0."""
    fees = fee_year_cents(row, day)
    if fees <= 0:
        return 0
    total = _onboarding_cents(row, day, rules, scores)
    life_days = float(rules["value_investment_periods"]) * PERIOD_DAYS
    return total if float(total) * DAYS_A_YEAR <= float(fees) * life_days else 0


@kernel
def lasts_the_period(row: Row, day: int, rules: Rules, scores: Scores) -> bool:
    """Whether the nets just judged stay as they are to the period's end unless something happens to the row.

    Only a loss that is awaited back and an investment that fees earn back are judged anew from day to day.
    """
    sold = int(row["loss_day"])
    if sold != NEVER and day - sold < int(rules["value_attach_days"]):
        return False
    pays = row["last_fee_day"] != NEVER or row["contract_period_days"] != 0
    return not pays or _onboarding_cents(row, day, rules, scores) == 0


@kernel
def awaited_cents(row: Row, day: int, rules: Rules) -> int:
    """How much of the newest sale below cost is still expected to be earned back."""
    sold = int(row["loss_day"])
    window = int(rules["value_attach_days"])
    if sold == NEVER or day - sold >= window or not holds_period(row, sold // PERIOD_DAYS):
        return 0
    idle = max(0, day - max(sold, int(row["last_purchase_day"])))
    return round_half_even(float(row["loss_cents"]) * float(rules["value_attach_share"]) * (1.0 - idle / window))


@kernel
def judge_nets(row: Row, day: int, rules: Rules, scores: Scores) -> tuple[int, int]:
    """Fill the judged net and the service of each period of the year.

    Returns how much of the year's cost is set aside as an investment still to be charged, and how much of a
    loss is awaited back: both are in the nets already.
    """
    oldest = day // PERIOD_DAYS - PERIODS + 1
    first_day = int(row["first_day"])
    share = float(rules["value_unknown_share"])
    nets, served = scores["period_net_cents"], scores["period_service_cents"]
    for place in range(PERIODS):
        nets[place] = served[place] = 0
    first, end, at = held_year(row, day // PERIOD_DAYS)
    for place in range(first - oldest, end - oldest):
        served[place] = served_cents(row, at, share)
        nets[place] = int(row["period_margin_cents"][at]) - own_cost_cents(row, at, share) - served[place]
        at = next_index(at)
    invested = invested_cents(row, day, rules, scores)
    aside = 0
    if invested != 0:
        part = round_half_even(float(invested) / float(rules["value_investment_periods"]))
        for place in range(max(0, first_day // PERIOD_DAYS - oldest), PERIODS):
            onboarding = (oldest + place) * PERIOD_DAYS < first_day + int(rules["value_onboarding_days"])
            added = (int(served[place]) if onboarding else 0) - part
            nets[place] += added
            aside += added
    awaited = awaited_cents(row, day, rules)
    at_loss = int(row["loss_day"]) // PERIOD_DAYS - oldest
    if awaited != 0 and 0 <= at_loss < PERIODS:
        nets[at_loss] += awaited
    return aside, awaited


@kernel
def recent_cost_cents(row: Row, day: int, rules: Rules, scores: Scores) -> int:
    """Cost to serve of a year at the rate of the newest full periods, the company's own left out."""
    period = day // PERIOD_DAYS
    oldest = max(first_full_period(row), period - int(rules["value_recent_periods"]))
    if oldest >= period:
        return 0
    _, awaited = judge_nets(row, day, rules, scores)
    cost = 0
    for one in range(oldest, period):
        margin = int(row["period_margin_cents"][one % PERIODS]) if holds_period(row, one) else 0
        if awaited != 0 and one == int(row["loss_day"]) // PERIOD_DAYS:
            margin += awaited
        cost += margin - int(scores["period_net_cents"][one - period + PERIODS - 1])
    days = (period - oldest) * PERIOD_DAYS
    return round_half_even(float(cost) * DAYS_A_YEAR / days)


@kernel
def first_full_period(row: Row) -> int:
    """The first period that the customer was there for from its first day."""
    first_day = int(row["first_day"])
    return first_day // PERIOD_DAYS + (0 if first_day % PERIOD_DAYS == 0 else 1)
