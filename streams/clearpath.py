"""The smallest changes that would clear an alert, in the form that is sent.

``kernels.ways`` finds them and folds and concludes as the judge does: a path that is told is a path that clears.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import ways
from kernels.ways import Deed
from schemas import codes, state
from schemas.alerts import Step
from schemas.block import EVENT
from schemas.events import FIELDS, Type
from schemas.policy import Policy
from streams.arena import copied

Path = tuple[Step, ...]

UNITS: dict[Deed, str] = {
    Deed.SETTLE_CASE: "case",
    Deed.MAKE_CALLBACK: "callback",
    Deed.END_REPAIR: "repair",
    Deed.ANSWER_APPEAL: "appeal",
    Deed.RECOVERY: "gesture",
    Deed.PURCHASE: "purchase",
    Deed.MARGIN: "cents",
    Deed.NAME_CAUSE: "cents",
    Deed.OPEN_FAULT: "fault",
    Deed.THANK_REFERRER: "thanks",
    Deed.REFERRAL_ASK: "message",
}
"""What each change is counted in."""
NAMES = {deed: deed.name.lower() for deed in Deed}

NOTHING = np.zeros(2, EVENT)
"""An event with nothing in it, and room for one."""
for _field in FIELDS:
    if _field.type is not Type.TEXT:
        NOTHING[_field.name] = _field.absent


def find(row: Any, machine: codes.Machine, now_ms: int, policy: Policy) -> tuple[Path, ...]:
    """Up to four alternatives that clear, smallest first: fewest steps, then fewest days, then least money.

    row  one customer (shape ()), as it stood right after the alert's crossing
    """
    rows = np.empty(ways.COPIES, state.CUSTOMER)
    rows[0] = row
    deeds, found = np.zeros(ways.DEEDS, ways.DEED), np.empty(ways.TRIED, ways.WAY)
    count = ways.find_ways(rows, int(machine), now_ms, policy.record, copied(NOTHING), deeds, found)
    return tuple(tuple(_steps(way, deeds)) for way in found[:count].tolist())


def _steps(way: tuple[int, ...], deeds: NDArray[np.void]) -> Iterator[Step]:
    wanted, before, days = way[:3]
    for at, (what, cents, case) in enumerate(deeds.tolist()):
        if not wanted >> at & 1:
            continue
        deed = Deed(what)
        if deed is Deed.PURCHASE and before > 0:
            yield Step("quiet", before, "days")
        yield Step(NAMES[deed], cents or 1, UNITS[deed], f"{case:016x}" if case else None)
    if days > 0:
        yield Step("quiet", days, "days")
