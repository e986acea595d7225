"""Rows become the bodies of ledger blocks, byte for byte as ``schemas.block.encode_events`` writes them."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels._jit import allocating, kernel
from kernels.digest import xxh64
from kernels.letters import copy, put, same
from kernels.shapes import Records
from schemas.waiting import NONE, TEXT_LENGTH, TEXT_SHIFT, Pool

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]

START: Final = 0
END: Final = 1
PRESENT: Final = 2
SOURCES: Final = 3
TEXTS: Final = 4
TEXT_BYTES: Final = 5
FAULTY: Final = 6
"""What is told of a block: its bounds in the output, the set of its fields, how many sources and texts it has, the
bytes of its texts, and whether its sources cannot be written: over 255, or offsets of one that do not ascend."""

MOST_SOURCES: Final = 255
MASK63: Final = np.uint64(2**63 - 1)


@allocating
def spread(rows: Records, picked: Numbers, starts: Numbers, order: Numbers) -> None:
    """Sort rows by ledger partition, keeping their order within one.

    starts  (partitions + 1,) out: where each partition's begin in ``order``
    order   (picked.size,) out: places in ``picked``
    """
    starts[:] = 0
    for at in picked:
        starts[rows[at]["partition"] + 1] += 1
    for partition in range(starts.size - 1):
        starts[partition + 1] += starts[partition]
    at_end = starts.copy()
    for place in range(picked.size):
        partition = rows[picked[place]]["partition"]
        order[at_end[partition]] = place
        at_end[partition] += 1


@kernel
def _tally(pool: Pool, picked: Numbers, block: Numbers, columns: Records, told: Numbers, counts: Numbers) -> None:
    """Count what each block will hold: its fields, its events' texts by field, and their bytes."""
    rows, fields, values, _ = pool
    for place in range(picked.size):
        row, b = rows[picked[place]], block[place]
        told[b, PRESENT] |= row["present"]
        for pair in range(row["first"], row["first"] + row["count"]):
            if columns[fields[pair]]["text"]:
                counts[b, fields[pair]] += 1
                told[b, TEXT_BYTES] += values[pair] & TEXT_LENGTH


@kernel
def _lay_out(n: int, at: int, present: int, columns: Records, places: Numbers, out: Bytes) -> int:
    """Say where each column of a block of ``n`` events begins, all absent as yet; return where its texts begin."""
    at += 5 * n
    for field in range(columns.size):
        if not (present >> field) & 1:
            continue
        places[field] = at
        width, absent = int(columns[field]["width"]), int(columns[field]["absent"])
        for i in range(n):
            put(out, at + i * width, absent, width)
        at += n * width
    return at


@kernel
def _fill(
    pool: Pool,
    picked: Numbers,
    block: Numbers,
    index: Numbers,
    bounds: Numbers,
    columns: Records,
    told: Numbers,
    seats: Numbers,
    firsts: NDArray[np.int64],
    places: Numbers,
    cursors: Numbers,
    texts: Numbers,
    out: Bytes,
) -> None:
    """Write each event's source and numbers into its block, and list its texts by block and field.

    One pass in the order of ``picked``, which is nearly that of memory.
    """
    rows, fields, values, letters = pool
    for place in range(picked.size):
        row, b, i = rows[picked[place]], block[place], index[place]
        n = bounds[b, 1] - bounds[b, 0]
        seat, source = seats[b, row["source"]], int(row["source"])
        if seat == NONE:
            seat = seats[b, source] = told[b, SOURCES]
            told[b, SOURCES] += 1
            firsts[b, seat, 0] = source
            firsts[b, seat, 1] = row["offset"]
        above = row["offset"] - firsts[b, seat, 1]
        if seat >= MOST_SOURCES or above < 0 or above >> 32:
            told[b, FAULTY] = 1
        out[told[b, START] + i] = seat & 0xFF
        put(out, told[b, START] + n + 4 * i, above, 4)
        for pair in range(row["first"], row["first"] + row["count"]):
            field, value = fields[pair], values[pair]
            if columns[field]["text"]:
                at = cursors[b, field]
                cursors[b, field] += 1
                digest = xxh64(letters, value >> TEXT_SHIFT, value & TEXT_LENGTH, int(np.uint64(0)))
                texts[at, 0] = i
                texts[at, 1] = value
                texts[at, 2] = int(np.int64(np.uint64(digest) & MASK63))
            else:
                width = int(columns[field]["width"])
                put(out, places[b, field] + i * width, value, width)


@kernel
def _intern(letters: Bytes, text: Numbers, table: NDArray[np.int32], known: Numbers, count: int) -> int:
    """The number of a text among the ``known`` of its block, which is ``count`` if it is new."""
    value, digest = text[1], text[2]
    slot = digest & (table.size - 1)
    while table[slot] != NONE:
        number = int(table[slot])
        other = known[number, 0]
        if known[number, 1] == digest and other & TEXT_LENGTH == value & TEXT_LENGTH:
            if same(letters, value >> TEXT_SHIFT, letters, other >> TEXT_SHIFT, value & TEXT_LENGTH):
                return number
        slot = (slot + 1) & (table.size - 1)
    table[slot] = count
    known[count, 0] = value
    known[count, 1] = digest
    return count


@allocating
def _texts(
    letters: Bytes, counts: Numbers, first: int, texts: Numbers, places: Numbers, at: int, out: Bytes
) -> tuple[int, int]:
    """Write a block's columns of texts, and from ``at`` the texts themselves; return their number and the end.

    counts  texts by field, which stand in ``texts`` from ``first`` on: event, value, digest
    """
    total = counts.sum()
    size = 16
    while size < 2 * (total + 1):
        size *= 2
    table = np.full(size, NONE, np.int32)
    known = np.zeros((total + 1, 2), np.int64)
    count = 1  # text 0 is the empty one
    for field in range(counts.size):
        for k in range(first, first + counts[field]):
            number = _intern(letters, texts[k], table, known, count)
            count = max(count, number + 1)
            put(out, places[field] + 4 * texts[k, 0], number, 4)
        first += counts[field]
    end = at + 2 * count
    for number in range(count):
        length = known[number, 0] & TEXT_LENGTH
        put(out, at + 2 * number, length, 2)
        copy(letters, known[number, 0] >> TEXT_SHIFT, out, end, length)
        end += length
    return count, end


@allocating
def encode(
    pool: Pool,
    picked: Numbers,
    order: Numbers,
    bounds: Numbers,
    columns: Records,
    firsts: NDArray[np.int64],
    out: Bytes,
    told: Numbers,
) -> None:
    """Write blocks, each from its events' sources on.

    picked   the rows, ``order`` the places in it that block ``b`` holds from ``bounds[b, 0]`` to ``bounds[b, 1]``
    columns  ``schemas.block.COLUMN`` of each field
    firsts   (blocks, queues, 2) out: queue and first offset of each source of a block
    out      out, with room for the bytes of all events
    told     (blocks, 7) in zeros, out: see ``START`` and those behind it
    """
    size, fields = bounds.shape[0], columns.size
    block, index = np.zeros(picked.size, np.int64), np.zeros(picked.size, np.int64)
    for b in range(size):
        for k in range(bounds[b, 0], bounds[b, 1]):
            block[order[k]] = b
            index[order[k]] = k - bounds[b, 0]
    counts, places = np.zeros((size, fields), np.int64), np.zeros((size, fields), np.int64)
    _tally(pool, picked, block, columns, told, counts)
    cursors, starts, total = np.zeros((size, fields), np.int64), np.zeros(size, np.int64), 0
    end = 0
    for b in range(size):
        told[b, START] = end
        starts[b] = _lay_out(bounds[b, 1] - bounds[b, 0], end, told[b, PRESENT], columns, places[b], out)
        for field in range(fields):
            cursors[b, field] = total
            total += counts[b, field]
        end = starts[b] + 2 * (counts[b].sum() + 1) + told[b, TEXT_BYTES]
    texts, firsts_of = np.zeros((total, 3), np.int64), cursors[:, 0].copy()
    seats = np.full((size, firsts.shape[1]), NONE, np.int64)
    _fill(
        *(pool, picked, block, index, bounds, columns, told),
        *(seats, firsts, places, cursors, texts, out),
    )
    for b in range(size):
        count, end = _texts(pool.letters, counts[b], firsts_of[b], texts, places[b], starts[b], out)
        told[b, TEXTS] = count
        told[b, TEXT_BYTES] = end - starts[b] - 2 * count
        told[b, END] = end


@kernel
def measure(pool: Pool, queues: Records) -> tuple[int, int]:
    """How many pairs and letters all waiting rows have."""
    pairs = letters = 0
    for source in range(queues.size):
        queue = queues[source]
        at = queue["head"]
        for _ in range(queue["waiting"]):
            row = pool.rows[at]
            pairs += row["count"]
            for pair in range(row["first"], row["first"] + row["count"]):
                letters += pool.values[pair] & TEXT_LENGTH  # a number counts too: more room than needed
            at = row["next"]
    return pairs, letters


@kernel
def move(pool: Pool, queues: Records, columns: Records, other: Pool) -> tuple[int, int, int]:
    """Copy every waiting row with its pairs and texts to another pool; return what is used of it."""
    rows = pairs = letters = 0
    for source in range(queues.size):
        queue = queues[source]
        at = queue["head"]
        for k in range(queue["waiting"]):
            row = pool.rows[at]
            other.rows[rows] = row
            copied = other.rows[rows]
            copied["first"] = pairs
            copied["next"] = rows + 1
            if k == 0:
                queue["head"] = rows
            queue["tail"] = rows
            rows += 1
            for pair in range(row["first"], row["first"] + row["count"]):
                value = pool.values[pair]
                other.fields[pairs] = pool.fields[pair]
                if columns[pool.fields[pair]]["text"]:
                    start, length = value >> TEXT_SHIFT, value & TEXT_LENGTH
                    copy(pool.letters, start, other.letters, letters, length)
                    value = (letters << TEXT_SHIFT) | length
                    letters += length
                other.values[pairs] = value
                pairs += 1
            at = row["next"]
        if queue["waiting"] > 0:
            other.rows[queue["tail"]]["next"] = NONE
    return rows, pairs, letters
