"""Take a ledger block apart into events: every number checked, every text a digest, in one reading."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels._jit import kernel, unrolled
from kernels.digest import xxh64
from kernels.letters import Bytes, byte, copy, little_endian, put
from kernels.shapes import Records
from schemas.block import BLANK_EVENT, EVENT, FIELD_SHAPES
from schemas.codes import FIRST_PURCHASE_KIND
from schemas.events import FIELDS, TEXT_MAX

Numbers = NDArray[np.int64]

_NAMES: Final = [one.name for one in FIELDS]
TS: Final = _NAMES.index("ts_ms")
KIND: Final = _NAMES.index("kind")
CUSTOMER: Final = _NAMES.index("customer_id")
IDENTITY: Final = _NAMES.index("event_id")
CASE: Final = _NAMES.index("case_id")
FAULT: Final = _NAMES.index("fault_id")
NEEDED: Final = 1 << TS | 1 << KIND | 1 << CUSTOMER | 1 << IDENTITY
EVENT_BYTES: Final = EVENT.itemsize
AT_SOURCE: Final = int(EVENT.fields["source"][1])  # type: ignore[index]
AT_OFFSET: Final = int(EVENT.fields["offset"][1])  # type: ignore[index]
AT_KIND: Final = int(FIELD_SHAPES[KIND]["at"])
AT_IDENTITY: Final = int(FIELD_SHAPES[IDENTITY]["at"])
AT_CASE: Final = int(FIELD_SHAPES[CASE]["at"])
AT_FAULT: Final = int(FIELD_SHAPES[FAULT]["at"])
PURCHASE: Final = ord("p")
SUPPORT: Final = ord("s")
IDENTITY_BYTES: Final = 2 * TEXT_MAX + 2
BLANK: Final = np.frombuffer(BLANK_EVENT.tobytes(), np.uint8)


@kernel
def _put_column(out: Bytes, at: int, number: int, width: int) -> None:
    """``put`` for the three widths that columns have."""
    if width == 8:
        put(out, at, number, 8)
    elif width == 4:
        put(out, at, number, 4)
    else:
        put(out, at, number, 1)


@kernel
def _bits(number: int) -> int:
    """The signed number of the same 64 bits."""
    return int(np.uint64(number).view(np.int64))


@unrolled
def _signed(raw: Bytes, at: int, width: int, signed: int) -> int:
    """The number in 1, 4 or 8 bytes."""
    if width == 8:
        return _bits(little_endian(raw, at, 8))
    if width == 1:
        return byte(raw, at)
    number = int(np.int64(little_endian(raw, at, 4)))
    return number - (1 << 32) if signed and number >= 1 << 31 else number


@kernel
def _texts(
    raw: Bytes, at: int, text_bytes: int, starts: Numbers, lengths: Numbers, digests: NDArray[np.uint64]
) -> bool:  # fmt: skip
    """Find where each text stands, and its digest; say whether their lengths are sound."""
    start = at + 2 * lengths.size
    begin = start
    for one in range(lengths.size):
        length = int(np.int64(little_endian(raw, at + 2 * one, 2)))
        if length > TEXT_MAX or start + length > begin + text_bytes:
            return False
        starts[one], lengths[one] = start, length
        digests[one] = xxh64(raw, start, length, int(np.uint64(0))) if length > 0 else np.uint64(0)
        start += length
    return start == begin + text_bytes and lengths[0] == 0


@kernel
def take_apart(
    raw: Bytes, at: int, text_bytes: int, present: int,
    shapes: Records, firsts: Numbers, sources: Numbers,
    starts: Numbers, lengths: Numbers, digests: NDArray[np.uint64], told: NDArray[np.uint8],
    customer: NDArray[np.uint32], scratch: Bytes, out: Bytes,
) -> bool:  # fmt: skip
    """Write a block's events; say whether it was sound. Where not, ``schemas.block.decode`` says what is wrong.

    raw       the block; its columns begin at ``at``, its length is as its head says
    present   the set of the fields that have a column
    firsts    (sources of the block,) their first offsets; ``sources`` their numbers in the events
    starts, lengths, digests  (texts,) out: where each text stands in ``raw``, and its XXH64 (0 for none)
    told      (texts,) out: 1 where a text is one whose name is kept
    customer  (n,) out: which text is the event's customer
    scratch   (``IDENTITY_BYTES``,)
    out       (n x ``EVENT_BYTES``,) the events, blank before
    """
    n = customer.size
    if present & NEEDED != NEEDED:
        return False
    columns = at + 5 * n
    end = columns
    for field in range(shapes.size):
        if present >> field & 1:
            end += n * int(shapes[field]["width"])
    if not _texts(raw, end, text_bytes, starts, lengths, digests):
        return False
    for i in range(n):
        source = byte(raw, at + i)
        if source >= firsts.size:
            return False
        offset = int(np.int64(firsts[source])) + int(np.int64(little_endian(raw, at + n + 4 * i, 4)))
        place = i * EVENT_BYTES
        copy(BLANK, 0, out, place, EVENT_BYTES)
        put(out, place + AT_SOURCE, sources[source], 2)
        put(out, place + AT_OFFSET, offset, 8)
    told[:] = 0
    begin = columns
    for field in range(shapes.size):
        if present >> field & 1 == 0:
            continue
        width, to = int(shapes[field]["width"]), int(shapes[field]["at"])
        needed = NEEDED >> field & 1 == 1
        if shapes[field]["text"]:
            for i in range(n):
                text = int(np.int64(little_endian(raw, begin + 4 * i, 4)))
                if text >= digests.size or (needed and text == 0):
                    return False
                put(out, i * EVENT_BYTES + to, _bits(digests[text]), 8)
                if field == CUSTOMER:
                    customer[i] = text
                if shapes[field]["everywhere"]:
                    told[text] = 1
        else:
            absent, low, high = int(shapes[field]["absent"]), int(shapes[field]["low"]), int(shapes[field]["high"])
            for i in range(n):
                number = _signed(raw, begin + width * i, width, int(shapes[field]["signed"]))
                if number == absent:
                    if needed:
                        return False
                elif number < low or number > high:
                    return False
                _put_column(out, i * EVENT_BYTES + to, number, width)
        begin += n * width
    _tell_named(raw, columns, n, present, shapes, told, out)
    _identify(raw, columns, present, shapes, starts, lengths, customer, scratch, out)
    return True


@kernel
def _column(columns: int, n: int, present: int, shapes: Records, wanted: int) -> int:
    """Where a field's column begins."""
    begin = columns
    for field in range(wanted):
        if present >> field & 1:
            begin += n * int(shapes[field]["width"])
    return begin


@kernel
def _tell_named(
    raw: Bytes, columns: int, n: int, present: int, shapes: Records, told: NDArray[np.uint8], out: Bytes
) -> None:
    """Mark the texts by which a case or a known fault may be named."""
    for field in range(shapes.size):
        if not (shapes[field]["named"] and present >> field & 1):
            continue
        begin = _column(columns, n, present, shapes, field)
        for i in range(n):
            of_case = little_endian(out, i * EVENT_BYTES + AT_CASE, 8) != 0
            if of_case or little_endian(out, i * EVENT_BYTES + AT_FAULT, 8) != 0:
                told[np.int64(little_endian(raw, begin + 4 * i, 4))] = 1


@kernel
def _identify(
    raw: Bytes, columns: int, present: int, shapes: Records, starts: Numbers, lengths: Numbers,
    customer: NDArray[np.uint32], scratch: Bytes, out: Bytes,
) -> None:  # fmt: skip
    """XXH64 of stream byte, customer id, a zero byte and event id: what makes an event the same event."""
    begin = _column(columns, customer.size, present, shapes, IDENTITY)
    for i in range(customer.size):
        place = i * EVENT_BYTES
        scratch[0] = PURCHASE if byte(out, place + AT_KIND) >= FIRST_PURCHASE_KIND else SUPPORT
        who, what = int(customer[i]), int(np.int64(little_endian(raw, begin + 4 * i, 4)))
        copy(raw, starts[who], scratch, 1, lengths[who])
        at = 1 + int(lengths[who])
        scratch[at] = 0
        copy(raw, starts[what], scratch, at + 1, lengths[what])
        at += 1 + int(lengths[what])
        put(out, place + AT_IDENTITY, _bits(xxh64(scratch, 0, at, int(np.uint64(0)))), 8)
