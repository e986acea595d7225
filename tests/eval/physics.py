"""What makes customers buy, suffer, cost and leave: every number of a made-up company, with its unit.

A world states where it differs from these. The numbers were fixed before any model was tuned on the worlds; the
first two hazards and the frustration were set so that ``failure_driven`` loses about 17 % of its customers a year,
74 % of that because of failures. No kernel of the product reads any of this.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

PARAMETERS: dict[str, tuple[float, str]] = {
    # leaving
    "base_hazard_per_year": (0.056, "mean hazard of leaving with nothing wrong; gamma (shape 0.8) over customers"),
    "failure_hazard_per_year": (0.22, "what frustration multiplies, beside the base hazard"),
    "frustration_gain": (1.25, "log-hazard per unit of frustration, times the customer's sensitivity"),
    "frustration_half_life_days": (60.0, "how fast frustration fades"),
    "sensitivity_sd": (0.45, "standard deviation of log sensitivity over customers"),
    "loyalty_per_log_repeat": (0.15, "how much ln(1 + repeat purchases) lowers the log-hazard"),
    "cancel_request_share": (0.25, "leavers who say so on the day"),
    # who there is
    "old_share": (0.35, "customers who were there on day 0; the others join evenly"),
    "join_until_day": (540.0, "last day on which one joins"),
    "contract_share": (0.40, "customers who pay a fee each 28 days"),
    "abuser_share": (0.02, "customers who call for help they do not need; humans flag some of it"),
    "gamer_share": (0.005, "contract customers who speed-dial for days to be let out without the fee"),
    "victim_share": (0.035, "customers whose purchases keep failing them"),
    "marquis_share": (0.008, "famous names: large revenue at a thin margin, and calls every third day"),
    "relay_share": (0.0, "honest customers who call through a relay: one talk makes many short calls"),
    "yearly_share": (0.0, "customers who buy in one season of the year"),
    "contracts_told": (0.0, "1: signing a contract is an event, with its fee, its rhythm and its end"),
    "onboarding_share": (0.0, "contract customers with heavy support before the fees begin"),
    # buying
    "mean_gap_days": (45.0, "mean days between purchases; gamma (shape 1.3) rates over customers"),
    "frustrated_buying": (0.30, "how much one unit of frustration slows the log purchase rate"),
    "season_swing": (0.25, "yearly swing of the purchase rate"),
    # failures of the company
    "defect_chance": (0.08, "a purchase brings a problem; 0.55 for victims"),
    "silent_share": (0.40, "defects nobody is told of: no ticket, at most a review or a return; 0 for victims"),
    "silent_frustration": (1.5, "frustration of a silent defect"),
    "review_share": (0.25, "silent defects that lead to a public negative review"),
    "lost_ticket_share": (0.15, "problems whose ticket nobody ever answers; closed unread or never after 75 days"),
    "lost_frustration_per_day": (0.045, "frustration of each day without an answer"),
    "solved_chance": (0.50, "one contact about a problem settles it; 0.22 for victims"),
    "unsolved_frustration": (0.45, "frustration of a contact that settled nothing"),
    "wrong_part_chance": (0.18, "an unsolved contact leads to a wrong part"),
    "wrong_part_frustration": (0.8, "frustration of a wrong part"),
    "missed_callback_chance": (0.14, "an unsolved contact leads to a promise to call that is not kept"),
    "missed_callback_frustration": (0.5, "frustration of a missed callback"),
    "escalation_chance": (0.50, "a third fruitless contact leads to the wish for a supervisor"),
    "denied_share": (0.50, "such wishes that are denied"),
    "denied_frustration": (1.2, "frustration of being denied; granted takes 0.4 away"),
    "rude_chance": (0.01, "an ordinary contact meets a rude agent; 0.03 in a contact about a problem"),
    "rude_frustration": (1.6, "frustration of a rude agent"),
    "gesture_share": (0.35, "settled problems after which the company gives a replacement or a credit"),
    "gesture_relief": (1.2, "frustration that a gesture takes away; settling alone takes 0.5"),
    # what is written down of it
    "rude_recorded": (0.60, "rude contacts that are noticed by anyone"),
    "missed_recorded": (0.70, "missed callbacks whose promise was written down"),
    "wrong_recorded": (0.95, "wrong parts that are written down"),
    "escalation_recorded": (0.90, "wishes for a supervisor, granted or denied, that are written down"),
    "survey_share": (0.08, "contacts followed by a satisfaction score"),
    "coded_share": (0.30, "contacts whose cause a human writes down"),
    "miscoded_share": (0.0, "causes, resolutions and return reasons that are written down wrongly"),
    # price
    "price_rise": (0.0, "pressure of each price rise (days 150, 360, 570), gamma (shape 0.7) over customers"),
    "price_half_life_days": (90.0, "how fast price pressure fades"),
    "price_hazard_per_year": (0.0, "hazard of leaving for each unit of price pressure"),
    "price_buying": (0.35, "how much one unit of price pressure slows the log purchase rate"),
    "rival_offer_per_day": (0.0, "chance a day that a rival's offer adds 0.8 to the pressure; 0.3 are heard of"),
    # one bad release
    "release_day": (-1.0, "day of a release that hits ``release_share`` of the customers in one hour"),
    "release_share": (0.0, "customers hit by it"),
    "release_frustration": (1.0, "frustration of being hit"),
    # the feed
    "sparse": (0.0, "1: the feed has only call_closed with handle_ms, and purchases"),
}

PHYSICS = np.dtype([(name, "<f8") for name in PARAMETERS])
"""One record with every parameter, as the life kernel reads it."""


def physics(changes: Mapping[str, float]) -> NDArray[np.void]:
    """The parameters (shape (1,)), with the changes of one world."""
    record = np.zeros(1, PHYSICS)
    for name, (default, _) in PARAMETERS.items():
        record[name] = changes.get(name, default)
    assert set(changes) <= set(PARAMETERS), set(changes) - set(PARAMETERS)
    return record
