"""May we write to this customer, and for what? The hold and the readiness for a referral, as one answer."""

from dataclasses import dataclass
from typing import Any

from schemas.codes import FORBIDS, HoldReason, Machine, Purpose


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a purpose is allowed now; if not, why, and since when the hold stands (-1: there is none)."""

    allowed: bool
    reasons: tuple[str, ...] = ()
    since_ms: int = -1


def may_contact(row: Any, purpose: Purpose) -> Verdict:
    """Answer from a customer's row (shape ()). A referral may be asked for only when the row says it is ready."""
    held = HoldReason(int(row["hold_reasons"]))
    reasons = [(one.name or "").lower() for one in held if purpose in FORBIDS[one]]
    if purpose is Purpose.REFERRAL_ASK and row["state"][Machine.REFERRAL] == 0:
        reasons.append("not_referral_ready")
    since_ms = int(row["since_ms"][Machine.HOLD]) if held else -1
    return Verdict(not reasons, tuple(reasons), since_ms if reasons else -1)
