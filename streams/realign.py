"""What to do about costs above margin, step by step: help, charge, review; the relation itself only by people."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kernels import grounds
from schemas.alerts import Evidence
from schemas.codes import Fault
from schemas.policy import Policy
from schemas.state import FAULTS, NEVER

LASTING, SEVERE = 3, 2
MOST_ACTIONS = 3
YEAR = "364 d"


@dataclass(frozen=True, slots=True)
class Year:
    """The money of the periods that the row's ring holds of the year, cents; ``cost`` by fault.

    ``asked`` is the service before anything was set aside; ``served`` and ``own`` are what counts of it, and of
    the customer's own cost.
    """

    margin: int
    cost: tuple[int, ...]
    asked: int
    served: int
    own: int


def year_of(row: Any, policy: Policy) -> Year:
    """Sum the year up to the day the row is settled to."""
    cost = np.empty(FAULTS, np.int64)
    margin, asked, served, own = grounds.year(row.reshape(1), policy.record, cost)
    return Year(margin, tuple(cost.tolist()), asked, served, own)


def value_actions(crossing: Any, row: Any, policy: Policy) -> tuple[str, ...]:
    """The steps that fit this far into the state, the first one first (docs/model.md section 7)."""
    if crossing["after"] == LASTING:
        return ("human_review_realign", "account_review")
    if crossing["after"] == SEVERE:
        steps = ["charge_for_service", "account_review"]
    else:
        year = year_of(row, policy)
        asks = year.served >= year.own
        steps = [*(["self_service_shift"] if asks else []), "charge_for_service", "account_review"]
    if crossing["revenue_year_cents"] >= policy.record["value_high_revenue_cents"][0]:
        steps = ["account_review", *(step for step in steps if step != "account_review")]
    return tuple(steps[:MOST_ACTIONS])


def value_evidence(crossing: Any, row: Any, policy: Policy) -> list[Evidence]:
    """The year's money by fault; the contributions add up to the net that was judged."""
    year = year_of(row, policy)
    counted = {
        Fault.COMPANY: 0,
        Fault.CUSTOMER: -year.cost[Fault.CUSTOMER],
        Fault.SHARED: -year.cost[Fault.SHARED],
        Fault.UNKNOWN: year.cost[Fault.SHARED] - year.asked,
    }
    out = [Evidence("margin", float(year.margin), "cents", YEAR, float(year.margin))]
    for fault in Fault:
        name = f"cost_{fault.name.lower()}"
        out.append(Evidence(name, float(year.cost[fault]), "cents", YEAR, float(counted[fault])))
    spread = {name: float(crossing[f"{name}_cents"]) for name in ("invested", "awaited")}
    spread["set_aside"] = float(year.asked + year.cost[Fault.CUSTOMER] - year.served - year.own)
    out += [Evidence(name, cents, "cents", YEAR, cents) for name, cents in spread.items() if cents]
    if crossing["fee_cover_ppm"] != NEVER:
        out.append(Evidence("fee_cover", float(crossing["fee_cover_ppm"]), "ppm", YEAR, 0.0))
    out.append(Evidence("revenue", float(crossing["revenue_year_cents"]), "cents", YEAR, 0.0))
    reach = int(row["reviews"]) + int(row["referrals"])
    out.append(Evidence("reach", float(reach), "reviews and referrals", "life", 0.0))
    return out
