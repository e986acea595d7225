"""What the company does wrong to a customer, day by day, and how little of it is written down."""

import numpy as np

from schemas.codes import Answer, Author, Kind, Observer, ReturnReason
from schemas.events import DAY_MS
from tests.eval.compiled import compiled
from tests.eval.contacts import EMAIL, contact, survey
from tests.eval.notes import (
    AMOUNT,
    BROKEN,
    CASE,
    CODE,
    COMPANY,
    COST,
    DEFECT,
    DUE,
    HOUR_MS,
    KIND,
    MARGIN,
    NO_ONE,
    REASON,
    RELEASE,
    RESOLVED,
    SCORE,
    START_MS,
    VICTIM,
    Life,
    Notes,
    busy_time,
    hit,
    put,
)

Physics = np.void
PATIENCE_DAYS = 75
TICKET_OPENED = int(Kind.TICKET_OPENED)
TICKET_REPLY = int(Kind.TICKET_REPLY)
TICKET_RESOLVED = int(Kind.TICKET_RESOLVED)
PART_SHIPPED = int(Kind.PART_SHIPPED)
PART_WRONG = int(Kind.PART_WRONG)
CALLBACK_PROMISED = int(Kind.CALLBACK_PROMISED)
ESCALATION_REQUESTED = int(Kind.ESCALATION_REQUESTED)
ESCALATION_GRANTED = int(Kind.ESCALATION_GRANTED)
ESCALATION_DENIED = int(Kind.ESCALATION_DENIED)
FREE_REPLACEMENT = int(Kind.FREE_REPLACEMENT)
CREDIT = int(Kind.CREDIT)
RUDE_CALL = int(Kind.RUDE_CALL)
REVIEW = int(Kind.REVIEW)
RETURN = int(Kind.RETURN)
FAULT_OPENED = int(Kind.FAULT_OPENED)
FAULT_CLOSED = int(Kind.FAULT_CLOSED)
DISPATCH = int(Kind.DISPATCH)
YES = int(Answer.YES)
AGENT = int(Author.AGENT)
QA = int(Observer.QA)
BY_DEFECT = int(ReturnReason.DEFECT)
REPLACEMENT_SHARE = 0.6


@compiled
def relieve(c: Life, by: float) -> None:
    """Take frustration away, never below none."""
    c["frustration"] = max(0.0, c["frustration"] - by)


@compiled
def rudeness(c: Life, p: Physics, out: Notes, ts_ms: int, chance: float) -> None:
    """Perhaps the agent was rude; perhaps somebody noticed."""
    if hit(chance):
        c["frustration"] += p["rude_frustration"]
        if hit(p["rude_recorded"]):
            at = put(c, out, ts_ms + 5 * 60_000, RUDE_CALL, NO_ONE)
            out[at, CODE] = QA


@compiled
def defect(c: Life, p: Physics, day: int) -> None:
    """A purchase may bring a problem: a silent one, or one that the customer will call about."""
    if c["problem"] == 1 or not hit(c["defect_chance"]):
        return
    if c["type"] != VICTIM and hit(p["silent_share"]):
        c["silent_day"] = day + 2 + int(np.random.random() * 15)
        return
    c["problem"] = 1
    c["open_day"] = c["next_day"] = day + 1 + int(np.random.random() * 14)
    c["fruitless"] = 0
    c["asked_up"] = 0
    c["lost"] = 1 if hit(p["lost_ticket_share"]) else 0
    c["case"] += 1


@compiled
def silent_defect(c: Life, p: Physics, out: Notes, day: int) -> None:
    """The thing broke and nobody is told: at most a review, at most a return."""
    c["frustration"] += p["silent_frustration"]
    if hit(p["review_share"]):
        at = put(c, out, busy_time(day), REVIEW, NO_ONE)
        out[at, SCORE] = 1
        out[at, DEFECT] = YES
    if hit(0.10):
        at = put(c, out, busy_time(day), RETURN, COMPANY)
        out[at, AMOUNT] = np.int64(c["spend_cents"])
        out[at, MARGIN] = np.int64(c["spend_cents"] * c["margin_rate"])
        out[at, CODE] = BY_DEFECT


@compiled
def lost_ticket(c: Life, p: Physics, out: Notes, day: int) -> None:
    """Nobody ever answers. The customer waits, then gives up; half of such tickets are closed unread."""
    if day == c["open_day"]:
        at = put(c, out, busy_time(day), TICKET_OPENED, NO_ONE)
        out[at, CASE] = c["case"]
        out[at, REASON] = BROKEN
    c["frustration"] += p["lost_frustration_per_day"]
    if day - c["open_day"] >= PATIENCE_DAYS:
        c["problem"] = 0
        if hit(0.5):
            at = put(c, out, busy_time(day), TICKET_RESOLVED, NO_ONE)
            out[at, CASE] = c["case"]


@compiled
def work_on(c: Life, p: Physics, out: Notes, day: int) -> None:
    """The customer asks about the problem once more; now and then a victim asks many times a day."""
    ts_ms = busy_time(day)
    if c["fruitless"] == 0 and hit(0.6):
        at = put(c, out, ts_ms - 2 * HOUR_MS, TICKET_OPENED, NO_ONE)
        out[at, CASE] = c["case"]
        out[at, REASON] = BROKEN
        at = put(c, out, ts_ms - HOUR_MS, TICKET_REPLY, NO_ONE)
        out[at, CASE] = c["case"]
        out[at, CODE] = AGENT
    asked = 1
    if c["type"] == VICTIM and hit(0.25):
        asked = 1 + np.random.poisson(7.0)
    if c["type"] == VICTIM and hit(0.03):
        asked = 25 + np.random.poisson(8.0)
    solved = hit(c["solved_chance"])
    for number in range(asked):
        last = number == asked - 1
        at = contact(c, p, out, ts_ms + number * 10 * 60_000, COMPANY, 11.0)
        out[at, CASE] = c["case"]
        out[at, REASON] = BROKEN
        out[at, RESOLVED] = 2 if solved and last else 1
        if out[at, KIND] == EMAIL:
            at = put(c, out, ts_ms + 10 * HOUR_MS, TICKET_REPLY, NO_ONE)
            out[at, CASE] = c["case"]
            out[at, CODE] = AGENT
    end_ms = ts_ms + asked * 10 * 60_000
    if hit(0.25):
        at = put(c, out, end_ms + HOUR_MS, DISPATCH, COMPANY)
        out[at, CASE] = c["case"]
    rudeness(c, p, out, end_ms, 3 * p["rude_chance"])
    if solved:
        settle_problem(c, p, out, end_ms)
    else:
        fail_again(c, p, out, end_ms)
        c["next_day"] = day + 1 + int(np.random.random() * 9)
        if c["fruitless"] >= (25 if c["type"] == VICTIM else 9):
            c["problem"] = 0


@compiled
def settle_problem(c: Life, p: Physics, out: Notes, ts_ms: int) -> None:
    """The problem is settled; sometimes a gesture comes with it."""
    c["problem"] = 0
    at = put(c, out, ts_ms + HOUR_MS, TICKET_RESOLVED, NO_ONE)
    out[at, CASE] = c["case"]
    if not hit(p["gesture_share"]):
        relieve(c, 0.5)
        return
    relieve(c, p["gesture_relief"])
    if hit(0.7):
        at = put(c, out, ts_ms + 2 * HOUR_MS, FREE_REPLACEMENT, COMPANY)
        out[at, COST] = np.int64(REPLACEMENT_SHARE * c["spend_cents"])
    else:
        at = put(c, out, ts_ms + 2 * HOUR_MS, CREDIT, COMPANY)
        out[at, AMOUNT] = np.int64(0.2 * c["spend_cents"])
    out[at, CASE] = c["case"]


@compiled
def fail_again(c: Life, p: Physics, out: Notes, ts_ms: int) -> None:
    """Nothing settled: a wrong part, a callback that never comes, a supervisor denied, or only lost time."""
    c["fruitless"] += 1
    c["frustration"] += p["unsolved_frustration"]
    survey(c, p, out, ts_ms, 0.15, False)
    toss = np.random.random()
    if toss < p["wrong_part_chance"]:
        c["frustration"] += p["wrong_part_frustration"]
        at = put(c, out, ts_ms + 4 * HOUR_MS, PART_SHIPPED, COMPANY)
        out[at, CASE] = c["case"]
        if hit(p["wrong_recorded"]):
            at = put(c, out, ts_ms + 3 * DAY_MS, PART_WRONG, NO_ONE)
            out[at, CASE] = c["case"]
    elif toss < p["wrong_part_chance"] + p["missed_callback_chance"]:
        c["frustration"] += p["missed_callback_frustration"]
        if hit(p["missed_recorded"]):
            at = put(c, out, ts_ms, CALLBACK_PROMISED, NO_ONE)
            out[at, CASE] = c["case"]
            out[at, DUE] = ts_ms + DAY_MS
    if c["fruitless"] >= 3 and c["asked_up"] == 0 and hit(p["escalation_chance"]):
        c["asked_up"] = 1
        denied = hit(p["denied_share"])
        if denied:
            c["frustration"] += p["denied_frustration"]
        else:
            relieve(c, 0.4)
        if hit(p["escalation_recorded"]):
            at = put(c, out, ts_ms + 60_000, ESCALATION_REQUESTED, NO_ONE)
            out[at, CASE] = c["case"]
            kind = ESCALATION_DENIED if denied else ESCALATION_GRANTED
            at = put(c, out, ts_ms + 120_000, kind, NO_ONE)
            out[at, CASE] = c["case"]


@compiled
def release(c: Life, p: Physics, out: Notes, day: int) -> None:
    """One bad release: within an hour it hits a share of all, who call at once; three days later it is gone."""
    if day == c["fault_until"]:
        put(c, out, START_MS + day * DAY_MS + 6 * HOUR_MS, FAULT_CLOSED, NO_ONE)
        if hit(0.4):
            relieve(c, 0.5)
            at = put(c, out, busy_time(day), CREDIT, COMPANY)
            out[at, AMOUNT] = np.int64(0.1 * c["spend_cents"])
    if day != p["release_day"] or not hit(p["release_share"]):
        return
    c["frustration"] += p["release_frustration"]
    c["fault_until"] = day + 3
    ts_ms = int(START_MS + day * DAY_MS + 10 * HOUR_MS + np.random.random() * HOUR_MS)
    put(c, out, ts_ms, FAULT_OPENED, NO_ONE)
    for number in range(1 + np.random.poisson(1.5)):
        at = contact(c, p, out, ts_ms + (number + 1) * 6 * 60_000, COMPANY, 6.0)
        out[at, REASON] = RELEASE
        out[at, RESOLVED] = 1
    rudeness(c, p, out, ts_ms + HOUR_MS, p["rude_chance"])
    survey(c, p, out, ts_ms + 2 * HOUR_MS, 0.3, False)
