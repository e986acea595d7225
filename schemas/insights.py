"""Outbound nouns about all customers together: a partition's whale curve, a glaring problem, whom to win back.

Both are views as of a midnight, published by key to the compacted insights topic; a reader adds the partitions up.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import msgpack
import numpy as np

from schemas.plain import plain

VERSION = 1

MOST_CENTS = 10**11
"""Up to a thousand million in the currency the curve tells amounts apart; beyond it they share a bin."""


def _borders() -> list[int]:
    """The smallest whole cents in each bin of positive amounts: 1.05^k, rounded up, exact."""
    out = [1]
    while (following := -(-(21 ** len(out)) // 20 ** len(out))) <= MOST_CENTS:
        out.append(following)
    return out


BORDERS = tuple(_borders())
LEVELS = len(BORDERS)
ZERO = LEVELS
BINS = 2 * LEVELS + 1
"""Bins of the curve: ``ZERO`` for nothing, above it 1 cent and more, below it as much less than nothing."""

CAUSED = np.dtype(
    [
        ("problem", "<u8"),
        ("fault", "<u8"),
        ("sku", "<u8"),
        ("reason", "<u8"),
        ("flags", "<u4"),
        ("recent", "<u1"),
        ("open", "<u1"),
        ("cost_cents", "<i8"),
        ("at_risk_cents", "<i8"),
        ("first_ms", "<i8"),
        ("last_ms", "<i8"),
    ]
)
"""What one customer has had of one problem: digests of its names, the cases' flags, money, times.

``recent``: a case of it is open or was heard of within 28 days; ``open``: one is open.
"""


class InsightError(ValueError):
    """A record of the insights topic is not one that this version reads."""


class Insight(NamedTuple):
    """One record for the insights topic; without a value what stood under the key is gone."""

    key: bytes
    value: bytes | None


@dataclass(frozen=True, slots=True)
class CurvePart:
    """One ledger partition's whale curve: (bin, customers, cents they brought) of each bin that is not empty.

    ``bins`` are by margin less all cost of the year, ``faultless_bins`` leave out the cost we caused.
    """

    partition: int
    partitions: int
    as_of_ms: int
    policy_version: int
    bins: tuple[tuple[int, int, int], ...]
    faultless_bins: tuple[tuple[int, int, int], ...]

    @property
    def key(self) -> bytes:
        """Its key on the insights topic."""
        return f"curve/{self.partition}".encode()

    def insight(self) -> Insight:
        """The record that is sent."""
        return Insight(self.key, bytes(msgpack.packb({"version": VERSION, **plain(self)})))

    @classmethod
    def read(cls, value: bytes) -> "CurvePart":
        """The part a record holds; raises ``InsightError``."""
        body = _body(value, cls)
        for name in ("bins", "faultless_bins"):
            body[name] = tuple(tuple(one) for one in body[name])
            if any(len(one) != 3 or not 0 <= one[0] < BINS for one in body[name]):
                raise InsightError("a whale curve has bins that this version does not know")
        return cls(**body)


@dataclass(frozen=True, slots=True)
class Problem:
    """One cause of company-caused cost, over customers; of one ledger partition, or of all once added up.

    Customers count whose case of it is open or was heard of within 28 days. ``cost_cents`` is what we caused by it
    in the last ``window_days``; ``at_risk_cents`` what may leave with those whose case is open.
    """

    problem_id: str
    fault_id: str | None
    sku: str | None
    reason: str | None
    failures: tuple[str, ...]
    customers: int
    open_customers: int
    cost_cents: int
    window_days: int
    at_risk_cents: int
    first_ms: int
    last_ms: int
    as_of_ms: int

    @property
    def money_cents(self) -> int:
        """By what problems are ranked: what it cost, and what may leave."""
        return self.cost_cents + self.at_risk_cents

    def as_map(self) -> dict[str, Any]:
        """The problem as the map that is sent."""
        return {"version": VERSION, **plain(self)}

    def insight(self, partition: int) -> Insight:
        """The record that ``partition`` sends."""
        return Insight(problem_key(partition, int(self.problem_id, 16)), bytes(msgpack.packb(self.as_map())))

    @classmethod
    def read(cls, value: bytes) -> "Problem":
        """The problem a record holds; raises ``InsightError``."""
        body = _body(value, cls)
        body["failures"] = tuple(body["failures"])
        return cls(**body)


@dataclass(frozen=True, slots=True)
class Prospect:
    """One customer to win back: why (``deal_lost``, ``buys_less``, ``line_left``), and the money it is about."""

    customer_id: str
    reasons: tuple[str, ...]
    product_line: str | None
    cents: int


@dataclass(frozen=True, slots=True)
class WinBack:
    """Whom a ledger partition would win back, most money first."""

    partition: int
    as_of_ms: int
    prospects: tuple[Prospect, ...]

    def insight(self) -> Insight:
        """The record that is sent."""
        key = f"win-back/{self.partition}".encode()
        return Insight(key, bytes(msgpack.packb({"version": VERSION, **plain(self)})))

    @classmethod
    def read(cls, value: bytes) -> "WinBack":
        """The list a record holds; raises ``InsightError``."""
        body = _body(value, cls)
        body["prospects"] = tuple(
            Prospect(**{**one, "reasons": tuple(one["reasons"])}) for one in body["prospects"]
        )
        return cls(**body)


def problem_key(partition: int, problem: int) -> bytes:
    """The key of a partition's problem on the insights topic."""
    return f"problem/{partition}/{problem:016x}".encode()


def _body(value: bytes, shape: type[CurvePart] | type[Problem] | type[WinBack]) -> dict[str, Any]:
    try:
        body = msgpack.unpackb(value)
    except ValueError as error:
        raise InsightError(f"a record of the insights topic is not msgpack: {type(error).__name__}") from None
    if not isinstance(body, dict) or body.pop("version", None) != VERSION:
        raise InsightError(f"a record of the insights topic is not of version {VERSION}: start a newer whaleline")
    names = set(shape.__dataclass_fields__)
    if set(body) != names:
        raise InsightError(f"a record of the insights topic lacks or adds fields: {sorted(set(body) ^ names)}")
    return body
