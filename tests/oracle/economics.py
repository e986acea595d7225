"""Section 5, Economics, of docs/model.md in plain numbers: what is at stake, and which moments are told."""

from __future__ import annotations

from typing import Any

from schemas import state
from schemas.codes import Evidence, Moment
from tests.oracle import scores
from tests.oracle.rows import Row, Rules, day_of

OWED = (
    Moment.TICKET_UNANSWERED,
    Moment.CALLBACK_MISSED,
    Moment.REPAIR_OVERDUE,
    Moment.WRONG_PART_TWICE,
    Moment.APPEAL_UNANSWERED,
)


class Budget:
    """How many service alerts of a day were told by one of ``partitions``."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._day, self._used = -1, 0

    def spend(self, alerts: list[dict[str, Any]], rules: Rules) -> list[dict[str, Any]]:
        """The alerts, those above the day's share marked."""
        for alert in alerts:
            if alert["kind"] not in {"service_failure_entered", "service_failure_escalated"}:
                continue
            if day_of(alert["ts_ms"]) > self._day:
                self._day, self._used = day_of(alert["ts_ms"]), 0
            self._used += 1
            alert["within_budget"] = self._used <= -(-rules.service_budget_per_day // self._partitions)
        return alerts


def stake_cents(row: Row, rules: Rules, now: int) -> int:
    """What is lost with the customer."""
    return int(max(0, scores.worth_cents(row, rules, now)) + rules.economics_acquisition_cents)


def reaching_out_cents(row: Row, rules: Rules, now: int) -> int:
    """What reaching out is expected to save: of the stake, by who may be kept and who may be won back."""
    gone = row.odds / (1 + row.odds)
    ahead = max(0.0, scores.risk(row, rules, now) - gone)
    chance = rules.churn_saved_share * ahead + rules.churn_won_back_share * gone
    return round(stake_cents(row, rules, now) * chance)


def savable_cents(row: Row, rules: Rules, now: int) -> int:
    """Worth times the part of the risk that lies ahead."""
    gone = row.odds / (1 + row.odds)
    return round(scores.worth_cents(row, rules, now) * max(0.0, scores.risk(row, rules, now) - gone))


def made_good(row: Row) -> Row:
    """The row as it would be with every open case settled and one more recovery."""
    other = row.copy()
    for slot in range(state.CASES):
        if other.is_open(slot):
            other.case_resolved_ms[slot] = max(other.case_opened_ms[slot], other.case_asked_ms[slot])
    other.evidence[Evidence.RECOVERY] += 1.0
    return other


def worth_telling(row: Row, rules: Rules, due: int, now: int) -> int:
    """Of the listed moments in ``due``, the bits of those that are owed or worth their cost."""
    told = 0
    for moment in Moment:
        if not due >> moment & 1:
            continue
        cost = rules.gesture_cents[moment] + round(rules.floor_minutes[moment] * rules.cost_voice_cents_per_minute)
        by_model = scores.risk(row, rules, now) - scores.risk(made_good(row), rules, now)
        chance = max(by_model, rules.saves[moment])
        if moment in OWED or round(stake_cents(row, rules, now) * chance) >= cost:
            told |= 1 << moment
    return told
