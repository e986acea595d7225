"""What is held about a customer, in plain words: what each thing means, where it came from, and for how long.

Written for the customer, as GDPR articles 15 and 22 ask for it; figures and codes stand in the JSON beside it.
"""

from collections.abc import Iterator
from textwrap import fill
from typing import Any

from schemas.alerts import Alert
from schemas.codes import Kind, Machine
from schemas.events import SHAPES
from streams.accounts import when
from streams.desk.cards import HOLD_REASONS, PURPOSES
from streams.desk.rows import told as row_told
from streams.dlq import readable
from streams.facts import times
from streams.held import Held
from streams.heldabout import AUTOMATED, CONCLUDED, MEANINGS, RIGHTS
from streams.words import in_words, money

WIDTH = 110
LATEST = 20
"""So many events and actions are told in words; the JSON has them all."""


def lines(held: Held, currency: str, as_of_ms: int) -> Iterator[str]:
    """The whole as plain text."""
    yield f"What whaleline holds about {held.customer_id}, as of {when(as_of_ms)} UTC"
    yield ""
    if held.nothing:
        yield "Nothing: no row, no event, no alert and no action is known under this id."
        yield "Source topics are their producers' own and were not looked at; ids are told apart letter by letter."
        return
    for title, role, body in (
        ("The row: what is remembered and concluded", "customers", _row(held, currency)),
        ("What was heard", "ledger", _events(held)),
        ("Alerts", "alerts", _alerts(held.alerts, currency)),
        ("Alerts that are held back with others until a person has looked", "alerts_held", _held(held, currency)),
        ("Whether we may write", "holds", _hold(held)),
        ("Whom it is worth winning back", "insights", _win_back(held, currency)),
        ("What people did on the support desk", "desk_actions", _actions(held)),
        ("Records that could not be accepted", "dead_letters", _letters(held)),
    ):
        yield title
        kept = held.keeping[role]
        yield _paragraph(f"{MEANINGS[role]} Kept: {kept.in_words()} (topic {kept.topic}).")
        said = list(body)
        yield from (f"  {line}" for line in said or ["Nothing."])
        yield ""
    yield "What is decided by machine, and what is not"
    yield from map(_paragraph, AUTOMATED)
    yield ""
    yield "What you can ask for"
    yield from map(_paragraph, RIGHTS)


def _paragraph(text: str) -> str:
    whole = " ".join(text.split())
    return fill(whole, WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def _row(held: Held, currency: str) -> Iterator[str]:
    if held.row is None:
        return
    row = held.row
    found = row_told(row, held.names, money=True)
    yield f"Known since {_day(int(row['first_day']))}; the last event is of {when(found['last_event_ms'])}."
    cost = sum(int(one) for one in row["life_cost_cents"])
    by_us = int(row["life_cost_cents"][0])
    yield (
        f"Bought {times(int(row['purchases']))} for {money(int(row['spent_cents']), currency)}; serving cost "
        f"{money(cost, currency)}, of which we caused {money(by_us, currency)}."
    )
    for machine in Machine:
        state = int(row["state"][machine])
        if state:
            since = when(int(row["since_ms"][machine]))
            yield f"Concluded: {CONCLUDED[machine][state - 1]}; since {since}."
    if found["risk_today_ppm"] is not None:
        risk = f"{found['risk_today_ppm'] / 10_000:.1f} %"
        yield f"At the last midnight the chance that you leave within 90 days was put at {risk}."
    for case in found["cases"]:
        about = ", ".join(one for one in (case["sku"], case["reason"]) if one)
        begun = f", since {when(case['opened_ms'])}" if case["opened_ms"] is not None else ""
        yield f"A case{f' about {about}' if about else ''}{begun}: {'open' if case['open'] else 'settled'}."
    for due_ms in found["callbacks_due_ms"]:
        yield f"A callback is promised for {when(due_ms)}."
    for one in found["heard"]:
        yield f"Remembered: {when(one['ts_ms'])}  {one['text']}"


def _day(day: int) -> str:
    return when(day * 86_400_000)[:10]


def _events(held: Held) -> Iterator[str]:
    yield from _some(
        [f"{when(one['ts_ms'])}  {SHAPES[Kind[one['kind'].upper()]].doc}{_more(one)}" for one in held.events],
        "events",
    )


def _more(fields: dict[str, Any]) -> str:
    hidden = {"ts_ms", "kind", "customer_id", "event_id"}
    more = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in fields.items() if name not in hidden)
    return f" ({more})" if more else ""


def _some(found: list[str], what: str) -> Iterator[str]:
    """The newest of many, and how many there are."""
    if len(found) > LATEST:
        yield f"{len(found)} {what}, of which the newest {LATEST}; --json has them all:"
    yield from found[-LATEST:]


def _alerts(alerts: list[Alert], currency: str) -> Iterator[str]:
    for one in alerts:
        title, *more = in_words(one, currency).lines()
        yield f"{when(one.ts_ms)}  {title.partition(': ')[2]}"
        yield from (f"    {line}" for line in more)


def _held(held: Held, currency: str) -> Iterator[str]:
    yield from _alerts(held.alerts_held, currency)
    if held.alerts_waiting:
        yield f"{len(held.alerts_waiting)} are still with the judge and have gone to nobody."
    for one in held.incidents:
        yield f"Named as an example of incident {one['incident_id']}."


def _hold(held: Held) -> Iterator[str]:
    if held.hold is None:
        return
    if not held.hold["held"]:
        yield "We may: a hold that there was has been lifted."
        return
    because = " and ".join(HOLD_REASONS.get(one, one) for one in held.hold["reasons"])
    forbidden = ", ".join(PURPOSES.get(one, one) for one in held.hold["purposes"])
    yield f"Since {when(held.hold['since_ms'])} our people and systems are told: {forbidden}, because {because}."


def _win_back(held: Held, currency: str) -> Iterator[str]:
    for one in held.win_back:
        yield f"On the list, for {', '.join(one['reasons']).replace('_', ' ')} ({money(one['cents'], currency)})."


def _actions(held: Held) -> Iterator[str]:
    told = []
    for one in held.actions:
        why = f", because: {one.reason}" if one.reason else ""
        told.append(f"{when(one.ts_ms)}  {one.author} ({one.role}): {one.verb}{why}")
    yield from _some(told, "actions")


def _letters(held: Held) -> Iterator[str]:
    for one in held.dead_letters:
        yield f"{when(one.at_ms)}  from {one.topic}, refused for {one.reason}: {one.detail}"
        yield from (f"    {line}" for line in readable(one.value).splitlines())
