"""Who had left by a day, judged from the end of the history: from the formula in docs/fit.md."""

from __future__ import annotations

NEVER = -1


def fee_days(row, rules):
    return max(rules["churn_fee_days"], row["contract_period_days"])


def pays_fees(row, rules):
    late = 2 * fee_days(row, rules)
    return row["last_fee_day"] != NEVER and row["last_purchase_day"] <= row["last_fee_day"] + late


def cadence(row):
    span = row["last_purchase_day"] - row["first_purchase_day"]
    seasonal = row["long_gaps"] > 0 and 2 * row["long_gap_days"] >= span
    return row["long_gaps"] if seasonal else row["repeat_days"]


def silence(row, day, then, rules):
    """For each day since ``day``: the silence up to ``then`` of one who left, over that of a customer."""
    since = row["first_purchase_day"] if row["first_purchase_day"] != NEVER else row["first_day"]
    alpha, power = rules["churn_rate_scale_weeks"], rules["churn_rate_shape"] + cadence(row)

    def weeks(at):
        return alpha + max(0, at - since) / 7

    return [(weeks(then) / weeks(at)) ** power for at in range(day, then)] or [1.0]


def left_by(row, end_day, day, odds, then, odds_then, left_then, rules):
    asked = row["cancel_ms"]
    if asked != NEVER and max(row["last_purchase_day"], row["last_fee_day"]) <= asked // 86_400_000:
        return float(day > asked // 86_400_000)
    if pays_fees(row, rules):
        due = fee_days(row, rules)
        if end_day - row["last_fee_day"] <= due:
            return 0.0
        return min(1, max(0, (day - row["last_fee_day"]) / due))
    if row["last_purchase_day"] >= day or odds_then == 0:
        return 0.0
    likelier = silence(row, day, then, rules)
    before, between = likelier[0] * odds, sum(likelier) / len(likelier)
    grown = (odds_then + between) / (before + between)  # exp of the hazard, so that both make odds_then
    return left_then * min(1, grown * before / odds_then)
