"""One customer's account in words and as JSON: how they stand, how it came to that, and what would change it."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from math import exp
from typing import Any

from schemas.alerts import Alert, Evidence
from schemas.plain import plain
from streams.arena import as_dict
from streams.desk.cards import HOLD_REASONS, PURPOSES
from streams.witness import Account, Happened
from streams.words import REASONS, in_words, money, steps_told

LATEST_EVENTS = 12
STATE_TITLES = {
    "value": "value",
    "churn": "leaving",
    "service": "our service",
    "cause": "our own faults",
    "hold": "being written to",
    "gaming": "gaming",
    "best": "best customer",
    "referral": "referral",
    "gem": "hidden gem",
    "news": "good news",
}


def when(ms: int) -> str:
    """A day and a time in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def percent(ppm: int) -> str:
    """A chance or a share, to a tenth of a point."""
    return f"{ppm / 10_000:.1f} %"


def lines(account: Account, currency: str) -> Iterator[str]:
    """The whole account as plain text."""
    yield f"{account.customer_id} as of {when(account.as_of_ms)} UTC"
    policy = account.policy
    yield f"judged by policy version {policy.version}, digest {policy.digest}"
    yield ""
    yield from _standing(account, currency)
    yield ""
    yield from _ways(account)
    yield ""
    yield f"How it came to that: {len(account.alerts)} transitions"
    known = {one.digest: one for one in account.events}
    for alert in account.alerts:
        yield ""
        yield from _transition(alert, account.fates[alert.alert_id], known, currency)
    yield ""
    yield from _events(account)


def _standing(account: Account, currency: str) -> Iterator[str]:
    now = account.now
    for name, (found, since_ms) in account.states.items():
        if since_ms >= 0:
            yield f"  {STATE_TITLES[name] + ':':18}{found.replace('_', ' ')} since {when(since_ms)}"
    resting = [STATE_TITLES[name] for name, (_, since_ms) in account.states.items() if since_ms < 0]
    yield f"  at rest:          {', '.join(resting)}"
    hold = account.holds[-1] if account.holds and account.holds[-1].held else None
    if hold is not None:
        reasons = "; ".join(HOLD_REASONS.get(one, one) for one in hold.reasons)
        asked = ", ".join(PURPOSES.get(one, one) for one in hold.purposes)
        yield f"  hold:             {asked}, because {reasons}"
    yield (
        f"  chance to lose them within 90 days {percent(now.risk_ppm)}, to have lost them already "
        f"{percent(now.gone_ppm)}"
    )
    yield (
        f"  a year is expected to bring {money(now.year_cents, currency)}; the last one brought "
        f"{money(now.net_year_cents, currency)}, without what we caused ourselves"
    )
    yield (
        f"  we caused {percent(now.company_ppm)} of their cost; what they may still bring is worth "
        f"{money(now.worth_cents, currency)}"
    )


def _ways(account: Account) -> Iterator[str]:
    """What would clear each state that is not at rest."""
    if not account.paths:
        yield "Nothing stands open that would have to be cleared."
        return
    yield "What would clear it, from how they stand now:"
    for name, ways in account.paths.items():
        title = name.replace("_", " ")
        if not ways:
            yield f"  {title}: none of the changes that were tried clears it"
        for number, steps in enumerate(ways):
            yield f"  {title + ':' if number == 0 else 'or'.rjust(len(title)) + ':'} {steps_told(steps)}"


def _transition(alert: Alert, fate: str, known: dict[str, Happened], currency: str) -> Iterator[str]:
    told = in_words(alert, currency)
    yield f"{when(alert.ts_ms)}  {told.title.partition(': ')[2]}"
    yield f"    {alert.state_before} -> {alert.state_after}, {alert.kind}, episode {alert.episode}; it {fate}"
    for one in alert.evidence:
        yield from _evidence(one, known)
    added = arithmetic(alert, currency)
    if added is not None:
        yield f"    {added}"
    yield from (f"    > {line}" for line in told.do)
    yield from (f"    {line}" for line in told.clears)


def _evidence(one: Evidence, known: dict[str, Happened]) -> Iterator[str]:
    amount = f"{one.value:,.2f} {one.unit}" if one.unit != "cents" else f"{one.value / 100:,.2f}"
    added = "" if one.contribution == 0.0 else f"{one.contribution:+.3f}"
    if one.unit == "cents" and added:
        added = f"{one.contribution / 100:+,.2f}"
    name = REASONS.get(one.name, one.name.replace("_", " "))
    without = f"  ({one.dp_ppm / 10_000:+.1f} points of risk)" if one.dp_ppm else ""
    yield f"    {added:>12}  {name}: {amount}, {one.window}{without}"
    for digest in one.event_digests:
        event = known.get(digest)
        if event is not None:
            yield f"    {'':12}    {_event(event)}"


def arithmetic(alert: Alert, currency: str) -> str | None:
    """How the evidence adds up to what was judged; None where it is not made to."""
    total = sum(one.contribution for one in alert.evidence)
    names = {one.name for one in alert.evidence}
    if {"baseline", "rest"} <= names:
        return (
            f"{total:+12.3f}  log-odds in all, so a risk of {100 / (1 + exp(-total)):.1f} % "
            f"(judged: {percent(alert.risk_ppm)})"
        )
    if alert.kind.startswith("value_destroyer"):
        return f"{total / 100:+12,.2f}  in all (judged: {money(alert.net_year_cents, currency)})"
    if alert.kind.startswith("fix_the_cause"):
        return f"{total / 100:+12,.2f}  in all (judged: {money(alert.raw_net_year_cents, currency)})"
    return None


def _event(one: Happened) -> str:
    hidden = {"ts_ms", "kind", "customer_id", "event_id"}
    more = ", ".join(f"{name} {value}" for name, value in one.fields.items() if name not in hidden)
    return f"{when(one.fields['ts_ms'])}  {one.fields['kind']}{f' ({more})' if more else ''}"


def _events(account: Account) -> Iterator[str]:
    latest = account.events[-LATEST_EVENTS:]
    yield f"What was heard of them: {len(account.events)} events, the latest {len(latest)}"
    yield from (f"  {_event(one)}" for one in latest)


def as_map(account: Account) -> dict[str, Any]:
    """The whole account as plain values."""
    row = as_dict(account.row)
    return {
        "customer_id": account.customer_id,
        "as_of_ms": account.as_of_ms,
        "policy": {"version": account.policy.version, "digest": account.policy.digest},
        "now": account.now._asdict(),
        "states": {
            name: {"state": found, "since_ms": since_ms if since_ms >= 0 else None}
            for name, (found, since_ms) in account.states.items()
        },
        "clear_paths": {
            name: [{"steps": [asdict(step) for step in steps], "in_words": steps_told(steps)} for steps in ways]
            for name, ways in account.paths.items()
        },
        "transitions": [
            {**plain(alert), "fate": account.fates[alert.alert_id], "in_words": in_words(alert).lines()}
            for alert in account.alerts
        ],
        "holds": [
            {"at_ms": at_ms, **plain(hold)} for at_ms, hold in zip(account.hold_ms, account.holds, strict=True)
        ],
        "events": [{"digest": one.digest, **one.fields} for one in account.events],
        "days": [one._asdict() for one in account.days],
        "row": row,
    }


def as_json(account: Account) -> str:
    """``as_map`` as text."""
    return json.dumps(as_map(account), indent=2, ensure_ascii=False) + "\n"
