"""What each event costs the company, from the table in docs/model.md, written apart from the kernels."""

import numpy as np
from numpy.typing import NDArray

from schemas.codes import Kind
from tests.eval.notes import AMOUNT, CAUSE, COMPANY, COST, HANDLE, KIND, MARGIN, Notes

PER_EVENT = {
    Kind.EMAIL: 450,
    Kind.DISPATCH: 12_000,
    Kind.PART_SHIPPED: 1_800,
    Kind.PURCHASE: 350,
    Kind.RETURN: 1_200,
}
"""Cents where no cost is told."""

TALKS = {Kind.CALL_CLOSED: (200, 75), Kind.CHAT: (80, 40)}
"""Cents for each, and for each minute."""


def tariff(events: Notes) -> NDArray[np.int64]:
    """Cents of each event (m,), rounded half to even, at the default policy."""
    out = np.zeros(len(events), np.int64)
    for kind, cents in PER_EVENT.items():
        out[events[:, KIND] == kind] = cents
    for kind, (fixed, per_minute) in TALKS.items():
        those = events[:, KIND] == kind
        out[those] = np.rint(fixed + per_minute * events[those, HANDLE] / 60_000).astype(np.int64)
    for kind, column in ((Kind.FREE_REPLACEMENT, COST), (Kind.CREDIT, AMOUNT)):
        those = events[:, KIND] == kind
        out[those] = events[those, column]
    # What a thing would have earned that comes back by our fault is lost by our fault.
    ours = (events[:, KIND] == Kind.RETURN) & (events[:, CAUSE] == COMPANY)
    out[ours] += events[ours, MARGIN]
    assert (out >= 0).all()
    return out
