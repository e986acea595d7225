"""Outbound nouns: an alert, its evidence, and a dead letter, as they are written to their topics."""

import json
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from hashlib import sha256
from types import NoneType, UnionType
from typing import Any, Self, get_args, get_origin, get_type_hints

import msgpack

from schemas.codes import ALERT_NAMES, STATE_NAMES, Change
from schemas.plain import plain

VERSION = 1
DEAD_BYTES_MAX = 1_800_000
DEAD_KEY_BYTES_MAX = 4_096

KINDS = tuple(
    f"{name}_{change.name.lower()}"
    for machine, name in ALERT_NAMES.items()
    for change in Change
    if change is not Change.ESCALATED or len(STATE_NAMES[machine]) >= 3
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason: what was found, over which window, and how much it moved the score.

    ``contribution`` is in the score's own terms: log-odds of the 90-day risk, cents of the year for value, 1 for a
    moment. ``dp_ppm`` is by how much the risk would be lower without it. ``event_digests`` point at the newest
    events behind it (XXH64 of stream, customer id and event id, hex).
    """

    name: str
    value: float
    unit: str
    window: str
    contribution: float
    event_digests: tuple[str, ...] = ()
    dp_ppm: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path that clears: what changes, by how much, and of which case (its digest, hex) if of one."""

    change: str
    amount: int
    unit: str
    case_digest: str | None = None


@dataclass(frozen=True, slots=True)
class Gesture:
    """A gesture of recovery and its arithmetic: saved = what is at stake x the chance to save, net = saved - cost.

    The chance is the risk that the gesture takes away; for a moment's own remedy at least what the policy says of
    the moment. ``break_even_ppm`` is by how much the risk must fall to earn the cost. ``hold_out``: this customer
    is among those who get no proactive gestures, so that it can be learnt what gestures do.
    """

    name: str
    cost_cents: int
    risk_before_ppm: int
    risk_after_ppm: int
    chance_ppm: int
    saved_cents: int
    net_cents: int
    break_even_ppm: int
    recommended: bool
    hold_out: bool


@dataclass(frozen=True, slots=True)
class Alert:
    """A customer crossed a border. Equal ledgers give equal alerts, ids included."""

    alert_id: str
    kind: str
    customer_id: str
    ts_ms: int
    state_before: str
    state_after: str
    episode: int
    change: int
    moment: str | None
    risk_ppm: int
    gone_ppm: int
    p_negative_ppm: int
    expected_year_cents: int
    net_year_cents: int
    raw_net_year_cents: int
    company_share_ppm: int
    forward_year_cents: int
    fee_cover_ppm: int | None
    worth_cents: int
    at_risk_cents: int
    savable_cents: int
    stake_cents: int
    owner: str
    skill: str | None
    driver: str
    loyalty_stage: str
    evidence: tuple[Evidence, ...]
    actions: tuple[str, ...]
    action_cents: tuple[int | None, ...]
    action_minutes: tuple[int | None, ...]
    gesture: Gesture | None
    clear_path: tuple[tuple[Step, ...], ...]
    clears_when: tuple[str, ...]
    policy_version: int
    policy_digest: str
    within_budget: bool = True
    problem_id: str | None = None
    problem: str | None = None
    initial: bool = False
    held: bool = False
    incident_id: str | None = None

    def as_map(self) -> dict[str, Any]:
        """The alert as the map that is sent."""
        return {"version": VERSION, **plain(self)}

    @classmethod
    def of(cls, sent: dict[str, Any]) -> Self:
        """The alert of such a map, from a topic or the changelog."""
        alert: Self = _built(cls, sent)
        return alert

    def to_msgpack(self) -> bytes:
        """The alert's bytes on the alerts topic."""
        return bytes(msgpack.packb(self.as_map()))

    def to_json(self) -> str:
        """The alert as one line of JSON."""
        return json.dumps(self.as_map(), ensure_ascii=False, separators=(",", ":"))


@cache
def _shape_of(shape: Any) -> tuple[tuple[str, Any], ...]:
    """Names and types of a dataclass's fields."""
    hints = get_type_hints(shape)
    return tuple((one.name, hints[one.name]) for one in fields(shape))


def _built(shape: Any, sent: Any) -> Any:
    """A value of type ``shape`` from what msgpack or JSON made of it: maps and lists become what they were."""
    if is_dataclass(shape):
        return shape(**{name: _built(hint, sent[name]) for name, hint in _shape_of(shape) if name in sent})  # type: ignore[operator,arg-type]
    if sent is not None and get_origin(shape) is UnionType:
        return _built(next(one for one in get_args(shape) if one is not NoneType), sent)
    if get_origin(shape) is tuple:
        return tuple(_built(get_args(shape)[0], one) for one in sent)
    return sent


INCIDENT_KINDS = ("value_destroyer", "gaming_suspected", "churn_risk", "common_cause", "initial")
"""What an incident may be: too many entries of one machine, entries that share a cause, an imported base."""


@dataclass(frozen=True, slots=True)
class Incident:
    """A wave of alerts that is held until a person lets it go: the latest word by id on the incidents topic."""

    incident_id: str
    kind: str
    cause: str | None
    partition: int
    since_ms: int
    count: int
    customers: tuple[str, ...]
    limit: str
    allowed: int
    released_ms: int | None = None
    released_by: str | None = None
    released_because: str | None = None

    def as_map(self) -> dict[str, Any]:
        """The incident as the map that is sent."""
        return {"version": VERSION, **plain(self)}

    def to_msgpack(self) -> bytes:
        """The incident's bytes on the incidents topic."""
        return bytes(msgpack.packb(self.as_map()))

    def to_json(self) -> str:
        """The incident as one line of JSON."""
        return json.dumps(self.as_map(), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def of(cls, sent: dict[str, Any]) -> Self:
        """The incident of such a map, from the topic or the changelog."""
        incident: Self = _built(cls, sent)
        return incident


@dataclass(frozen=True, slots=True)
class Hold:
    """Whether a customer must be left in peace, and why: the latest word by customer on the holds topic.

    ``purposes`` are those forbidden by the reasons (``schemas.codes.FORBIDS``). One that is not forbidden is not
    therefore wise: a referral is asked for only of a customer who is ``referral_ready``.
    """

    customer_id: str
    held: bool
    since_ms: int
    reasons: tuple[str, ...]
    purposes: tuple[str, ...]
    policy_version: int

    def as_map(self) -> dict[str, Any]:
        """The hold as the map that is sent."""
        return {"version": VERSION, **plain(self)}

    def to_msgpack(self) -> bytes:
        """The hold's bytes on the holds topic."""
        return bytes(msgpack.packb(self.as_map()))


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A payload that was refused: why, where it stood, and its original bytes."""

    reason: str
    detail: str
    topic: str
    topic_id: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None

    @property
    def record_key(self) -> bytes:
        """Key on the dead-letter topic: a repeat of the same refusal has the same key."""
        return f"{self.topic_id}:{self.partition}:{self.offset}".encode()

    @property
    def record_value(self) -> bytes:
        """Value on the dead-letter topic: the original bytes, cut to what any topic of ours takes."""
        return (self.value or b"")[:DEAD_BYTES_MAX]

    def headers(self) -> list[tuple[str, bytes]]:
        """Record headers; the value's whole length and digest (SHA-256) are there in case it was cut."""
        value = self.value or b""
        return [
            ("reason", self.reason.encode()),
            ("detail", self.detail.encode()),
            ("source-topic", self.topic.encode()),
            ("source-topic-id", self.topic_id.encode()),
            ("source-partition", str(self.partition).encode()),
            ("source-offset", str(self.offset).encode()),
            ("source-key", (self.key or b"")[:DEAD_KEY_BYTES_MAX]),
            ("value-bytes", str(len(value)).encode()),
            ("value-sha256", sha256(value).hexdigest().encode()),
        ]
