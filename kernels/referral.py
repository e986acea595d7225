"""Who may be asked for a referral: results, a relationship, and nothing open (docs/model.md section 5)."""

from typing import Final

from kernels._jit import kernel
from kernels.attribution import DAY_MS
from kernels.holds import HOLD, hold_reasons
from kernels.machine import CLEARED, ENTERED, cross
from kernels.relations import within
from kernels.scores import could_be_worth, known_worth
from kernels.settle import to_ppm
from kernels.shapes import Records, Row, Rules, Scores
from schemas.codes import Machine
from schemas.state import NEVER

REFERRAL: Final = int(Machine.REFERRAL)


@kernel
def has_their_word(row: Row, now_ms: int, days: int) -> bool:
    """Whether the customer scored or praised us, grew with us or brought someone, in the last ``days``."""
    newest_ms = max(int(row["csat_ms"]), int(row["news_ms"]), int(row["referral_ms"]))
    return within(newest_ms, now_ms, days)


@kernel
def _delivered(row: Row, now_ms: int, rules: Rules) -> bool:
    """Results: no failure for long, the last score high if there is one, and the customer's own word of late."""
    quiet_days = now_ms // DAY_MS - int(row["failure_day"])
    if row["failure_day"] != NEVER and quiet_days < rules["referral_quiet_days"]:
        return False
    if row["csat_ms"] != NEVER and row["csat_share_ppm"] < to_ppm(rules["referral_csat_share"]):
        return False
    return has_their_word(row, now_ms, int(rules["referral_word_days"]))


@kernel
def _related(row: Row, now_ms: int, rules: Rules, scores: Scores, most_gone: float, recent_days: int) -> bool:
    """A relationship: long enough, bought again and again, still here, and in touch."""
    day = now_ms // DAY_MS
    if day - int(row["first_day"]) < rules["referral_tenure_days"]:
        return False
    if row["repeat_days"] < rules["referral_repeat_days"] or scores["gone_ppm"] > to_ppm(most_gone):
        return False
    bought = row["last_purchase_day"] != NEVER and day - int(row["last_purchase_day"]) <= recent_days
    return bought or within(int(row["contact_ms"]), now_ms, recent_days)


@kernel
def _is_worth_asking(row: Row, day: int, rules: Rules, scores: Scores) -> bool:
    least = int(rules["referral_min_worth_cents"])
    return could_be_worth(row, day, float(least), rules) and known_worth(row, day, rules, scores) >= least


@kernel
def _may_be_asked(row: Row, now_ms: int, rules: Rules) -> bool:
    """No hold, no reason for one, and not asked lately."""
    asked_ms = int(row["referral_asked_ms"])
    if asked_ms != NEVER and now_ms - asked_ms < int(rules["referral_ask_days"]) * DAY_MS:
        return False
    return bool(row["state"][HOLD] == 0) and hold_reasons(row, now_ms, rules) == 0


@kernel
def conclude_referral(row: Row, now_ms: int, rules: Rules, scores: Scores, out: Records, at: int) -> int:
    """Call a customer ready to be asked; withdraw that as soon as it is not so any more."""
    ready = _delivered(row, now_ms, rules) and _may_be_asked(row, now_ms, rules)
    if row["state"][REFERRAL] == 0:
        gone, recent_days = float(rules["referral_most_gone"]), int(rules["referral_recent_days"])
        if (
            ready
            and now_ms >= row["cooldown_until_ms"][REFERRAL]
            and _related(row, now_ms, rules, scores, gone, recent_days)
            and _is_worth_asking(row, now_ms // DAY_MS, rules, scores)
        ):
            return cross(row, REFERRAL, ENTERED, 1, now_ms, 0, out, at)
        return at
    gone, recent_days = float(rules["referral_clear_gone"]), int(rules["referral_stay_days"])
    if ready and _related(row, now_ms, rules, scores, gone, recent_days):
        return at
    row["cooldown_until_ms"][REFERRAL] = now_ms + int(rules["referral_cooldown_days"]) * DAY_MS
    return cross(row, REFERRAL, CLEARED, 0, now_ms, 0, out, at)
