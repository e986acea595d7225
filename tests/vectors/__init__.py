"""Golden bytes: what is written to topics and kept in them, frozen byte for byte.

``wire.json`` holds each vector's bytes as hex. ``tests/schemas/test_vectors.py`` writes every vector anew and
reads the frozen bytes back; both must agree with ``VECTORS``. Nothing rewrites a frozen vector: a change of the
wire gets a new version and a new vector beside the old one. After an entry was added to ``VECTORS``,

    python -m tests.vectors

adds its bytes to the file, and refuses to touch any that are there. ``codes.json`` holds in the same way every
code's number and the order of the ledger's columns, to which one may only append.
"""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgpack
import numpy as np

from schemas import block, codec, codes, events, state
from schemas.alerts import Alert, DeadLetter, Evidence, Gesture, Incident, Step
from schemas.block import Block, Entry, Source, Sourced
from schemas.codes import FIRST_PURCHASE_KIND, Kind
from schemas.erasures import Receipt, marker_of
from schemas.events import Event

if TYPE_CHECKING:
    from collections.abc import Callable

PLACE = Path(__file__).parent / "wire.json"
CODES = Path(__file__).parent / "codes.json"


@dataclass(frozen=True)
class Vector:
    """Bytes and what they mean: ``read(write())`` equals ``meaning``."""

    write: Callable[[], bytes]
    read: Callable[[bytes], Any]
    meaning: Any


def frozen() -> dict[str, str]:
    """The frozen vectors, hex by name."""
    found: dict[str, str] = json.loads(PLACE.read_text(encoding="utf-8")) if PLACE.exists() else {}
    return found


def numbers() -> dict[str, int]:
    """Every number that is written down somewhere: each code's, and each column's place, by ``family.name``."""
    families = [one for _, one in inspect.getmembers(codes, inspect.isclass) if issubclass(one, IntEnum)]
    found = {f"{family.__name__}.{code.name}": int(code) for family in families for code in family}
    found |= {f"CaseFlag.{flag.name}": int(flag) for flag in codes.CaseFlag}
    return found | {f"column.{one.name}": at for at, one in enumerate(events.FIELDS)}


def frozen_numbers() -> dict[str, int]:
    """The frozen ones of ``numbers``."""
    found: dict[str, int] = json.loads(CODES.read_text(encoding="utf-8")) if CODES.exists() else {}
    return found


# ---------------------------------------------------------------- events


def _sent(kind: str, later_ms: int, customer: str, event: str, **fields: Any) -> dict[str, Any]:
    at_ms = 1_700_049_600_000 + later_ms
    return {"ts_ms": at_ms, "kind": kind, "customer_id": customer, "event_id": event, **fields}


_CALL = {"channel": "voice", "case_id": "T-9", "handle_ms": 30_000, "resolved": False, "reason": "Gerät defekt"}
_BESIDE = {"agent_id": "a-3", "cost_cents": 1_250, "floor": "north", "cause": "company"}
_SALE = {"amount_cents": 7_900, "margin_cents": -3_500, "sku": "printer-p", "warranty_end_ms": 1_731_585_600_000}

EVENTS: dict[str, dict[str, Any]] = {
    "call_closed": _sent("call_closed", 0, "C-17", "e-1", **_CALL, **_BESIDE),
    "sentiment": _sent("sentiment", 1, "C-17", "e-2", sentiment=-0.625, observer="model"),
    "abuse_flag": _sent("abuse_flag", 2, "客户-1", "e-3", observer="human", reason="threats"),
    "purchase": _sent("purchase", 3, "C-17", "o-1", **_SALE),
    "maintenance_fee": _sent("maintenance_fee", 4, "C-18", "o-2", amount_cents=12_000, period_ms=2_419_200_000),
    "progress": {"ts_ms": 1_700_053_200_000, "kind": "progress"},
}


def _is_purchase(fields: dict[str, Any]) -> bool:
    return Kind[fields["kind"].upper()] >= FIRST_PURCHASE_KIND


def _accepted(raw: bytes, purchases: bool) -> Event:
    event = codec.decode(raw, purchases=purchases)
    assert isinstance(event, Event), event
    return event


def _as_json(fields: dict[str, Any]) -> bytes:
    return json.dumps({"version": 1, **fields}, ensure_ascii=False, separators=(",", ":")).encode()


def _event_vectors() -> dict[str, Vector]:
    out = {}
    for name, fields in EVENTS.items():
        purchases = _is_purchase(fields)

        def read(raw: bytes, purchases: bool = purchases) -> dict[str, Any]:
            return codec.fields_of(_accepted(raw, purchases))

        out[f"event msgpack {name}"] = Vector(lambda fields=fields: codec.encode(fields), read, fields)
        out[f"event json {name}"] = Vector(lambda fields=fields: _as_json(fields), read, fields)
    return out


# ---------------------------------------------------------------- the ledger

SUPPORT = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
PURCHASES = UUID("7c9e6679-7425-40de-944b-e07fc1f90ae7")

BLOCK = [
    (Source(PURCHASES if _is_purchase(fields) else SUPPORT, 2), 1_000 + at, fields)
    for at, fields in enumerate(fields for fields in EVENTS.values() if fields["kind"] != "progress")
]
"""(source, offset, fields as sent) of the events in the frozen block."""


def _write_block() -> bytes:
    return block.encode_events(
        [
            Sourced(source, offset, _accepted(codec.encode(fields), _is_purchase(fields)))
            for source, offset, fields in BLOCK
        ]
    )


def events_of(found: Block) -> list[Sourced]:
    """The events of a decoded block, made from its columns alone."""
    out = []
    for at in range(found.n):
        event = Event({}, {})
        for name, column in found.columns.items():
            one, value = codec.FIELD[name], int(column[at])
            if value == one.absent:
                continue
            if one.type is codec.Type.TEXT:
                event.texts[name] = found.text(value).decode()
            else:
                event.numbers[name] = value
        out.append(Sourced(found.sources[int(found.source[at])], int(found.offset[at]), event))
    return out


def _read_block(raw: bytes) -> list[tuple[Source, int, dict[str, Any]]]:
    found = block.decode(raw)
    assert isinstance(found, Block)
    return [(one.source, one.offset, codec.fields_of(one.event)) for one in events_of(found)]


def _read_entry(raw: bytes) -> tuple[str, dict[str, Any]]:
    found = block.decode(raw)
    assert isinstance(found, Entry)
    return found.control.name, found.body


TOPICS = [("support-calls", SUPPORT, 8), ("purchases", PURCHASES, 4)]
PROGRESS = [(Source(SUPPORT, 1), 1_700_053_200_000), (Source(PURCHASES, 0), 1_700_056_800_000)]
POLICY = "[policy]\nversion = 3\n"

LEDGER = {
    "block": Vector(_write_block, _read_block, BLOCK),
    "control sources": Vector(
        lambda: block.sources_entry(TOPICS),
        _read_entry,
        ("SOURCES", {"topics": [["purchases", PURCHASES.bytes, 4], ["support-calls", SUPPORT.bytes, 8]]}),
    ),
    "control policy": Vector(
        lambda: block.policy_entry(POLICY, 3), _read_entry, ("POLICY", {"version": 3, "toml": POLICY})
    ),
    "control progress": Vector(
        lambda: block.progress_entry(PROGRESS),
        _read_entry,
        ("PROGRESS", {"until": [[SUPPORT.bytes, 1, PROGRESS[0][1]], [PURCHASES.bytes, 0, PROGRESS[1][1]]]}),
    ),
    "control retire": Vector(
        lambda: block.retire_entry(SUPPORT, "ops", "moved to another cluster"),
        _read_entry,
        ("RETIRE", {"topic": SUPPORT.bytes, "author": "ops", "reason": "moved to another cluster"}),
    ),
    "control release": Vector(
        lambda: block.release_entry("value-0-3", "ops", "looked into: they are right"),
        _read_entry,
        ("RELEASE", {"incident": "value-0-3", "author": "ops", "reason": "looked into: they are right"}),
    ),
    "control erase": Vector(
        lambda: block.erase_entry("C-17", 1_763_890_320_000, "dpo", "asked by letter"),
        _read_entry,
        (
            "ERASE",
            {"customer_id": "C-17", "asked_ms": 1_763_890_320_000, "author": "dpo", "reason": "asked by letter"},
        ),
    ),
}

# ---------------------------------------------------------------- what goes out, and what is kept

RECEIPT = Receipt(
    marker=marker_of(bytes(32), b"C-17").hex(), partition=3, offset=4_711, asked_ms=1_763_890_320_000,
    erased_ms=1_763_890_320_000, known=True, withdrawn=2, author="dpo", reason="asked by letter",
)  # fmt: skip

ALERT = Alert(
    alert_id="9f86d081884c7d659a2feaa0c55ad015",
    kind="service_failure_entered",
    customer_id="客户-1",
    ts_ms=1_700_049_600_000,
    state_before="served",
    state_after="failed",
    episode=1,
    change=1,
    moment="wrong_part_twice",
    risk_ppm=412_345,
    gone_ppm=20_001,
    p_negative_ppm=7,
    expected_year_cents=-12_345,
    net_year_cents=6_789,
    raw_net_year_cents=-1_234,
    company_share_ppm=1_000_000,
    forward_year_cents=-2_345,
    fee_cover_ppm=None,
    worth_cents=51_234,
    at_risk_cents=21_126,
    savable_cents=20_101,
    stake_cents=57_234,
    owner="service-desk",
    skill="german",
    driver="risk",
    loyalty_stage="loyal",
    evidence=(
        Evidence("wrong_part_twice", 1.0, "moment", "now", 1.0, ("00000000000000ff",), 12_345),
        Evidence("recovery", 0.5, "decayed count", "half-life 60 d", -0.3),
    ),
    actions=("escalate_to_supervisor", "verify_part_before_shipping"),
    action_cents=(1_125, None),
    action_minutes=(None, 42),
    gesture=Gesture("part", 1_800, 412_345, 300_000, 250_000, 14_309, 12_509, 31_450, True, False),
    clear_path=((Step("settle_case", 1, "case", "00000000000000fe"),), (Step("quiet", 14, "days"),)),
    clears_when=("the open case settled", "14 quiet days"),
    policy_version=3,
    policy_digest="0123456789abcdef",
    within_budget=False,
    initial=True,
    held=True,
    incident_id="initial-3-1",
)
INCIDENT = Incident(
    incident_id="common_cause-3-7",
    kind="common_cause",
    cause="product app-7.2, reason cannot log in",
    partition=3,
    since_ms=1_700_049_600_000,
    count=1_204,
    customers=("客户-1", "C-17"),
    limit="same_cause",
    allowed=9,
    released_ms=1_700_053_200_000,
    released_by="jo",
    released_because="release 7.2 is withdrawn",
)
LETTER = DeadLetter(
    "missing_field", "field event_id is missing", "support-calls", str(SUPPORT), 3, 4711, b"C-17", b"\x80"
)


def as_sent(alert: Alert) -> dict[str, Any]:
    """The alert's map as a reader of msgpack or JSON gets it: tuples have become lists."""
    found: dict[str, Any] = json.loads(json.dumps(alert.as_map()))
    return found


ROW_OFFSET = 123_456_789


def sample_row() -> np.ndarray[Any, np.dtype[np.void]]:
    """A customer row whose every byte differs from its neighbours' as far as a byte can."""
    count = state.CUSTOMER.itemsize
    # Bytes below 0x70 keep every float64 finite.
    return np.frombuffer(bytes(at * 37 % 111 for at in range(count)), state.CUSTOMER, 1).copy()


def pack_2(row: np.ndarray[Any, np.dtype[np.void]], offset: int) -> bytes:
    """A row as layout 2 wrote it: ``hour_head`` stood behind the figures of the periods."""
    names = [name for name in state.CUSTOMER.names or () if name != "hour_head"]
    names.insert(names.index("hour_contacts"), "hour_head")
    shape = np.dtype([(name, state.CUSTOMER[name]) for name in names])
    old, unset = np.zeros(1, shape), np.zeros(1, shape)
    for name in names:
        old[name], unset[name] = row[name], state.blank()[name]
    words = (old.view(np.uint8) ^ unset.view(np.uint8)).reshape(-1, state.WORD)
    here = words != 0
    head = (2).to_bytes(2, "little") + offset.to_bytes(8, "little", signed=True)
    told = [
        np.packbits(mask, bitorder="little").tobytes() + word[mask].tobytes()
        for word, mask in zip(words, here, strict=True)
        if mask.any()
    ]
    return head + np.packbits(here.any(axis=1), bitorder="little").tobytes() + b"".join(told)


def sample_row_2() -> np.ndarray[Any, np.dtype[np.void]]:
    """The row whose bytes in layout 2 were those of ``sample_row``."""
    raw, place = sample_row().tobytes(), state.CUSTOMER.fields
    assert place is not None
    at, end = place["hour_head"][1], place["hour_contacts"][1] - 4
    return np.frombuffer(raw[:at] + raw[end : end + 4] + raw[at:end] + raw[end + 4 :], state.CUSTOMER).copy()


def _read_row(raw: bytes) -> tuple[int, bytes]:
    offset, row = state.unpack(raw)
    return offset, row.tobytes()


KEPT = {
    "alert msgpack": Vector(ALERT.to_msgpack, msgpack.unpackb, as_sent(ALERT)),
    "alert json": Vector(lambda: ALERT.to_json().encode(), json.loads, as_sent(ALERT)),
    "incident msgpack": Vector(INCIDENT.to_msgpack, lambda raw: Incident.of(msgpack.unpackb(raw)), INCIDENT),
    "incident json": Vector(
        lambda: INCIDENT.to_json().encode(), lambda raw: Incident.of(json.loads(raw)), INCIDENT
    ),
    "receipt json": Vector(RECEIPT.to_json, Receipt.of, RECEIPT),
    "dead letter key": Vector(lambda: LETTER.record_key, bytes, b"0f8fad5b-d9cb-469f-a165-70867728950e:3:4711"),
    "dead letter headers": Vector(
        lambda: msgpack.packb(LETTER.headers()),
        lambda raw: [tuple(header) for header in msgpack.unpackb(raw)],
        [
            *(("reason", b"missing_field"), ("detail", b"field event_id is missing")),
            *(("source-topic", b"support-calls"), ("source-topic-id", str(SUPPORT).encode())),
            *(("source-partition", b"3"), ("source-offset", b"4711"), ("source-key", b"C-17")),
            ("value-bytes", b"1"),
            ("value-sha256", b"76be8b528d0075f7aae98d6fa57a6d3c83ae480a8469e668d7b0af968995ac71"),
        ],
    ),
    "customer row layout 2": Vector(
        lambda: pack_2(sample_row_2(), ROW_OFFSET), _read_row, (ROW_OFFSET, sample_row_2().tobytes())
    ),
    "customer row layout 2 blank": Vector(
        lambda: pack_2(state.blank(), 0), _read_row, (0, state.blank().tobytes())
    ),
    "customer row layout 3": Vector(
        lambda: state.pack(sample_row(), ROW_OFFSET), _read_row, (ROW_OFFSET, sample_row().tobytes())
    ),
    "customer row layout 3 blank": Vector(
        lambda: state.pack(state.blank(), 0), _read_row, (0, state.blank().tobytes())
    ),
}

VECTORS: dict[str, Vector] = {**_event_vectors(), **LEDGER, **KEPT}
