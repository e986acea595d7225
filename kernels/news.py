"""Good news that deserves a word, and thanks that are owed (docs/model.md section 5)."""

from typing import Final

from kernels._jit import kernel
from kernels.attribution import DAY_MS
from kernels.machine import CLEARED, ENTERED, cross
from kernels.relations import within
from kernels.shapes import Records, Row, Rules
from schemas.codes import Machine, News
from schemas.state import NEVER

NEWS: Final = int(Machine.NEWS)
HEARD: Final = int(News.HEARD)
THANKS_OWED: Final = int(News.THANKS_OWED)


@kernel
def thanks_owed(row: Row, now_ms: int, rules: Rules) -> bool:
    """Whether a referral has gone without thanks for longer than ``referral_thank_days``."""
    referral_ms = int(row["referral_ms"])
    if referral_ms == NEVER or row["thanked_ms"] >= referral_ms:
        return False
    return not within(referral_ms, now_ms, int(rules["referral_thank_days"]))


@kernel
def conclude_news(row: Row, now_ms: int, rules: Rules, out: Records, at: int) -> int:
    """Tell praise, growth or a forgotten thanks once; the state ends by itself, or when thanks were given."""
    news_ms = int(row["news_ms"])
    if row["state"][NEWS] == 0:
        if thanks_owed(row, now_ms, rules) and row["thanks_told_ms"] != row["referral_ms"]:
            row["thanks_told_ms"] = row["referral_ms"]
            return cross(row, NEWS, ENTERED, 1, now_ms, THANKS_OWED, out, at)
        if news_ms > row["news_told_ms"] and within(news_ms, now_ms, int(rules["news_days"])):
            row["news_told_ms"] = news_ms
            return cross(row, NEWS, ENTERED, 1, now_ms, HEARD, out, at)
        return at
    row["news_told_ms"] = max(int(row["news_told_ms"]), news_ms)
    since_ms = int(row["since_ms"][NEWS])
    if row["thanked_ms"] > since_ms or now_ms - since_ms >= int(rules["news_days"]) * DAY_MS:
        return cross(row, NEWS, CLEARED, 0, now_ms, 0, out, at)
    return at
