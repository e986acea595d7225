"""From notes to the wire: events as a producer sends them, ledger records as an ingester writes them."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from schemas.block import Source, Sourced, encode_events, progress_entry, sources_entry
from schemas.codec import Reject, decode, encode
from schemas.codes import FIRST_PURCHASE_KIND, Answer, Author, Cause, Kind, Observer, ReturnReason
from schemas.events import DAY_MS, Event
from tests.eval.notes import COLUMNS, REASONS, START_MS, TS, UNSAID, Notes

SUPPORT = Source(UUID(int=101), 0)
PURCHASES = Source(UUID(int=102), 0)
BLOCK = 4_096

_ALONE = ("amount_cents", "margin_cents", "handle_ms", "cost_cents", "due_ms", "contract_end_ms")
_CODE = {Kind.TICKET_REPLY: ("author", Author), Kind.RETURN: ("return_reason", ReturnReason)}
_OBSERVED = (Kind.RUDE_CALL, Kind.ABUSE_FLAG)
_INDEX = {name: at for at, name in enumerate(COLUMNS)}
_FAULT = "release-7"


def customer_id(number: int) -> str:
    """The name of customer ``number``; slots of the judge go by order of appearance, names do not."""
    return f"c{number:06d}"


def fields(row: list[int], number: int) -> tuple[str, dict[str, Any]]:
    """One row as a wire event: (topic, fields). ``number`` makes its event id."""
    kind = Kind(row[_INDEX["kind"]])
    customer = row[_INDEX["customer"]]
    told: dict[str, Any] = {"kind": kind.name.lower(), "ts_ms": row[TS], "customer_id": customer_id(customer)}
    told["event_id"] = f"e{number}"
    said = {name: row[at] for name, at in _INDEX.items() if row[at] != UNSAID}
    told.update((name, said[name]) for name in _ALONE if name in said)
    if "case" in said:
        told["case_id"] = f"{told['customer_id']}-k{said['case']}"
    if "said_cause" in said:
        told["cause"] = Cause(said["said_cause"]).name.lower()
    if "reason" in said:
        told["reason"] = REASONS[said["reason"]]
    for name in ("resolved", "defect"):
        if name in said:
            told[name] = said[name] == Answer.YES
    if kind in _CODE and "code" in said:
        name, codes = _CODE[kind]
        told[name] = codes(said["code"]).name.lower()
    _particular(kind, said, told)
    return ("purchases" if kind >= FIRST_PURCHASE_KIND else "support"), told


def _particular(kind: Kind, said: dict[str, int], told: dict[str, Any]) -> None:
    """What only some kinds say."""
    if kind in _OBSERVED:
        told["observer"] = Observer(said["code"]).name.lower()
        if kind is Kind.RUDE_CALL:
            told["confidence"] = 0.9
    elif kind is Kind.CSAT:
        told["score"], told["scale"] = said["score"], 5
    elif kind is Kind.REVIEW:
        told["stars"] = said["score"]
    elif kind in (Kind.MAINTENANCE_FEE, Kind.CONTRACT_SIGNED):
        told["period_ms"] = 28 * DAY_MS
    elif kind in (Kind.FAULT_OPENED, Kind.FAULT_CLOSED):
        told["fault_id"] = _FAULT
    elif kind is Kind.ETF_QUERY:
        told["termination_fee_cents"] = told.pop("amount_cents")


def accepted(row: list[int], number: int) -> tuple[Source, Event]:
    """The event as the product's own codec reads it from the bytes sent; a refusal is this package's mistake."""
    topic, told = fields(row, number)
    event = decode(encode(told), purchases=topic == "purchases")
    assert not isinstance(event, Reject), (event, told)
    return (PURCHASES if topic == "purchases" else SUPPORT), event


def ledger(events: Notes, days: int) -> Iterator[tuple[int, bytes]]:
    """Ledger records in order, each with the day it completes (-1: none).

    The first is to be preceded by a policy. At first the sources; then for each day its events, cut into blocks,
    and the progress of both sources to the midnight after it.
    """
    topics = [("support", SUPPORT.topic, 1), ("purchases", PURCHASES.topic, 1)]
    yield -1, sources_entry(topics)
    yield -1, progress_entry([(SUPPORT, START_MS), (PURCHASES, START_MS)])
    at, offsets = 0, {SUPPORT: 0, PURCHASES: 0}
    for day in range(1, days + 1):
        midnight = START_MS + day * DAY_MS
        todays: list[Sourced] = []
        while at < len(events) and events[at, TS] < midnight:
            source, event = accepted(events[at].tolist(), at)
            todays.append(Sourced(source, offsets[source], event))
            offsets[source] += 1
            at += 1
        for cut in range(0, len(todays), BLOCK):
            yield -1, encode_events(todays[cut : cut + BLOCK])
        yield day, progress_entry([(SUPPORT, midnight), (PURCHASES, midnight)])
