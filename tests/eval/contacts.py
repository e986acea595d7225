"""Contacts: which channel, how long, what a human writes down of the cause, and what a survey says."""

import math

import numpy as np

from schemas.codes import Kind
from tests.eval.compiled import compiled
from tests.eval.notes import (
    HANDLE,
    RESOLVED,
    SAID_CAUSE,
    SCORE,
    Life,
    Notes,
    hit,
    put,
)

Physics = np.void
CALL = int(Kind.CALL_CLOSED)
CHAT = int(Kind.CHAT)
EMAIL = int(Kind.EMAIL)
CSAT = int(Kind.CSAT)


@compiled
def contact(c: Life, p: Physics, out: Notes, ts_ms: int, cause: int, minutes: float) -> int:
    """One contact of so many minutes in the mean (lognormal), by a channel at random; its row."""
    toss = np.random.random()
    kind = CALL if toss < 0.65 else (CHAT if toss < 0.85 else EMAIL)
    at = put(c, out, ts_ms, kind, cause)
    out[at, HANDLE] = np.int64(60_000 * minutes * math.exp(0.6 * np.random.randn() - 0.18))
    if hit(p["coded_share"]):
        said = cause
        if hit(p["miscoded_share"]):
            said = 1 + (cause + int(np.random.random() * 2)) % 3
        out[at, SAID_CAUSE] = said
    return at


@compiled
def short_call(c: Life, out: Notes, ts_ms: int, cause: int, seconds: float) -> int:
    """A call of about so many seconds; its row."""
    at = put(c, out, ts_ms, CALL, cause)
    out[at, HANDLE] = np.int64(1_000 * seconds * (0.5 + np.random.random()))
    return at


@compiled
def answered(p: Physics, out: Notes, at: int, resolved: bool) -> None:
    """Write down whether a contact settled its matter: 70 % are written down at all."""
    if hit(0.7):
        if hit(p["miscoded_share"]):
            resolved = not resolved
        out[at, RESOLVED] = 2 if resolved else 1


@compiled
def survey(c: Life, p: Physics, out: Notes, ts_ms: int, chance: float, pleased: bool) -> None:
    """Perhaps a satisfaction score out of five: 4 or 5 from the pleased, 1 or 2 from the others."""
    if hit(chance):
        at = put(c, out, ts_ms + 30 * 60_000, CSAT, 0)
        out[at, SCORE] = (4 if pleased else 1) + (1 if hit(0.5) else 0)
