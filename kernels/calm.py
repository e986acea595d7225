"""Rows that no tick need look at closely: nothing is owed, no machine stands, and only the risk may still rise.

What a machine that has not entered looks at is remembered for the period, fades by itself, or is the risk. So a
row that was concluded without a crossing can be known to cross nothing before its period turns, as long as nothing
happens to it and its risk stays below every border that the risk alone could cross.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels import cases, rings
from kernels._jit import kernel
from kernels.attribution import HOUR_MS, repair_running
from kernels.elementary import log
from kernels.evidence import RECOVERY
from kernels.gem import may_be_a_gem
from kernels.realign import may_be_our_cause, may_be_proved
from kernels.referral import has_their_word
from kernels.relations import appeal_open, within
from kernels.settle import BARE, CALM, PPM, to_ppm
from kernels.shapes import Row, Rules, Scores
from schemas.codes import DECAYED, Machine
from schemas.state import MACHINES, NEVER

SERVICE: Final = int(Machine.SERVICE)
EIGHT: Final = 8
ALL_QUIET: Final = 0x0101010101010101


@kernel
def needs_the_hour(row: Row) -> bool:
    """Whether an hourly tick can change what is concluded of this row."""
    if row["pending"] != 0 or row["state"][SERVICE] != 0:
        return True
    if appeal_open(row) and row["appeal_told_ms"] != row["appeal_ms"]:
        return True
    return cases.any_waiting(row) or cases.any_callback(row) or repair_running(row)


@kernel
def least_log_odds(rules: Rules) -> float:
    """The risk's log-odds below which nobody enters a machine for it, nor nears their own usual risk's border."""
    least_ppm = min(to_ppm(rules["churn_enter_probability"]), to_ppm(rules["best_risk"]))
    below_ppm = min(least_ppm, to_ppm(rules["best_usual_floor"])) - 1
    return log(below_ppm / (PPM - below_ppm)) if below_ppm > 0 else -math.inf


@kernel
def calmness(row: Row, now_ms: int, rules: Rules, scores: Scores) -> int:
    """``CALM``, or ``BARE`` without any evidence, of a row that crossed nothing at ``now_ms``; 0 where it is not.

    scores  the year as it was just judged, which the row's memo knows
    """
    for machine in range(MACHINES):
        if row["state"][machine] != 0:
            return 0
    if may_be_proved(rules, scores) or may_be_our_cause(rules, scores) or may_be_a_gem(rules, scores):
        return 0
    if has_their_word(row, now_ms, int(rules["referral_word_days"])) or _thanks_are_owed(row):
        return 0
    if within(int(row["offer_ms"]), now_ms, int(rules["best_offer_days"])):
        return 0
    if rings.contacts_in_day(row, now_ms // HOUR_MS) >= rules["gaming_contacts"] or needs_the_hour(row):
        return 0
    bare, failed = True, 0.0
    for which in range(DECAYED):
        found = float(row["evidence"][which])
        bare = bare and found == 0.0
        failed += found if which != RECOVERY else 0.0
    # What was put right fades too: it must not be what keeps the failures below their border.
    return 0 if failed >= rules["hold_failure_evidence"] else BARE if bare else CALM


@kernel
def _thanks_are_owed(row: Row) -> bool:
    """Whether a referral may still become one that nobody gave thanks for."""
    referral_ms = int(row["referral_ms"])
    return bool(referral_ms != NEVER and row["thanked_ms"] < referral_ms and row["thanks_told_ms"] != referral_ms)


@kernel
def next_awake(quiet: NDArray[np.uint8], eights: NDArray[np.int64], i: int, n: int) -> int:
    """The first row from ``i`` on that is not quiet; ``n`` for none. ``eights`` are the same bytes by eight."""
    while i < n and quiet[i] != 0:
        i += 1
        while i % EIGHT == 0 and i // EIGHT < eights.size and eights[i // EIGHT] == ALL_QUIET:
            i += EIGHT
    return i
