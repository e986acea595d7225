"""The desk's API, as ``openapi.json`` describes it: cards, customers, actions, and the pages of a manager."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aiohttp import web

from schemas.codes import Purpose
from schemas.insights import InsightError
from streams import prospects, whale
from streams.clock import now_ms
from streams.desk import action as actions
from streams.desk import cards, rows
from streams.desk.access import Caller
from streams.desk.figures import figures
from streams.desk.server import ACCESS, DESK, answer, caller_of
from streams.desk.service import Desk, Refused

OPENAPI = Path(__file__).parent / "openapi.json"
MOST = 500
STATES = {
    "live": cards.LIVE,
    "asleep": cards.ASLEEP,
    "done": cards.DONE,
    "all": (*cards.LIVE, *cards.ASLEEP, *cards.DONE),
}
LISTS = ("vulnerable_best_customer", "hidden_gem", "referral_ready")


def add_routes(app: web.Application) -> None:
    """Put the API into an application."""
    get, post = app.router.add_get, app.router.add_post
    get("/v1/openapi.json", _openapi)
    get("/v1/me", _me)
    get("/v1/health", _health)
    get("/v1/cards", _cards)
    get("/v1/card", _card)
    get("/v1/customer", _customer)
    get("/v1/timeline", _timeline)
    get("/v1/may-contact", _may_contact)
    get("/v1/alerts", _alerts)
    get("/v1/curve", _curve)
    get("/v1/problems", _problems)
    get("/v1/win-back", _win_back)
    get("/v1/lists", _lists)
    get("/v1/incidents", _incidents)
    get("/v1/holds", _holds)
    get("/v1/figures", _figures)
    get("/v1/shadow", _shadow)
    post("/v1/actions", _act)


async def _openapi(_request: web.Request) -> web.Response:
    return answer(json.loads(OPENAPI.read_text(encoding="utf-8")))


async def _me(request: web.Request) -> web.Response:
    caller, desk = caller_of(request), request.app[DESK]
    return answer(
        {
            "name": caller.name,
            "role": caller.role,
            "may": [verb for verb in actions.VERBS if caller.may_do(verb)],
            "money": caller.sees_money,
            "currency": desk.config.currency,
            "chooses_name": request.app[ACCESS].open and not caller.machine,
        }
    )


async def _health(request: web.Request) -> web.Response:
    caller_of(request)
    desk = request.app[DESK]
    return answer(
        {
            **desk.status(),
            "behind": desk.reader.behind,
            "viewers": desk.viewers,
            "customers": len(desk.rows.packed),
            "cards": len(desk.view.places),
            "now_ms": now_ms(),
        }
    )


# ---------------------------------------------------------------- cards and customers


async def _cards(request: web.Request) -> web.Response:
    caller, desk, query = caller_of(request), request.app[DESK], request.query
    states = STATES.get(query.get("states", "live"))
    if states is None:
        raise Refused(422, f"states must be one of {', '.join(STATES)}")
    found = desk.view.find(states, query.get("q", ""), query.get("floor", ""), query.get("about", ""))
    at, limit = _whole(query.get("from"), 0, 10**9, 0), _whole(query.get("limit"), 1, MOST, 100)
    told = [desk.view.card(one, now_ms(), money=caller.sees_money) for one in found[at : at + limit]]
    return answer({"total": len(found), "cards": told})


async def _card(request: web.Request) -> web.Response:
    """A card with everything behind it."""
    caller, desk = caller_of(request), request.app[DESK]
    customer_id = _customer_id(request)
    card = desk.view.card(customer_id, now_ms(), money=caller.sees_money)
    if card is None:
        raise Refused(404, "no alert of this customer is known here")
    return answer({"card": card, **_told(desk, customer_id, caller)})


async def _customer(request: web.Request) -> web.Response:
    """What is known of a customer, with or without a card."""
    caller, desk = caller_of(request), request.app[DESK]
    customer_id = _customer_id(request)
    found = _told(desk, customer_id, caller)
    if desk.board.standing(customer_id) is None and desk.row(customer_id) is None:
        raise Refused(404, "nobody has heard of this customer")
    return answer({"card": desk.view.card(customer_id, now_ms(), money=caller.sees_money), **found})


async def _timeline(request: web.Request) -> web.Response:
    caller, desk = caller_of(request), request.app[DESK]
    customer_id = _customer_id(request)
    found = _told(desk, customer_id, caller)
    row = found["row"] or {"heard": []}
    lines = [{**one, "what": "event"} for one in row["heard"]]
    lines += [{**one, "what": "alert"} for one in found["alerts"]]
    lines += [{**one, "what": "action"} for one in found["actions"]]
    if not lines and desk.row(customer_id) is None:
        raise Refused(404, "nobody has heard of this customer")
    return answer({"customer": customer_id, "lines": sorted(lines, key=lambda one: one["ts_ms"])})


def _told(desk: Desk, customer_id: str, caller: Caller) -> dict[str, Any]:
    one = desk.board.standing(customer_id)
    row = desk.row(customer_id) if desk.rows.caught_up else None
    return {
        "customer": customer_id,
        "row": None if row is None else rows.told(row, desk.rows.names, caller.sees_money),
        "alerts": [] if one is None else cards.alerts_told(one.heard, caller.sees_money),
        "evidence": []
        if one is None or not caller.sees_money
        else [asdict(it) for it in one.heard[-1].alert.evidence],
        "actions": [] if one is None else cards.history(one),
        "say": [] if one is None else cards.said_to_the_customer(one, now_ms()),
    }


async def _may_contact(request: web.Request) -> web.Response:
    """Whether a customer may be written to for a purpose, with the proof."""
    caller_of(request)
    desk, purpose = request.app[DESK], request.query.get("purpose", "")
    purposes = [one.name.lower() for one in Purpose]
    if purpose not in purposes:
        raise Refused(422, f"purpose must be one of {', '.join(purposes)}")
    customer_id = _customer_id(request)
    row = desk.row(customer_id)
    if row is None:
        return answer({"customer": customer_id, "purpose": purpose, "allowed": True, "known": False,
                       "reasons": [], "since_ms": None})  # fmt: skip
    proof = rows.contact_answers(row)[purpose]
    return answer({"customer": customer_id, "purpose": purpose, "known": True, **proof})


async def _alerts(request: web.Request) -> web.Response:
    """The alerts of a customer as they stand on the topic."""
    caller_of(request, "manager")
    one = request.app[DESK].board.standing(_customer_id(request))
    return answer({"alerts": [] if one is None else [heard.alert.as_map() for heard in one.heard]})


# ---------------------------------------------------------------- a manager's pages


async def _curve(request: web.Request) -> web.Response:
    """The whale curve, the one without our own faults, and where one customer stands."""
    caller_of(request, "manager")
    desk, customer_id = request.app[DESK], request.query.get("customer")
    try:
        found = whale.whale_of_insights(desk.board.insights)
        row = desk.row(customer_id) if customer_id else None
        here = None if row is None else whale.what_if(desk.board.insights, row)
    except InsightError as error:
        raise Refused(503, str(error)) from error
    return answer(
        {
            "curve": None if found is None else found.as_map(),
            "here": None if here is None else asdict(here),
            "currency": desk.config.currency,
        }
    )


async def _problems(request: web.Request) -> web.Response:
    caller_of(request, "manager")
    desk = request.app[DESK]
    try:
        _, found = whale.of_insights(desk.board.insights)
    except InsightError as error:
        raise Refused(503, str(error)) from error
    limit = _whole(request.query.get("limit"), 1, MOST, 50)
    told = [{**one.as_map(), "money_cents": one.money_cents} for one in found[:limit]]
    return answer({"problems": told, "total": len(found), "currency": desk.config.currency})


async def _win_back(request: web.Request) -> web.Response:
    caller_of(request, "manager")
    desk = request.app[DESK]
    try:
        found = prospects.of_insights(desk.board.insights)
    except InsightError as error:
        raise Refused(503, str(error)) from error
    limit = _whole(request.query.get("limit"), 1, MOST, 50)
    told = [asdict(one) for one in found[:limit]]
    return answer({"prospects": told, "total": len(found), "currency": desk.config.currency})


async def _lists(request: web.Request) -> web.Response:
    """Whom to protect, who brings much and asks for little, and who may be asked for a referral."""
    caller_of(request, "manager")
    desk = request.app[DESK]
    found = desk.once_in_a_while("lists", lambda: _listed(desk))
    return answer({"lists": found, "currency": desk.config.currency})


def _listed(desk: Desk) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in LISTS}
    for customer_id in desk.view.places:
        one = desk.board.standing(customer_id)
        newest = {} if one is None else {heard.machine: heard for heard in one.heard}
        for name in LISTS:
            heard = newest.get(name)
            if heard is not None and heard.raises:
                alert = heard.alert
                found[name].append(
                    {"customer": customer_id, "since_ms": alert.ts_ms, "worth_cents": alert.worth_cents,
                     "risk_ppm": alert.risk_ppm, "owner": alert.owner}
                )  # fmt: skip
    for told in found.values():
        told.sort(key=lambda it: (-it["worth_cents"], it["customer"]))
    return {name: told[:MOST] for name, told in found.items()}


async def _incidents(request: web.Request) -> web.Response:
    caller_of(request, "manager")
    board = request.app[DESK].board
    out = []
    for one in board.incidents.values():
        first = [{"customer": who, "kind": kind} for who, kind in board.held_back(one.incident_id)]
        on_its_way = bool(board.releases.get(one.incident_id)) and one.released_ms is None
        out.append({**one.as_map(), "held": first, "releasing": on_its_way})
    return answer({"incidents": sorted(out, key=lambda it: (it["released_ms"] is not None, -it["since_ms"]))})


async def _holds(request: web.Request) -> web.Response:
    caller_of(request, "manager")
    desk = request.app[DESK]
    limit = _whole(request.query.get("limit"), 1, MOST, 200)
    found = sorted(desk.board.holds.values(), key=lambda it: (-it.since_ms, it.customer_id))
    told = []
    for one in found[:limit]:
        row = desk.row(one.customer_id) if desk.rows.caught_up else None
        broken = None if row is None else int(row["hold_violations"])
        told.append({**one.as_map(), "violations": broken, "say": cards.not_to_do(one)})
    return answer({"holds": told, "total": len(found)})


async def _figures(request: web.Request) -> web.Response:
    caller_of(request, "manager")
    desk = request.app[DESK]
    return answer(desk.once_in_a_while("figures", lambda: figures(desk.view, now_ms())))


async def _shadow(request: web.Request) -> web.Response:
    """The policy that runs in the shadow, and what it says beside the one in force."""
    caller_of(request, "manager")
    desk = request.app[DESK]

    def told() -> Any:
        fold = desk.shadow.fold
        return None if fold is None else fold.told(desk.board.forgotten.hides)

    return answer({"shadow": desk.once_in_a_while("shadow", told), "of_partitions": desk.config.ledger_partitions})


# ---------------------------------------------------------------- acting


async def _act(request: web.Request) -> web.Response:
    """Take one action; the same action_id again gives the same answer and does nothing more."""
    caller, desk = caller_of(request), request.app[DESK]
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError):
        raise Refused(400, "the body is not JSON") from None
    try:
        action = actions.asked(body, caller.name, caller.role, now_ms())
    except actions.ActionError as error:
        raise Refused(422, str(error)) from None
    if not caller.may_do(action.verb):
        raise Refused(403, f"{action.verb} needs the role {actions.VERBS[action.verb]}; yours is {caller.role}")
    taken = await desk.act(action)
    at_ms = now_ms()
    card = desk.view.card(action.customer_id, at_ms, money=caller.sees_money) if action.customer_id else None
    done = {"action_id": taken.action.action_id, "verb": taken.action.verb, "refused": taken.refused}
    return answer({**done, "card": card, "now_ms": at_ms}, 409 if taken.refused else 200)


def _customer_id(request: web.Request) -> str:
    found = request.query.get("customer", "")
    if not 0 < len(found.encode("utf-8", "surrogatepass")) <= 64:
        raise Refused(422, "customer must be the id of a customer, 1 to 64 bytes")
    return found


def _whole(text: str | None, low: int, high: int, default: int) -> int:
    if text is None:
        return default
    if not text.isdecimal() or len(text) > 10 or not low <= int(text) <= high:
        raise Refused(422, f"{text[:20]!r} must be a whole number from {low} to {high}")
    return int(text)
