"""The customers' rows as the judge published them last, for whoever opens a card: contacts, cost by fault.

Rows stay packed as they were read, some hundred bytes each, and are unpacked when somebody looks.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiokafka
import msgpack
import numpy as np
from aiokafka.errors import KafkaError
from numpy.typing import NDArray

from kernels.digest import xxh64
from schemas import state
from schemas.codes import CaseFlag, Kind, Machine, Purpose
from schemas.events import SHAPES
from streams.config import Config
from streams.desk.broker import AGAIN_S, MOST_AT_ONCE, consumer_of
from streams.gate import may_contact
from streams.pipeline import ROW_KEY

DAY_MS = 86_400_000
NAMES_KEY = b"t"
FAULTS = ("company", "customer", "shared", "unknown")
FETCH_WAIT_MS = 100


@dataclass(slots=True)
class Rows:
    """Packed rows by customer, and the names that digests in them stand for.

    ``caught_up`` once everything that was there at the start has been read: before, a row may be missing or old.
    """

    packed: dict[bytes, bytes] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    caught_up: bool = False
    _next: dict[int, int] = field(default_factory=dict)

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Fold one record of the customers topic; what is neither a row nor names is none of ours."""
        if key is None:
            return
        if key[:1] == ROW_KEY:
            if value:
                self.packed[key[1:]] = value
            else:
                self.packed.pop(key[1:], None)
        elif key[:1] == NAMES_KEY and value:
            self.names |= msgpack.unpackb(value, strict_map_key=False)

    def row(self, customer_id: str) -> NDArray[np.void] | None:
        """A customer's row, shape (); None for somebody nobody has heard of. Raises ``LayoutError``."""
        value = self.packed.get(customer_id.encode())
        return None if value is None else state.unpack(value)[1][0]

    async def run(self, config: Config) -> None:
        """Read the customers topic from the beginning, for ever; after an error, from where reading stood."""
        topic = config.topics.customers
        owned = [aiokafka.TopicPartition(topic, one) for one in range(config.ledger_partitions)]
        while True:
            consumer = consumer_of(config, FETCH_WAIT_MS)
            try:
                await consumer.start()
                consumer.assign(owned)
                for place in owned:
                    consumer.seek(place, self._next.get(place.partition, 0))
                ends = await consumer.end_offsets(owned)
                while True:
                    found = await consumer.getmany(timeout_ms=1_000, max_records=MOST_AT_ONCE)
                    for place, messages in found.items():
                        for one in messages:
                            self.take(one.key, one.value)
                            self._next[place.partition] = one.offset + 1
                    if not self.caught_up:
                        self.caught_up = all([await consumer.position(one) >= ends[one] for one in owned])
            except KafkaError:
                await asyncio.sleep(AGAIN_S)
            finally:
                await consumer.stop()


def digest_of(text: str) -> int:
    """The digest under which a row knows a case."""
    raw, seed = np.frombuffer(text.encode(), np.uint8), np.zeros(1, np.uint64)
    return int(xxh64(raw, 0, raw.size, seed[0]))


def has_case(row: Any, case_id: str) -> bool:
    """Whether the row remembers a case of this id, by which costs can be booked anew."""
    return digest_of(case_id) in row["case_id"].tolist()


def contact_answers(row: Any) -> dict[str, dict[str, Any]]:
    """For each purpose whether we may write to the customer, and the proof: reasons, and since when."""
    out = {}
    for purpose in Purpose:
        verdict = may_contact(row, purpose)
        out[purpose.name.lower()] = {
            "allowed": verdict.allowed,
            "reasons": list(verdict.reasons),
            "since_ms": verdict.since_ms if verdict.since_ms >= 0 else None,
        }
    return out


def told(row: Any, names: Mapping[int, str], money: bool) -> dict[str, Any]:
    """What a row tells of a customer: the last 90 days, what is open, what was heard; with money its books."""
    found = {
        "last_event_ms": _time(row["last_event_ms"]),
        "days": _days(row),
        "heard": _references(row),
        "cases": _cases(row, names),
        "callbacks_due_ms": sorted(int(one) for one in row["callback_due_ms"] if one >= 0),
        "repair_since_ms": _time(row["repair_in_ms"]) if row["repair_in_ms"] > row["repair_out_ms"] else None,
        "solved": int(row["solved"]),
        "may_contact": contact_answers(row),
    }
    if money:
        found["books"] = _books(row)
        found["states"] = {one.name.lower(): int(row["state"][one]) for one in Machine}
        found["risk_today_ppm"] = int(row["risk_day_start_ppm"]) if row["risk_day_start_ppm"] >= 0 else None
        found["hold_violations"] = int(row["hold_violations"])
    return found


def _time(value: Any) -> int | None:
    return int(value) if value >= 0 else None


def _days(row: Any) -> dict[str, Any]:
    """Counts of the last 90 days of the row's own calendar, oldest first."""
    head = int(row["day_head"])
    if head < 0:
        return {"until_day": None, "contacts": [], "failures": [], "purchases": []}
    order = [day % state.DAYS for day in range(head - state.DAYS + 1, head + 1)]
    names = ("contacts", "failures", "purchases")
    return {"until_day": head, **{name: [int(row[f"day_{name}"][at]) for at in order] for name in names}}


def _references(row: Any) -> list[dict[str, Any]]:
    found = [
        {"ts_ms": int(ts), "text": SHAPES[Kind(int(kind))].doc, "event_digest": f"{int(digest):016x}"}
        for kind, ts, digest in zip(
            row["reference_kind"], row["reference_ms"], row["reference_digest"], strict=True
        )
        if kind
    ]
    return sorted(found, key=lambda one: (one["ts_ms"], one["event_digest"]))


def _cases(row: Any, names: Mapping[int, str]) -> list[dict[str, Any]]:
    out = []
    for at in range(state.CASES):
        if row["case_id"][at] == 0:
            continue
        opened, asked = int(row["case_opened_ms"][at]), int(row["case_asked_ms"][at])
        flags = CaseFlag(int(row["case_flags"][at]))
        out.append(
            {
                "case_digest": f"{int(row['case_id'][at]):016x}",
                "sku": names.get(int(row["case_sku"][at])),
                "reason": names.get(int(row["case_reason"][at])),
                "opened_ms": _time(opened),
                "asked_ms": _time(asked),
                "answered_ms": _time(row["case_answered_ms"][at]),
                "resolved_ms": _time(row["case_resolved_ms"][at]),
                "open": max(opened, asked) > int(row["case_resolved_ms"][at]),
                "contacts": int(row["case_contacts"][at]),
                "flags": [(one.name or "").lower() for one in flags],
            }
        )
    return sorted(out, key=lambda one: (one["opened_ms"] or 0, one["case_digest"]))


def _books(row: Any) -> list[dict[str, Any]]:
    """Margin and cost by whose fault it was, period by period of 28 days, oldest first."""
    head = int(row["period_head"])
    if head < 0:
        return []
    out = []
    for period in range(head - state.PERIODS + 1, head + 1):
        at = period % state.PERIODS
        cost = {name: int(row["period_cost_cents"][at, column]) for column, name in enumerate(FAULTS)}
        from_ms = period * state.PERIOD_DAYS * DAY_MS
        out.append({"from_ms": from_ms, "margin_cents": int(row["period_margin_cents"][at]), "cost_cents": cost})
    return out
