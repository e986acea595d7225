"""Payloads become rows and pairs, just as ``schemas.codec`` would read them; whatever is odd is left to it.

Fast is never a second opinion: a record is accepted here only when the codec would accept it with the same values,
and each doubt (JSON, nested values, anything to refuse) ends in ``Verdict.ODD``.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels._jit import allocating, kernel
from kernels.digest import murmur2
from kernels.letters import byte, plain, same
from kernels.scalars import INTEGER, NIL, ODD, REAL, TEXT, TRUTH, big_endian, scalar, text_at
from kernels.shapes import Records, Row
from kernels.words import Places, find
from schemas.codes import Answer, Kind
from schemas.events import MAX_BYTES, MAX_FIELDS, PPM, Type
from schemas.lexicon import FIELD_COUNT, NAME, NAME_COUNT, NOBODY, Lexicon
from schemas.waiting import NONE, TEXT_LENGTH, TEXT_SHIFT, Pool, Verdict

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]

MOST_STRANGERS: Final = 16
"""Unknown fields whose names are compared here; the codec has to look for one sent twice among more."""

TS_MS: Final = NAME["ts_ms"]
KIND: Final = NAME["kind"]
CUSTOMER: Final = NAME["customer_id"]
NO: Final = int(Answer.NO)
PROGRESS: Final = int(Kind.PROGRESS)
TYPE_TEXT: Final = int(Type.TEXT)
TYPE_INTEGER: Final = int(Type.INTEGER)
TYPE_BOOLEAN: Final = int(Type.BOOLEAN)
TYPE_CODE: Final = int(Type.CODE)
ACCEPTED: Final = int(Verdict.ACCEPTED)
STRANGE: Final = int(Verdict.ODD)
KNOWN: Final = int(Verdict.KNOWN)
FAILED: Final = -1


@kernel
def _read(
    buffer: Bytes,
    at: int,
    end: int,
    letters: Bytes,
    words: Records,
    places: Places,
    sent: Numbers,
    strangers: Numbers,
) -> int:
    """Read a map of scalars; return how many of its fields are known, or ``FAILED``.

    sent       (MAX_FIELDS, 4) out: name, what it is, number and length of each known field, in the order sent
    strangers  (MOST_STRANGERS, 2) scratch: where the unknown names stand
    """
    lead = byte(buffer, at)
    if 0x80 <= lead < 0x90:
        fields = lead - 0x80
        at += 1
    elif lead == 0xDE and at + 3 <= end:
        fields = big_endian(buffer, at + 1, 2)
        at += 3
    else:
        return FAILED
    if fields > MAX_FIELDS:
        return FAILED
    seen = known = strange = 0
    for _ in range(fields):
        start, size = text_at(buffer, at, end)
        if size < 0:
            return FAILED
        name = find(letters, words, places, 0, buffer, start, size)
        what, number, length, at = scalar(buffer, start + size, end)
        if what == ODD:
            return FAILED
        if name != NOBODY:
            if (seen >> name) & 1:
                return FAILED
            seen |= 1 << name
            sent[known, 0] = name
            sent[known, 1] = what
            sent[known, 2] = number
            sent[known, 3] = length
            known += 1
            continue
        if strange == MOST_STRANGERS or not plain(buffer, start, size):
            return FAILED
        for k in range(strange):
            if strangers[k, 1] == size and same(buffer, start, buffer, strangers[k, 0], size):
                return FAILED
        strangers[strange, 0] = start
        strangers[strange, 1] = size
        strange += 1
    return known if at == end else FAILED


@kernel
def _value(limit: Row, what: int, number: int, length: int) -> tuple[bool, int]:
    """Whether a value is lawful in a field that is no code, and what its column keeps of it."""
    low, high = int(limit["low"]), int(limit["high"])
    if limit["type"] == TYPE_TEXT:
        return what == TEXT and low <= length <= high, (number << TEXT_SHIFT) | length
    if limit["type"] == TYPE_INTEGER:
        return what == INTEGER and low <= number <= high and number != limit["absent"], number
    if limit["type"] == TYPE_BOOLEAN:
        return what == TRUTH, NO + number
    if what == INTEGER:
        lawful = low <= number <= high
        return lawful, number * PPM if lawful else 0
    real = float(np.int64(number).view(np.float64))
    lawful = what == REAL and low <= real <= high
    return lawful, int(np.rint(real * PPM)) if lawful else 0


@kernel
def _together(only: Records, at_most: Records, kind: int, found: Numbers) -> bool:
    """What one field alone cannot say."""
    for k in range(only.size):
        limit = only[k]
        if limit["kind"] == kind:
            value = found[limit["name"]]
            if not (0 <= value < 63 and (limit["values"] >> value) & 1):
                return False
    for k in range(at_most.size):
        limit = at_most[k]
        if limit["kind"] == kind and found[limit["name"]] > found[limit["other"]]:
            return False
    return True


@kernel
def _kind(buffer: Bytes, letters: Bytes, words: Records, places: Places, known: int, sent: Numbers) -> int:
    """The kind that was sent, or ``NOBODY``."""
    for k in range(known):
        if sent[k, 0] == KIND and sent[k, 1] == TEXT:
            return find(letters, words, places, 1 + KIND, buffer, sent[k, 2], sent[k, 3])
    return NOBODY


@kernel
def _accept(
    buffer: Bytes,
    letters: Bytes,
    words: Records,
    places: Places,
    limits: Records,
    allowed: int,
    known: int,
    sent: Numbers,
    found: Numbers,
    fields: Bytes,
    values: Numbers,
    pair: int,
) -> tuple[int, int]:
    """Write the pairs of the allowed fields from ``pair`` on; return their set and where the next pair goes.

    ``FAILED`` twice if one's value is not lawful. ``found`` then holds the value of each name in the set.
    """
    present = 0
    for k in range(known):
        name, what = sent[k, 0], sent[k, 1]
        if what == NIL or not (allowed >> name) & 1:
            continue
        limit = limits[name]
        if limit["type"] == TYPE_CODE:
            value = NOBODY
            if what == TEXT:
                value = find(letters, words, places, 1 + name, buffer, sent[k, 2], sent[k, 3])
            lawful = value != NOBODY
        else:
            lawful, value = _value(limit, what, sent[k, 2], sent[k, 3])
        if not lawful:
            return FAILED, FAILED
        present |= 1 << name
        found[name] = value
        if name < FIELD_COUNT:
            fields[pair] = name
            values[pair] = value
            pair += 1
    return present, pair


@kernel
def settle(row: Row, buffer: Bytes, customer: int, partitions: int, key: int, key_length: int) -> None:
    """Give an event its ledger partition, and say whether its record had another key than its customer.

    customer, key  where the two texts stand; progress has no customer (0) and is for all partitions
    """
    row["partition"] = 0
    row["rekeyed"] = 0
    if row["kind"] == PROGRESS:
        return
    start, length = customer >> TEXT_SHIFT, customer & TEXT_LENGTH
    row["partition"] = murmur2(buffer, start, length) % partitions
    row["rekeyed"] = 0 if key_length == length and same(buffer, key, buffer, start, length) else 1


@allocating
def decode(
    pool: Pool,
    offsets: Numbers,
    starts: Numbers,
    lengths: Numbers,
    key_starts: Numbers,
    key_lengths: Numbers,
    shift: int,
    at: int,
    pair: int,
    lexicon: Lexicon,
    topics: int,
    partitions: int,
    source: int,
    last_offset: int,
) -> int:
    """Read a ``Sheaf`` whose letters stand in the pool's from ``shift`` on; return the next free pair.

    Row ``at + i`` is record ``i``, with its verdict; the pool has room for as many rows and a pair
    for every three letters. ``topics`` is the set of those whose events may stand there, as in ``kinds`` of the
    lexicon. Records up to ``last_offset`` are known.
    """
    rows, fields, values, buffer = pool
    letters, words, places, limits, kinds, only, at_most = lexicon
    sent, strangers = np.zeros((MAX_FIELDS, 4), np.int64), np.zeros((MOST_STRANGERS, 2), np.int64)
    found = np.zeros(NAME_COUNT, np.int64)
    for i in range(offsets.size):
        row = rows[at + i]
        row["offset"] = offsets[i]
        row["source"] = source
        row["next"] = NONE
        row["verdict"] = STRANGE
        row["count"] = 0
        if offsets[i] <= last_offset:
            row["verdict"] = KNOWN
            continue
        last_offset = offsets[i]
        start, length = starts[i] + shift, lengths[i]
        if length <= 0 or length > MAX_BYTES:
            continue
        assert start >= 0
        assert start + length <= buffer.size
        known = _read(buffer, start, start + length, letters, words, places, sent, strangers)
        if known == FAILED:
            continue
        kind = _kind(buffer, letters, words, places, known, sent)
        if kind == NOBODY or not kinds[kind]["topics"] & topics:
            continue
        allowed, needed = int(kinds[kind]["allowed"]), int(kinds[kind]["needed"])
        present, end = _accept(
            buffer, letters, words, places, limits, allowed, known, sent, found, fields, values, pair
        )
        if end == FAILED or present & needed != needed or not _together(only, at_most, kind, found):
            continue
        row["verdict"] = ACCEPTED
        row["ts_ms"] = found[TS_MS]
        row["kind"] = kind
        row["first"] = pair
        row["count"] = end - pair
        row["present"] = present & ((1 << FIELD_COUNT) - 1)
        key = key_starts[i] + shift
        assert key >= 0
        assert key_lengths[i] <= buffer.size - key
        settle(row, buffer, found[CUSTOMER], partitions, key, key_lengths[i])
        pair = end
    return pair
