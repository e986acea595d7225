"""A best customer in danger: worth much, and at risk, failed or courted by a rival (docs/model.md section 5)."""

from typing import Final

from kernels._jit import kernel
from kernels.attribution import DAY_MS
from kernels.machine import CLEARED, ENTERED, cross
from kernels.relations import lines_owned, within
from kernels.scores import could_be_worth, known_worth
from kernels.settle import to_ppm
from kernels.shapes import Records, Row, Rules, Scores
from schemas.codes import Machine

BEST: Final = int(Machine.BEST)
SERVICE: Final = int(Machine.SERVICE)


@kernel
def is_best(row: Row, now_ms: int, rules: Rules, scores: Scores) -> bool:
    """Worth much; half of it is enough of someone who owns several lines or brings others."""
    weighty = lines_owned(row) >= rules["best_lines"] or row["referrals"] > 0
    least = float(rules["best_worth_cents"]) / (2.0 if weighty else 1.0)
    day = now_ms // DAY_MS
    return could_be_worth(row, day, least, rules) and known_worth(row, day, rules, scores) >= least


@kernel
def in_danger(row: Row, now_ms: int, rules: Rules, scores: Scores, risk: float, ratio: float) -> bool:
    """Risky by the border ``risk`` or by ``ratio`` times their own usual risk, failed, or courted by a rival."""
    risk_ppm = int(scores["risk_ppm"])
    if risk_ppm >= to_ppm(risk) or row["state"][SERVICE] != 0:
        return True
    usual = float(row["usual_risk"])
    if usual > 0.0 and risk_ppm >= to_ppm(rules["best_usual_floor"]) and risk_ppm >= to_ppm(ratio * usual):
        return True
    return within(int(row["offer_ms"]), now_ms, int(rules["best_offer_days"]))


@kernel
def conclude_best(row: Row, now_ms: int, rules: Rules, scores: Scores, out: Records, at: int) -> int:
    """Protect a best customer in danger; stop when the danger has passed, by lower borders than it began by."""
    if row["state"][BEST] == 0:
        risk, ratio = float(rules["best_risk"]), float(rules["best_usual_ratio"])
        if (
            now_ms >= row["cooldown_until_ms"][BEST]
            and in_danger(row, now_ms, rules, scores, risk, ratio)
            and is_best(row, now_ms, rules, scores)
        ):
            return cross(row, BEST, ENTERED, 1, now_ms, 0, out, at)
        return at
    dwelt = now_ms - int(row["since_ms"][BEST]) >= int(rules["best_dwell_days"]) * DAY_MS
    risk, ratio = float(rules["best_clear_risk"]), float(rules["best_usual_clear_ratio"])
    if dwelt and not in_danger(row, now_ms, rules, scores, risk, ratio):
        row["cooldown_until_ms"][BEST] = now_ms + int(rules["best_cooldown_days"]) * DAY_MS
        return cross(row, BEST, CLEARED, 0, now_ms, 0, out, at)
    return at
