"""How much of the floor's time an action would free: the customer's contacts of late, by whose doing they are."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kernels import grounds
from kernels.elementary import round_half_even
from schemas.codes import Fault
from schemas.state import FAULTS

ASKED = (Fault.SHARED, Fault.UNKNOWN)
OURS = (Fault.COMPANY,)
STOPS: dict[str, tuple[Fault, ...]] = {
    "self_service_shift": ASKED,
    **dict.fromkeys(
        (
            *("fix_glaring_problem", "single_owner", "settle_for_good", "answer_now", "call_back_now", "unlock"),
            *("keep_the_promise", "repair_or_replace_goodwill", "verify_part_before_shipping"),
            *("offer_trade_in", "offer_third_party_parts", "offer_trade_in_or_third_party_parts"),
        ),
        OURS,
    ),
}
"""Actions after which contacts stop: those that only ask, or those that our own faults cause."""


def minutes(asked: Sequence[str], row: Any) -> tuple[int | None, ...]:
    """Minutes of the last 28 to 55 days that each action would have freed, in their order; None: it frees none.

    Two actions may stop the same contacts, so what they free is not to be added up (docs/model.md section 7).
    """
    by_fault = np.empty(FAULTS, np.int64)
    seconds = int(grounds.served_lately(row.reshape(1), by_fault))
    cost = by_fault.tolist()
    whole = sum(cost)

    def freed(action: str) -> int | None:
        if action not in STOPS:
            return None
        part = sum(cost[fault] for fault in STOPS[action])
        return round_half_even(seconds * part / whole / 60) if whole > 0 else 0

    return tuple(freed(action) for action in asked)
