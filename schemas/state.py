"""The customer row: one fixed little-endian record, kept in memory, in the changelog and in snapshots alike.

A row is a function of the ledger alone. It is settled up to the UTC day ``day``: daily steps (decay, the alive
filter) have been taken for every midnight up to it, and taking further ones later gives the same bytes.
"""

import numpy as np
from numpy.typing import NDArray

from schemas.codes import DECAYED

LAYOUT = 3
"""Number of this layout; a reader refuses a newer one. Layout 1 was never released, and is refused too."""

HOURS = 24
DAYS = 90
PERIODS = 13
PERIOD_DAYS = 28
CASES = 4
CALLBACKS = 2
REFERENCES = 12
FAULTS = 4
MACHINES = 10
LINES = 4
"""Product lines of a customer that are remembered, the newest ones."""
CASE_PERIODS = 3
"""Periods in which the costs of an open case are remembered, so that they can be booked anew."""

NEVER = -1

MONEY_MOST_CENTS = 10**17
"""Where every sum of money in a row stops, up and down: a million events of the most that one may carry."""

_FIELDS = np.dtype(
    [
        # Hot first: what every midnight reads lies together, for a sweep over a million rows waits for memory.
        # how far the row is settled, and what was heard first and last
        ("day", "<i4"),
        ("first_day", "<i4"),
        ("last_event_ms", "<i8"),
        # a lifetime of buying
        ("first_purchase_day", "<i4"),
        ("last_purchase_day", "<i4"),
        ("repeat_days", "<u4"),
        ("purchases", "<u4"),
        ("spent_cents", "<i8"),
        ("life_margin_cents", "<i8"),
        ("life_fee_cents", "<i8"),
        ("gap_squares", "<u8"),
        ("long_gaps", "<u2"),
        ("long_gap_days", "<u4"),
        ("loss_cents", "<i8"),
        ("loss_day", "<i4"),
        ("first_fee_day", "<i4"),
        ("last_fee_day", "<i4"),
        ("contract_from_ms", "<i8"),
        ("contract_end_ms", "<i8"),
        ("contract_fee_cents", "<i8"),
        ("contract_period_days", "<u4"),
        # evidence of failure and recovery, decayed to the start of ``day``; the alive filter
        ("evidence", "<f8", DECAYED),
        ("odds", "<f8"),
        ("risk_day_start_ppm", "<i4"),
        ("risk_day_before_ppm", "<i4"),
        ("risk_calm_since_ms", "<i8"),
        ("usual_risk", "<f8"),
        # the state machines
        ("state", "<u1", MACHINES),
        ("since_ms", "<i8", MACHINES),
        ("cooldown_until_ms", "<i8", MACHINES),
        # of the present value episode: when it began, since when the year ahead pays, which remedies were tried
        ("value_entered_ms", "<i8"),
        ("value_good_since_ms", "<i8"),
        ("remedies", "<u1"),
        # of the present failure, the hold, and what a late event left to conclude
        ("failed_moments", "<u4"),
        ("failed_last_ms", "<i8"),
        ("recovered_ms", "<i8"),
        ("hold_reasons", "<u1"),
        ("hold_calm_since_ms", "<i8"),
        ("pending", "<u1"),
        ("pending_moments", "<u4"),
        # relationship: what the customer said of us, brought us, and was asked
        ("failure_day", "<i4"),
        ("contact_ms", "<i8"),
        ("negative_review_ms", "<i8"),
        ("csat_ms", "<i8"),
        ("csat_share_ppm", "<u4"),
        ("solved", "<u2"),
        ("referrals", "<u2"),
        ("referral_ms", "<i8"),
        ("thanked_ms", "<i8"),
        ("thanks_told_ms", "<i8"),
        ("referral_asked_ms", "<i8"),
        ("news_ms", "<i8"),
        ("news_told_ms", "<i8"),
        ("offer_ms", "<i8"),
        ("leaving_asked_ms", "<i8"),
        ("appeal_ms", "<i8"),
        ("appeal_answered_ms", "<i8"),
        ("appeal_told_ms", "<i8"),
        # repairs and callbacks that run
        ("repair_in_ms", "<i8"),
        ("repair_out_ms", "<i8"),
        ("repair_told_ms", "<i8"),
        ("callback_due_ms", "<i8", CALLBACKS),
        # open cases: the greatest time of each side wins, so an early answer is remembered
        ("case_id", "<u8", CASES),
        ("case_opened_ms", "<i8", CASES),
        ("case_asked_ms", "<i8", CASES),
        ("case_answered_ms", "<i8", CASES),
        ("case_resolved_ms", "<i8", CASES),
        ("case_flags", "<u4", CASES),
        ("case_contacts", "<u2", CASES),
        ("case_cause", "<u1", CASES),
        # rings: money of 13 periods of 28 days; contacts of the last 24 hours; of the last 90 days
        ("hour_head", "<i4"),
        ("period_head", "<i4"),
        ("period_contacts", "<u2", PERIODS),
        ("period_margin_cents", "<i8", PERIODS),
        ("period_cost_cents", "<i8", (PERIODS, FAULTS)),
        ("period_fee_cents", "<i8", PERIODS),
        ("period_aside_cents", "<i8", PERIODS),
        ("period_doubt_cents", "<i8", PERIODS),
        ("period_revenue_cents", "<i8", PERIODS),
        ("hour_contacts", "<u1", HOURS),
        ("hour_short", "<u1", HOURS),
        ("hour_aside_cents", "<u4", HOURS),
        ("day_head", "<i4"),
        ("day_contacts", "<u1", DAYS),
        ("day_failures", "<u1", DAYS),
        ("day_purchases", "<u1", DAYS),
        ("day_cost_cents", "<u4", DAYS),
        # Cold from here on: read when an event comes, or an alert is written.
        ("period_handle_seconds", "<u4", PERIODS),
        # more of the cases and callbacks
        ("case_wrong_parts", "<u2", CASES),
        ("case_sku", "<u8", CASES),
        ("case_reason", "<u8", CASES),
        ("case_alternative", "<u1", CASES),
        ("case_price_percent", "<u4", CASES),
        ("case_period", "<i4", CASES),
        ("case_cost_cents", "<i8", (CASES, CASE_PERIODS, FAULTS)),
        ("cases_overflowed", "<u4"),
        ("callback_case", "<u8", CALLBACKS),
        ("callback_made_ms", "<i8"),
        # repair, abuse, and the end of a contract
        ("repair_sku", "<u8"),
        ("repair_repeat", "<u1"),
        ("abuse_until_ms", "<i8"),
        ("warranty_end_ms", "<i8"),
        ("termination_fee_cents", "<i8"),
        ("cancel_ms", "<i8"),
        # what was bought last and in all; which product lines, newest purchase of each
        ("last_spend_cents", "<i8"),
        ("life_cost_cents", "<i8", FAULTS),
        ("line", "<u8", LINES),
        ("line_last_day", "<i4", LINES),
        ("line_days", "<u2", LINES),
        # words and favours, counted
        ("kept", "<u2"),
        ("refused", "<u2"),
        ("reviews", "<u2"),
        ("effort_minutes", "<u4"),
        # how the customer sounds: moods heard, the usual one and that of late; -1 to 1
        ("moods", "<u2"),
        ("mood_usual", "<f8"),
        ("mood_lately", "<f8"),
        # the newest deal that went elsewhere; who serves the customer, as the last event that said so has it
        ("deal_ms", "<i8"),
        ("deal_cents", "<i8"),
        ("floor", "<u8"),
        ("skill", "<u8"),
        ("offer_rival", "<u8"),
        ("hold_violations", "<u2"),
        # which crossing of which episode was the last
        ("episode", "<u4", MACHINES),
        ("change", "<u4", MACHINES),
        # what the alerts point at: the newest references of kind, time and event digest
        ("reference_next", "<u1"),
        ("reference_kind", "<u1", REFERENCES),
        ("reference_ms", "<i8", REFERENCES),
        ("reference_digest", "<u8", REFERENCES),
    ]
)

WORD = 8
_SPARE = -_FIELDS.itemsize % WORD
CUSTOMER = np.dtype([*_FIELDS.descr, ("spare", "u1", (_SPARE,))] if _SPARE else _FIELDS)
"""One customer. Times are ms UTC, days are days since 1970, money is cents; an unset time or day is -1.

``spare`` fills the row up to whole words of eight bytes and is always 0.
"""

HOT_BYTES = CUSTOMER.fields["period_contacts"][1]  # type: ignore[index]
"""What a midnight reads of a row at most times: its first so many bytes."""

_UNSET = tuple(name for name in CUSTOMER.names or () if name.endswith(("_day", "_ms", "_head")) or name == "day")


def blank() -> NDArray[np.void]:
    """A row of a customer nobody has heard of; ``day`` and ``first_day`` are set at the first event."""
    row = np.zeros(1, CUSTOMER)
    for name in _UNSET:
        row[name] = NEVER
    return row


class LayoutError(ValueError):
    """A stored row has a layout this code cannot read."""


HEAD_BYTES = 10
LAYOUT_BYTES = 2
_BLANK_BYTES = blank().view(np.uint8)

READABLE = (2, LAYOUT)
"""Layouts that this code reads; it writes the last. In 2 ``hour_head`` stood behind the figures of the periods."""

_MOVED = slice(CUSTOMER.fields["hour_head"][1], CUSTOMER.fields["hour_contacts"][1])  # type: ignore[index]


def as_in_2(row: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A row's bytes in the order of layout 2."""
    out = row.copy()
    out[_MOVED] = np.roll(row[_MOVED], -4)
    return out


def from_2(row: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What ``as_in_2`` made, in today's order."""
    out = row.copy()
    out[_MOVED] = np.roll(row[_MOVED], 4)
    return out


def head(ledger_offset: int) -> bytes:
    """What a changelog value begins with: layout u2, the ledger offset that the row includes i8."""
    return LAYOUT.to_bytes(2, "little") + ledger_offset.to_bytes(8, "little", signed=True)


def pack(row: NDArray[np.void], ledger_offset: int) -> bytes:
    """One row as a changelog value: its head, and what differs from a blank row (docs/wire.md).

    The plain form of ``kernels.sparse``, which writes many.
    """
    words = (row.view(np.uint8) ^ _BLANK_BYTES).reshape(-1, WORD)
    here = words != 0
    masks = np.packbits(here, axis=1, bitorder="little")[:, 0]
    differs = masks != 0
    parts = [bytes([mask]) + word[word != 0].tobytes() for mask, word in zip(masks, words, strict=True) if mask]
    return head(ledger_offset) + np.packbits(differs, bitorder="little").tobytes() + b"".join(parts)


def unpack(value: bytes) -> tuple[int, NDArray[np.void]]:
    """(ledger offset, row of shape (1,)) of a changelog value, of any layout in ``READABLE``; refuses others."""
    old = check_layout(value) == 2
    count = CUSTOMER.itemsize // WORD
    at = HEAD_BYTES + (count + 7) // 8
    words = (as_in_2(_BLANK_BYTES) if old else _BLANK_BYTES.copy()).reshape(count, WORD)
    differs = np.unpackbits(np.frombuffer(value[HEAD_BYTES:at], np.uint8), bitorder="little")
    if len(value) < at or differs[count:].any():
        raise LayoutError(BROKEN)
    for word in np.flatnonzero(differs).tolist():
        here = np.unpackbits(np.frombuffer(value[at : at + 1], np.uint8), bitorder="little").astype(bool)
        sent = np.frombuffer(value[at + 1 : at + 1 + int(here.sum())], np.uint8)
        if sent.size == 0 or sent.size != here.sum() or not sent.all():
            raise LayoutError(BROKEN)
        words[word, here] ^= sent
        at += 1 + sent.size
    if at != len(value):
        raise LayoutError(BROKEN)
    row = words.reshape(-1)
    return int.from_bytes(value[2:HEAD_BYTES], "little", signed=True), (from_2(row) if old else row).view(CUSTOMER)


def check_layout(value: bytes) -> int:
    """The layout of a changelog value; refuses one that this code does not read."""
    layout = int.from_bytes(value[:2], "little")
    if layout not in READABLE:
        what = "start a newer version" if layout > LAYOUT else "never released, make the customers topic anew"
        known = " and ".join(map(str, READABLE))
        raise LayoutError(f"a customer row has layout {layout}, this version reads {known}: {what}")
    return layout


BROKEN = "the bytes of a customer row are no row of the layout that they name"


OF_PERIODS = ("period_net_cents", "period_service_cents")
"""Scores that are one number for each period of the year, the running one last; no crossing holds them."""

SCORES = np.dtype(
    [
        ("risk", "<f8"),
        ("risk_ppm", "<i8"),
        ("gone_ppm", "<i8"),
        ("p_negative_ppm", "<i8"),
        ("year_cents", "<i8"),
        ("net_year_cents", "<i8"),
        ("raw_net_year_cents", "<i8"),
        ("company_cents", "<i8"),
        ("company_ppm", "<i8"),
        ("periods", "<i8"),
        ("contacts", "<i8"),
        ("contact_periods", "<i8"),
        ("year_contacts", "<i8"),
        ("revenue_year_cents", "<i8"),
        ("invested_cents", "<i8"),
        ("awaited_cents", "<i8"),
        ("fee_cover_ppm", "<i8"),
        ("forward_year_cents", "<i8"),
        ("worth_cents", "<i8"),
        ("at_risk_cents", "<i8"),
        ("savable_cents", "<i8"),
        *((name, "<i8", PERIODS) for name in OF_PERIODS),
    ]
)
"""What is concluded from a row at one time; shares and probabilities in parts per million.

``fee_cover_ppm`` is ``NEVER`` where there are no fees or no cost to cover.
"""

YEAR = (
    *("p_negative_ppm", "year_cents", "net_year_cents", "raw_net_year_cents", "company_cents", "company_ppm"),
    *("periods", "contacts", "contact_periods", "year_contacts", "revenue_year_cents", "invested_cents"),
    *("awaited_cents", "fee_cover_ppm"),
)
"""Scores that read nothing but the year's money and contacts."""

COUNTED = ("p_negative_ppm", "periods", "contacts", "contact_periods", "year_contacts")
"""Those of them that four bytes hold."""

MEMO = np.dtype(
    [
        *((name, "<i8") for name in YEAR if name not in COUNTED),
        ("odds", "<f8"),
        ("leaving", "<f8"),
        ("filter", "<f8"),
        *((name, "<i4") for name in COUNTED),
        ("until_day", "<i4"),
        ("net_bin", "<i2"),
        ("faultless_bin", "<i2"),
        ("calm", "u1"),
        ("spare", "u1", 3),
    ]
)
"""What was concluded of a row, kept beside it so that it need not be computed again; blank is always right.

``until_day`` is the end of the period for which the year is known; 0 for none. ``filter`` is the log-odds of the
alive filter's risk at these ``odds`` and this hazard; at a hazard of 0 it is not known. The bins are those of the
year on both whale curves, and one more, 0 for none; ``calm`` is one of ``kernels.calm``.
"""

CROSSING = np.dtype(
    [
        ("slot", "<i8"),
        ("now_ms", "<i8"),
        ("trigger_digest", "<u8"),
        ("trigger_kind", "<u1"),
        ("machine", "<u1"),
        ("change", "<u1"),
        ("moment", "<u1"),
        ("before", "<u1"),
        ("after", "<u1"),
        ("episode", "<u4"),
        ("number", "<u4"),
        *((name, "<f8" if name == "risk" else "<i8") for name in SCORES.names or () if name not in OF_PERIODS),
    ]
)
"""One border crossed: which customer (slot), which machine, what changed, and the scores at that time."""
