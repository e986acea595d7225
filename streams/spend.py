"""What the contacts of a block cost, by channel: the figures of ``kernels.cost`` for many events at once.

For dashboards only: no judgement reads it, and nothing is booked here.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.codes import Channel, Kind
from schemas.events import ABSENT
from schemas.policy import Policy

MINUTE_MS = 60_000
BY_KIND = {Kind.CHAT: Channel.CHAT, Kind.EMAIL: Channel.EMAIL, Kind.SELF_SERVICE: Channel.SELF_SERVICE}
CONTACTS = np.array([Kind.CALL_CLOSED, *BY_KIND], np.uint8)


def contact_cents(events: NDArray[np.void], admitted: NDArray[np.bool_], rules: Policy) -> dict[Channel, int]:
    """Cents by channel of the admitted contacts; a call without a channel came by voice."""
    some = np.flatnonzero(admitted & np.isin(events["kind"], CONTACTS))
    if not some.size:
        return {}
    kinds, channels = events["kind"][some], events["channel"][some].astype(np.int64)
    for kind, channel in BY_KIND.items():
        channels[kinds == kind] = channel
    channels[channels == 0] = Channel.VOICE
    stated, handle_ms = events["cost_cents"][some].astype(np.int64), events["handle_ms"][some].astype(np.int64)
    rule = rules.record[0]
    handle_ms[handle_ms == ABSENT] = int(rule["cost_imputed_handle_minutes"]) * MINUTE_MS
    cents = _minutes_cents(rule, "voice", handle_ms)
    for channel, priced in (
        (Channel.CHAT, _minutes_cents(rule, "chat", handle_ms)),
        (Channel.EMAIL, int(rule["cost_email_cents"])),
        (Channel.SELF_SERVICE, int(rule["cost_self_service_cents"])),
    ):
        cents = np.where(channels == channel, priced, cents)
    cents = np.where((stated != ABSENT) & (kinds != Kind.SELF_SERVICE), stated, cents)
    return {Channel(one): int(cents[channels == one].sum()) for one in np.unique(channels).tolist()}


def _minutes_cents(rule: Any, channel: str, handle_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """``kernels.cost.minutes_cents`` over an array: whole cents, half to even, in integers throughout."""
    total = int(rule[f"cost_{channel}_fixed_cents"]) * MINUTE_MS
    whole, rest = np.divmod(total + int(rule[f"cost_{channel}_cents_per_minute"]) * handle_ms, MINUTE_MS)
    up = (2 * rest > MINUTE_MS) | ((2 * rest == MINUTE_MS) & (whole % 2 == 1))
    cents: NDArray[np.int64] = whole + up
    return cents
