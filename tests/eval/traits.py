"""Who a customer is: drawn once, before the first day; and what such a customer is worth a year in the mean."""

import math

import numpy as np

from tests.eval.compiled import compiled
from tests.eval.notes import (
    ABUSER,
    GAMER,
    MARQUIS,
    ONBOARDING,
    ORDINARY,
    RELAY,
    STAYS,
    VICTIM,
    Life,
    hit,
)

# Expected cents of one ordinary contact at the default costs: 65 % calls and 20 % chats of nine minutes in the
# mean, 15 % mails, and a technician in 3 % of all.
CONTACT_CENTS = 0.65 * (200 + 75 * 9) + 0.20 * (80 + 40 * 9) + 0.15 * 450 + 0.03 * 12_000
ORDER_CENTS = 350.0
RETURN_CENTS = 1_200.0
RELAY_TALK_CENTS = 10 * (200 + 75 * 1.2)
SET_UP_CENTS = 22 * (200 + 75 * 15)
SET_UP_DAYS = 90
SET_UP_PAID_OVER_YEARS = 3.0
FEE_MARGIN = 0.7


@compiled
def draw(c: Life, p: np.void) -> None:
    """Draw type, class, rates and sensitivity; ``p`` is the world's physics."""
    c["left_day"] = STAYS
    c["last_buy"] = -1
    c["repeats"] = -1
    c["silent_day"] = -1
    c["fault_until"] = -1
    c["type"] = _type(p)
    toss = np.random.random()
    c["margin_class"] = 0 if toss < 0.20 else (1 if toss < 0.75 else 2)
    c["start"] = 0 if hit(p["old_share"]) else int(np.random.random() * p["join_until_day"])
    c["contract"] = 1 if hit(p["contract_share"]) else 0
    c["yearly"] = 1 if hit(p["yearly_share"]) else 0
    c["rate"] = np.random.gamma(1.3, 1 / 1.3) / p["mean_gap_days"]
    _margins(c)
    c["fee_cents"] = (400.0 + 1_000.0 * np.random.random()) * c["contract"]
    c["fee_phase"] = int(np.random.random() * 28)
    c["fees_from"] = c["start"]
    c["base_hazard"] = np.random.gamma(0.8, 1 / 0.8) * p["base_hazard_per_year"] / 365
    c["sensitivity"] = math.exp(p["sensitivity_sd"] * np.random.randn())
    c["exposure"] = np.random.gamma(0.7, 1 / 0.7)
    c["defect_chance"] = p["defect_chance"]
    c["solved_chance"] = p["solved_chance"]
    c["gaming_from"] = STAYS
    c["season"] = int(np.random.random() * 365)
    _by_type(c)
    c["adjusted_year_cents"] = _worth_a_year(c)


@compiled
def _type(p: np.void) -> int:
    toss = np.random.random()
    for kind, share in (
        (ABUSER, p["abuser_share"]),
        (GAMER, p["gamer_share"]),
        (VICTIM, p["victim_share"]),
        (MARQUIS, p["marquis_share"]),
        (RELAY, p["relay_share"]),
        (ONBOARDING, p["onboarding_share"]),
    ):
        if toss < share:
            return kind
        toss -= share
    return ORDINARY


@compiled
def _margins(c: Life) -> None:
    """Three classes: loyal and well-margined, ordinary, bargain hunters who call and send back much."""
    if c["margin_class"] == 0:
        c["rate"] *= 1.6
        c["spend_cents"] = 13_300 * math.exp(0.6 * np.random.randn())
        c["margin_rate"] = 0.42 + 0.06 * np.random.randn()
        c["contact_rate"] = np.random.gamma(0.7, 1 / 0.7) / 150
        c["remorse"] = 0.02
    elif c["margin_class"] == 1:
        c["spend_cents"] = 6_650 * math.exp(0.5 * np.random.randn())
        c["margin_rate"] = 0.24 + 0.05 * np.random.randn()
        c["contact_rate"] = np.random.gamma(0.6, 1 / 0.6) / 95
        c["remorse"] = 0.06
    else:
        c["spend_cents"] = 5_700 * math.exp(0.5 * np.random.randn())
        c["margin_rate"] = 0.10 + 0.06 * np.random.randn()
        c["contact_rate"] = np.random.gamma(0.8, 1 / 0.8) / 38
        c["remorse"] = 0.16


@compiled
def _by_type(c: Life) -> None:
    """What sets the special ones apart."""
    if c["type"] == ABUSER:
        c["contact_rate"] = np.random.gamma(2.0, 0.5) / 3.5
        c["margin_rate"] = 0.12
    elif c["type"] == GAMER:
        c["contract"] = 1
        c["fee_cents"] = 400.0 + 1_000.0 * np.random.random()
        c["gaming_from"] = c["start"] + 90 + int(np.random.random() * 600)
    elif c["type"] == VICTIM:
        c["defect_chance"] = 0.55
        c["solved_chance"] = 0.22
    elif c["type"] == MARQUIS:
        c["spend_cents"] *= 8
        c["margin_rate"] = 0.15
        c["contact_rate"] = np.random.gamma(3.0, 1 / 3.0) / 3
        c["rate"] = 1 / 25
    elif c["type"] == RELAY:
        c["rate"] = 1 / 20
        c["spend_cents"] = 11_000 * math.exp(0.3 * np.random.randn())
        c["margin_rate"] = 0.40 + 0.04 * np.random.randn()
        c["contact_rate"] = 1 / 24
        c["remorse"] = 0.02
    elif c["type"] == ONBOARDING:
        c["contract"] = 1
        c["fee_cents"] = 4_500.0 + 5_500.0 * np.random.random()
        c["fees_from"] = c["start"] + 84
    if c["yearly"] == 1:
        c["rate"] = 1.6 / 365
        c["spend_cents"] *= 4
        c["contact_rate"] *= 0.3
        c["start"] -= (c["start"] - c["season"]) % 365
        if c["start"] < 0:
            c["start"] += 365


@compiled
def _worth_a_year(c: Life) -> float:
    """Expected adjusted net of a year with nothing going wrong: margin less all cost but the company's, cents."""
    bought = c["spend_cents"] * c["margin_rate"] * (1 - c["remorse"]) - ORDER_CENTS - c["remorse"] * RETURN_CENTS
    talk = RELAY_TALK_CENTS if c["type"] == RELAY else CONTACT_CENTS
    year = 365 * (c["rate"] * bought - c["contact_rate"] * talk)
    year += 365 / 28 * c["fee_cents"] * FEE_MARGIN
    if c["type"] == ONBOARDING:
        year -= SET_UP_CENTS / SET_UP_PAID_OVER_YEARS
    return float(year)
