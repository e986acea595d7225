"""The oracle's nouns: a customer row in plain numbers, its rings and case slots, an event, and the policy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from schemas import state
from schemas.block import Block, Source
from schemas.codes import DECAYED, Answer, CaseFlag, Kind
from schemas.events import DAY_MS, FIELD, Type
from schemas.policy import SETTINGS, Policy
from tests.oracle import hashing

HOUR_MS = 3_600_000
WEEK_MS = 7 * DAY_MS
MILLION = 1_000_000

CONTACTS = {Kind.CALL_CLOSED, Kind.CHAT, Kind.EMAIL}
FAULT_KINDS = {Kind.FAULT_OPENED, Kind.FAULT_CLOSED}

# What a ring is called: its head, its number of buckets, the columns that share the head.
RINGS = {
    "hour": ("hour_head", state.HOURS, ("hour_contacts", "hour_short", "hour_aside_cents")),
    "day": ("day_head", state.DAYS, ("day_contacts", "day_failures", "day_purchases", "day_cost_cents")),
    "period": (
        "period_head",
        state.PERIODS,
        (
            *(
                "period_contacts",
                "period_handle_seconds",
                "period_margin_cents",
                "period_cost_cents",
                "period_aside_cents",
            ),
            *("period_fee_cents", "period_doubt_cents", "period_revenue_cents"),
        ),
    ),
}
MOST = {"u1": 255, "u2": 65_535, "u4": 2**32 - 1, "i8": 10**17}


def stopped(cents: int) -> int:
    """A sum of money, as far as a row can hold it."""
    return max(-MOST["i8"], min(MOST["i8"], cents))


def day_of(ts_ms: int) -> int:
    """The UTC day of a time."""
    return ts_ms // DAY_MS


def hour_of(ts_ms: int) -> int:
    """The hour of a time."""
    return ts_ms // HOUR_MS


def period_of(day: int) -> int:
    """The 28-day period of a day."""
    return day // state.PERIOD_DAYS


def ppm(share: float) -> int:
    """A share or probability as parts per million, half to even."""
    return round(share * MILLION)


def halves_to_even(number: int, divisor: int) -> int:
    """``number / divisor``, rounded half to even without any float."""
    whole, rest = divmod(number, divisor)
    return whole + (2 * rest > divisor or (2 * rest == divisor and whole % 2 == 1))


class Rules:
    """A policy with every setting as an attribute of its ``section_key`` name; ``moments`` is a bit mask."""

    def __init__(self, policy: Policy) -> None:
        record = policy.record[0]
        self.settings: dict[str, Any] = {one.name: record[one.name].item() for one in SETTINGS}
        self.weight: list[float] = record["weight"].tolist()
        half_lives = record["half_life_days"].tolist()[:DECAYED]
        self.decay = [math.exp(-math.log(2) / days) for days in half_lives]
        self.moments = int(record["moments"])
        self.risk_weight: list[float] = record["risk_weight"].tolist()
        self.saves: list[float] = record["saves"].tolist()
        self.gesture_cents: list[int] = record["moment_gesture_cents"].tolist()
        self.floor_minutes: list[float] = record["moment_floor_minutes"].tolist()

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["settings"][name]
        except KeyError:
            raise AttributeError(name) from None

    def ppm(self, name: str) -> int:
        """A share of the policy, as it is compared."""
        return ppm(self.settings[name])


class Heard:
    """One event of a block: ``get`` gives a number or None, ``digest`` a text's digest or 0."""

    def __init__(self, block: Block, index: int) -> None:
        self.source: Source = block.sources[int(block.source[index])]
        self.offset = int(block.offset[index])
        self._numbers: dict[str, int] = {}
        self._texts: dict[str, bytes] = {}
        for name, column in block.columns.items():
            value, field = int(column[index]), FIELD[name]
            if value != field.absent:
                if field.type is Type.TEXT:
                    self._texts[name] = block.text(value)
                else:
                    self._numbers[name] = value
        self.kind = Kind(self._numbers["kind"])
        self.ts = self._numbers["ts_ms"]
        self.customer = self._texts.get("customer_id", b"")
        self.purchases = self.kind >= Kind.PURCHASE
        self.is_contact = self.kind in CONTACTS
        self.resolved = self.get("resolved") == Answer.YES
        self.case = self.digest("fault_id" if self.kind in FAULT_KINDS else "case_id")

    def get(self, name: str) -> int | None:
        """The number sent, None when it was not."""
        return self._numbers.get(name)

    def or_else(self, name: str, absent: int) -> int:
        """The number sent, or another."""
        return self._numbers.get(name, absent)

    def digest(self, name: str) -> int:
        """Digest of the text sent, 0 when it was not."""
        return hashing.of_text(self._texts.get(name, b""))

    def identity(self) -> int:
        """The event's digest."""
        return hashing.of_event(self.purchases, self.customer, self._texts.get("event_id", b""))


def _copied(value: Any) -> Any:
    """Numbers as they are, lists of lists anew."""
    if not isinstance(value, list):
        return value
    return [_copied(one) for one in value] if value and isinstance(value[0], list) else value.copy()


class Row:
    """A customer row with every field of ``schemas.state.CUSTOMER`` as int, float or list."""

    def __init__(self) -> None:
        blank = state.blank()[0]
        for name in state.CUSTOMER.names or ():
            setattr(self, name, blank[name].tolist())

    def copy(self) -> Row:
        """A row that shares nothing with this one."""
        other = object.__new__(Row)
        for name, value in vars(self).items():
            setattr(other, name, _copied(value))
        return other

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Row) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    if TYPE_CHECKING:  # the fields are the layout's, each a number or a list

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    # Rings.

    def holds(self, ring: str, bucket: int) -> bool:
        """Whether the ring holds this bucket."""
        head_name, n, _ = RINGS[ring]
        head = getattr(self, head_name)
        return bool(head - n < bucket <= head)

    def reach(self, ring: str, bucket: int) -> bool:
        """Bring a bucket into the ring; False when it is older than all the ring holds."""
        head_name, n, columns = RINGS[ring]
        head = getattr(self, head_name)
        if bucket > head:
            for cleared in range(max(head, bucket - n) + 1, bucket + 1):
                for name in columns:
                    empty = [0] * state.FAULTS if name == "period_cost_cents" else 0
                    getattr(self, name)[cleared % n] = empty
            setattr(self, head_name, bucket)
        return self.holds(ring, bucket)

    def add(self, name: str, bucket: int, amount: int, column: int | None = None) -> None:
        """Add to one bucket of the ring the field belongs to, stopping at what its type can hold."""
        ring = name.partition("_")[0]
        if not self.reach(ring, bucket):
            return
        cells, index = getattr(self, name), bucket % RINGS[ring][1]
        if column is not None:
            cells, index = cells[index], column
        most = MOST[state.CUSTOMER[name].base.str.lstrip("<|")]
        cells[index] = max(-most, min(most, cells[index] + amount))

    def read(self, name: str, bucket: int) -> Any:
        """What one bucket holds; zero outside the ring."""
        ring = name.partition("_")[0]
        if not self.holds(ring, bucket):
            return [0] * state.FAULTS if name == "period_cost_cents" else 0
        return getattr(self, name)[bucket % RINGS[ring][1]]

    # Cases, callbacks, repairs.

    def slot_of(self, case: int) -> int | None:
        """The slot of a case, None when there is none."""
        return self.case_id.index(case) if case and case in self.case_id else None

    def is_open(self, slot: int) -> bool:
        """Whether the slot's case asks for something still."""
        asks = max(self.case_opened_ms[slot], self.case_asked_ms[slot])
        return bool(self.case_id[slot] != 0 and asks > self.case_resolved_ms[slot])

    def any_open(self) -> bool:
        """Whether some slot is open."""
        return any(self.is_open(slot) for slot in range(state.CASES))

    def waits_since(self, slot: int) -> int | None:
        """Since when the slot's ticket waits for an answer, None when it does not."""
        asked = self.case_asked_ms[slot]
        answered = max(self.case_answered_ms[slot], self.case_resolved_ms[slot])
        waiting = self.is_open(slot) and self.case_flags[slot] & CaseFlag.TICKET and asked > answered
        return asked if waiting else None

    def callback_due(self) -> bool:
        """Whether a callback is promised."""
        return any(due != state.NEVER for due in self.callback_due_ms)

    def in_repair(self) -> bool:
        """Whether a repair is running."""
        return bool(self.repair_in_ms > self.repair_out_ms)

    def owed(self) -> bool:
        """Whether the company owes an answer, a callback or the end of a repair."""
        waiting = any(self.waits_since(slot) is not None for slot in range(state.CASES))
        return waiting or self.callback_due() or self.in_repair()
