"""A customer's life, day by day: buying, asking, being let down, and one day perhaps leaving, unannounced."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.codes import Answer, Kind, Observer, ReturnReason
from schemas.events import DAY_MS
from tests.eval import troubles
from tests.eval.compiled import compiled
from tests.eval.contacts import CALL, CHAT, EMAIL, answered, contact, short_call, survey
from tests.eval.notes import (
    ABUSER,
    AMOUNT,
    BY_CUSTOMER,
    CAUSE,
    CODE,
    COLUMNS,
    CONTRACT_END,
    CUSTOMER,
    GAMER,
    HANDLE,
    HOUR_MS,
    HOW_TO,
    KIND,
    LIFE,
    MARGIN,
    MARQUIS,
    NEUTRAL,
    NO_ONE,
    ONBOARDING,
    REASON,
    RELAY,
    SETTING_UP,
    START_MS,
    TS,
    UNSAID,
    WANTS_OUT,
    Life,
    Notes,
    busy_time,
    hit,
    put,
)
from tests.eval.traits import FEE_MARGIN, SET_UP_DAYS, draw

Physics = np.void
PURCHASE = int(Kind.PURCHASE)
RETURN = int(Kind.RETURN)
FEE = int(Kind.MAINTENANCE_FEE)
SIGNED = int(Kind.CONTRACT_SIGNED)
CANCEL = int(Kind.CANCEL_REQUEST)
ETF_QUERY = int(Kind.ETF_QUERY)
ABUSE_FLAG = int(Kind.ABUSE_FLAG)
DISPATCH = int(Kind.DISPATCH)
RIVAL = int(Kind.COMPETITOR_OFFER)
HUMAN = int(Observer.HUMAN)
YES = int(Answer.YES)
REMORSE = int(ReturnReason.REMORSE)
OTHER = int(ReturnReason.OTHER)
BY_DEFECT = int(ReturnReason.DEFECT)
PRICE_RISES: Final = (150, 360, 570)
CONTRACT_DAYS: Final = 730
GAMING_DAYS: Final = 3
FRUSTRATION_MOST: Final = 5.0
LOG_HAZARD_MOST: Final = 4.6
SEASON_DAYS: Final = 21
ROOM: Final = 60_000
"""Rows a life may fill; a life that would need more stops being written down."""


@compiled
def live(
    lives: NDArray[np.void], index: int, physics: NDArray[np.void], days: int, horizon: int, seed: int, out: Notes
) -> int:
    """Live customer ``index`` up to day ``horizon``; write what happens before day ``days`` into ``out``.

    Returns how many rows were written. The same seed and index give the same life, whoever else there is.
    """
    c, p = lives[index], physics[0]
    np.random.seed((seed * 1_000_003 + index * 7_919 + 17) % 2**31)
    draw(c, p)
    fade = 2.0 ** (-1.0 / p["frustration_half_life_days"])
    fade_price = 2.0 ** (-1.0 / p["price_half_life_days"])
    for day in range(c["start"], horizon):
        c["frustration"] *= fade
        c["pressure"] *= fade_price
        before = c["events"]
        spend_the_day(c, p, out, day)
        if day >= days or c["events"] > ROOM - 1_000:
            c["events"] = before
        if leaves(c, p, out, day):
            c["left_day"] = day
            break
    return int(c["events"])


@compiled
def spend_the_day(c: Life, p: Physics, out: Notes, day: int) -> None:
    """Everything that may happen to a customer on one day, but leaving."""
    shop(c, p, out, day)
    if p["contracts_told"] == 1 and c["contract"] == 1 and day == c["start"]:
        at = put(c, out, START_MS + day * DAY_MS + HOUR_MS // 2, SIGNED, NO_ONE)
        out[at, AMOUNT] = np.int64(c["fee_cents"])
        out[at, MARGIN] = np.int64(FEE_MARGIN * c["fee_cents"])
        out[at, CONTRACT_END] = START_MS + (c["start"] + CONTRACT_DAYS) * DAY_MS
    since = day - c["fees_from"]
    if c["contract"] == 1 and since >= 0 and (since - c["fee_phase"]) % 28 == 0:
        at = put(c, out, START_MS + day * DAY_MS + HOUR_MS, FEE, NO_ONE)
        out[at, AMOUNT] = np.int64(c["fee_cents"])
        out[at, MARGIN] = np.int64(FEE_MARGIN * c["fee_cents"])
        out[at, CONTRACT_END] = START_MS + (c["start"] + CONTRACT_DAYS) * DAY_MS
    hear_of_prices(c, p, out, day)
    ask(c, p, out, day)
    if c["silent_day"] == day:
        troubles.silent_defect(c, p, out, day)
    if c["problem"] == 1 and day >= c["open_day"]:
        if c["lost"] == 1:
            troubles.lost_ticket(c, p, out, day)
        elif day == c["next_day"]:
            troubles.work_on(c, p, out, day)
    troubles.release(c, p, out, day)


@compiled
def shop(c: Life, p: Physics, out: Notes, day: int) -> None:
    """Perhaps a purchase: slower when frustrated or pressed by prices, more in season."""
    slower = math.exp(-p["frustrated_buying"] * c["frustration"] - p["price_buying"] * c["pressure"])
    rate = c["rate"] * (1 + p["season_swing"] * math.sin(2 * math.pi * day / 365))
    if c["yearly"] == 1:
        away = abs((day - c["season"] + 182) % 365 - 182)
        rate = c["rate"] * 365 / (2 * SEASON_DAYS + 1) if away <= SEASON_DAYS else 0.0
    if day != c["start"] and not hit(rate * slower):
        return
    c["repeats"] += 1
    c["last_buy"] = day
    amount = c["spend_cents"] * math.exp(0.35 * np.random.randn() - 0.06125)
    margin = amount * c["margin_rate"]
    ts_ms = busy_time(day)
    at = put(c, out, ts_ms, PURCHASE, NEUTRAL)
    out[at, AMOUNT] = np.int64(amount)
    out[at, MARGIN] = np.int64(margin)
    if hit(c["remorse"]):
        at = put(c, out, ts_ms + (2 + np.int64(np.random.random() * 8)) * DAY_MS, RETURN, NEUTRAL)
        out[at, AMOUNT] = np.int64(amount)
        out[at, MARGIN] = np.int64(margin)
        out[at, CODE] = REMORSE if hit(0.5) else OTHER
        if hit(p["miscoded_share"]):
            out[at, CODE] = BY_DEFECT
        return
    troubles.defect(c, p, day)


@compiled
def ask(c: Life, p: Physics, out: Notes, day: int) -> None:
    """Contacts with no failure behind them: questions, setting up, relay talks, abuse, speed-dialling."""
    game = day - c["gaming_from"]
    if 0 <= game < GAMING_DAYS:
        speed_dial(c, out, day, game)
    if c["type"] == ONBOARDING and day - c["start"] < SET_UP_DAYS:
        for _ in range(np.random.poisson(0.25)):
            at = contact(c, p, out, busy_time(day), NEUTRAL, 15.0)
            out[at, REASON] = SETTING_UP
            answered(p, out, at, True)
    for _ in range(np.random.poisson(c["contact_rate"])):
        ts_ms = busy_time(day)
        if c["type"] == RELAY:
            for number in range(4 + np.random.poisson(6.0)):
                at = short_call(c, out, ts_ms + number * 4 * 60_000, NEUTRAL, 72.0)
            out[at, REASON] = HOW_TO
            continue
        unneeded = c["type"] in (ABUSER, MARQUIS)
        at = contact(c, p, out, ts_ms, BY_CUSTOMER if unneeded else NEUTRAL, 9.0)
        out[at, REASON] = HOW_TO
        answered(p, out, at, True)
        if hit(0.03):
            put(c, out, ts_ms + HOUR_MS, DISPATCH, BY_CUSTOMER if unneeded else NEUTRAL)
        if c["type"] == ABUSER and hit(0.02):
            at = put(c, out, ts_ms + HOUR_MS, ABUSE_FLAG, NO_ONE)
            out[at, CODE] = HUMAN
        troubles.rudeness(c, p, out, ts_ms, p["rude_chance"])
        survey(c, p, out, ts_ms, p["survey_share"], True)


@compiled
def speed_dial(c: Life, out: Notes, day: int, game: int) -> None:
    """Calls by the dozen, seconds long, and the question what it costs to be let go."""
    ts_ms = START_MS + day * DAY_MS + 9 * HOUR_MS
    if game == 0:
        at = put(c, out, ts_ms, ETF_QUERY, NO_ONE)
        out[at, CONTRACT_END] = START_MS + (c["start"] + CONTRACT_DAYS) * DAY_MS
        out[at, AMOUNT] = 20_000
    for number in range(np.random.poisson(23.0)):
        at = short_call(c, out, ts_ms + number * 15 * 60_000, BY_CUSTOMER, 45.0)
        out[at, REASON] = WANTS_OUT


@compiled
def hear_of_prices(c: Life, p: Physics, out: Notes, day: int) -> None:
    """Price rises on known days press each customer differently; rivals' offers press too."""
    for rise in PRICE_RISES:
        if day == rise:
            c["pressure"] += p["price_rise"] * c["exposure"]
    if p["rival_offer_per_day"] > 0 and hit(p["rival_offer_per_day"]):
        c["pressure"] += 0.8
        if hit(0.3):
            put(c, out, busy_time(day), RIVAL, NO_ONE)


@compiled
def leaves(c: Life, p: Physics, out: Notes, day: int) -> bool:
    """Whether the customer leaves at the end of the day; two sums say how much of the hazard failures made."""
    loyal = math.exp(-p["loyalty_per_log_repeat"] * math.log1p(max(0, c["repeats"])))
    calm = (c["base_hazard"] + p["price_hazard_per_year"] / 365 * c["sensitivity"] * c["pressure"]) * loyal
    felt = p["frustration_gain"] * c["sensitivity"] * min(c["frustration"], FRUSTRATION_MOST)
    driven = p["failure_hazard_per_year"] / 365 * loyal + calm
    hazard = calm + driven * (math.exp(min(LOG_HAZARD_MOST, felt)) - 1)
    c["base_sum"] += calm
    c["hazard_sum"] += hazard
    if c["type"] == GAMER and day > c["gaming_from"] + GAMING_DAYS:
        hazard = 0.08
    if not hit(hazard):
        return False
    if hit(p["cancel_request_share"]):
        put(c, out, START_MS + (day + 1) * DAY_MS - HOUR_MS, CANCEL, NO_ONE)
    return True


def people(
    physics: NDArray[np.void], customers: int, days: int, horizon: int, seed: int
) -> tuple[NDArray[np.void], Notes]:
    """All lives of a world: the customers (n,) and their events (m, columns) in the order of time.

    Events of equal time go by customer. ``physics`` has shape (1,).
    """
    lives = np.zeros(customers, LIFE)
    out = np.empty((ROOM, len(COLUMNS)), np.int64)
    kept = []
    for index in range(customers):
        count = live(lives, index, physics, days, horizon, seed, out)
        part = out[:count].copy()
        part[:, -1] = index
        kept.append(part[part[:, 0] < START_MS + days * DAY_MS])
    events = np.concatenate(kept)
    if physics["sparse"][0]:
        events = sparse(events)
    return lives, events[np.lexsort((events[:, -1], events[:, 0]))]


def sparse(events: Notes) -> Notes:
    """What the smallest feed tells: every contact as a call with its length, and what was bought for how much."""
    contacts = np.isin(events[:, KIND], (CALL, CHAT, EMAIL))
    kept = events[contacts | (events[:, KIND] == PURCHASE)]
    thin = np.full_like(kept, UNSAID)
    calls = kept[:, KIND] != PURCHASE
    for column in (TS, KIND, CAUSE, CUSTOMER):
        thin[:, column] = kept[:, column]
    thin[calls, KIND] = CALL
    thin[calls, HANDLE] = kept[calls, HANDLE]
    thin[~calls, AMOUNT] = kept[~calls, AMOUNT]
    return thin
