"""How a life is written down: one row of whole numbers for each event, before it becomes a wire event."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.events import DAY_MS
from tests.eval.compiled import compiled

START_MS: Final = 705 * 28 * DAY_MS
"""Day 0 of every world: the first day of a 28-day period, so that period 0 is whole."""

HOUR_MS: Final = DAY_MS // 24
UNSAID: Final = -(2**62)

COLUMNS: Final = (
    *("ts_ms", "kind", "cause", "case", "amount_cents", "margin_cents", "handle_ms", "cost_cents", "code"),
    *("resolved", "score", "reason", "due_ms", "defect", "contract_end_ms", "said_cause", "customer"),
)
TS: Final = 0
KIND: Final = 1
CAUSE: Final = 2
CASE: Final = 3
AMOUNT: Final = 4
MARGIN: Final = 5
HANDLE: Final = 6
COST: Final = 7
CODE: Final = 8
RESOLVED: Final = 9
SCORE: Final = 10
REASON: Final = 11
DUE: Final = 12
DEFECT: Final = 13
CONTRACT_END: Final = 14
SAID_CAUSE: Final = 15
CUSTOMER: Final = 16

NO_ONE: Final = 0
COMPANY: Final = 1
BY_CUSTOMER: Final = 2
NEUTRAL: Final = 3
"""Who truly caused an event's cost; from 1 on they are the wire's codes of ``cause``."""

REASONS: Final = ("how_to_use", "invoice", "delivery", "broken", "onboarding", "wants_out", "release")
HOW_TO: Final = 0
BROKEN: Final = 3
SETTING_UP: Final = 4
WANTS_OUT: Final = 5
RELEASE: Final = 6

LIFE = np.dtype(
    [
        # who it is
        *((name, "<i8") for name in ("type", "margin_class", "start", "contract", "yearly", "fee_phase")),
        *((name, "<i8") for name in ("season", "gaming_from", "fees_from")),
        *(
            (name, "<f8")
            for name in ("rate", "spend_cents", "margin_rate", "contact_rate", "remorse", "fee_cents")
        ),
        *((name, "<f8") for name in ("base_hazard", "sensitivity", "defect_chance", "solved_chance", "exposure")),
        # how it goes
        *((name, "<f8") for name in ("frustration", "pressure")),
        *((name, "<i8") for name in ("repeats", "last_buy", "problem", "open_day", "next_day", "fruitless")),
        *((name, "<i8") for name in ("lost", "asked_up", "silent_day", "case", "fault_until", "events")),
        # the truth
        *((name, "<f8") for name in ("adjusted_year_cents", "base_sum", "hazard_sum")),
        ("left_day", "<i8"),
    ]
)
"""One customer: traits, state, and what is true of them. ``left_day`` is ``STAYS`` for who never left."""

STAYS: Final = 10**6
ORDINARY: Final = 0
ABUSER: Final = 1
GAMER: Final = 2
VICTIM: Final = 3
MARQUIS: Final = 4
RELAY: Final = 5
ONBOARDING: Final = 6

Life = np.void
Notes = NDArray[np.int64]


@compiled
def put(c: Life, out: Notes, ts_ms: int, kind: int, cause: int) -> int:
    """Write an event's row, everything else unsaid; its index, to say more."""
    at = c["events"]
    out[at, :] = UNSAID
    out[at, TS] = ts_ms
    out[at, KIND] = kind
    out[at, CAUSE] = cause
    c["events"] = at + 1
    return int(at)


@compiled
def hit(chance: float) -> bool:
    """Throw the dice once."""
    return bool(np.random.random() < chance)


@compiled
def busy_time(day: int) -> int:
    """A moment between 8 and 20 o'clock of a day, ms UTC."""
    return int(START_MS + day * DAY_MS + 8 * HOUR_MS + np.int64(np.random.random() * 12 * HOUR_MS))
