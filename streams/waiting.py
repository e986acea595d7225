"""The events that were consumed and not yet written, as numbers in arrays: read, kept in order, made into blocks.

What is plain msgpack never becomes a Python object between a fetch and its block.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import blocks, merge
from kernels.decode import decode as decode_sheaf
from kernels.decode import settle
from kernels.words import enter
from schemas.block import COLUMNS, MAX_BLOCK_BYTES, MAX_EVENTS, BlockError, Source, head
from schemas.codec import Reject, decode
from schemas.events import Event
from schemas.lexicon import NAME, PURCHASES, SUPPORT, Lexicon, lexicon
from schemas.waiting import NEVER, NONE, QUEUE, ROW, TEXT_SHIFT, Pool, Sheaf, Verdict

EVENT_BYTES_MAX = 1_280
"""No accepted event takes more room in a block than this, so a block's size follows from its count."""
BLOCK_EVENTS = min(MAX_EVENTS, MAX_BLOCK_BYTES // EVENT_BYTES_MAX)

LEAST_ROWS, LEAST_PAIRS, LEAST_LETTERS = 1_024, 16_384, 131_072
FIELD_BYTES = 3
"""The least that a field takes on the wire: a name of one letter and a value of one byte."""


def sheaf_of(records: Sequence[tuple[int, bytes | None, bytes | None]]) -> Sheaf:
    """Records of one source partition, each an offset, a key and a value."""
    n = len(records)
    lengths = np.array(
        [[NONE if one is None else len(one) for one in record[1:]] for record in records], np.int64
    ).reshape(n, 2)
    sizes = np.maximum(lengths, 0).reshape(-1)
    starts = (np.cumsum(sizes) - sizes).reshape(n, 2)
    letters = np.frombuffer(b"".join(one for record in records for one in record[1:] if one), np.uint8)
    offsets = np.array([record[0] for record in records], np.int64)
    key_starts, value_starts = np.ascontiguousarray(starts.T)
    key_lengths, value_lengths = np.ascontiguousarray(lengths.T)
    return Sheaf(letters, offsets, value_starts, value_lengths, key_starts, key_lengths)


def _pool(rows: int, pairs: int, letters: int) -> Pool:
    return Pool(
        np.zeros(max(rows, LEAST_ROWS), ROW),
        np.zeros(max(pairs, LEAST_PAIRS), np.uint8),
        np.zeros(max(pairs, LEAST_PAIRS), np.int64),
        np.zeros(max(letters, LEAST_LETTERS), np.uint8),
    )


_NO_POOL = Pool(np.zeros(0, ROW), np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.uint8))
"""Where nothing waits."""
_NEW_QUEUE = np.array(tuple(0 if name == "waiting" else NEVER for name in QUEUE.names or ()), QUEUE)


@cache
def _lexicon(currency: str) -> Lexicon:
    """The tables of this currency, complete; they are only read, so all who read events share them."""
    found = lexicon(currency)
    enter(found)
    return found


class Waiting:
    """The queues of a worker's source partitions, and the rows, pairs and texts of all of them.

    ``queues`` holds a ``QUEUE`` for each of the ``sources``, in their order.
    """

    def __init__(
        self,
        sources: Iterable[Source],
        partitions: int,
        *,
        currency: str = "USD",
        by_source: bool = False,
        grace_ms: int = 0,
    ) -> None:
        self.sources = tuple(dict.fromkeys(sources))
        self.index = {source: at for at, source in enumerate(self.sources)}
        self.queues = np.full(len(self.sources), _NEW_QUEUE)
        self.progress = np.zeros(len(self.sources), np.int64)
        self._partitions, self._currency = partitions, currency
        self._by_source, self._grace_ms = by_source, grace_ms
        self._lexicon = _lexicon(currency)
        self._pool = _NO_POOL
        self._rows = self._pairs = self._letters = 0
        self._out = np.zeros(0, np.uint8)

    # ---------------------------------------------------------------- in

    def add(self, source: Source, purchases: bool, sheaf: Sheaf) -> tuple[list[tuple[int, Reject]], int]:
        """Queue the events of a sheaf; return what is none, by its place in it, and how many were re-keyed."""
        queue = self.index[source]
        last_offset = int(self.queues[queue]["last_offset"])
        first, refused = self.read(sheaf, PURCHASES if purchases else SUPPORT, queue, last_offset)
        rekeyed = merge.enqueue(self._pool.rows, first, first + sheaf.offsets.size, self.queues, queue)
        return refused, int(rekeyed)

    def read(
        self, sheaf: Sheaf, topics: int, queue: int = 0, last_offset: int = NEVER, spare: int = 0
    ) -> tuple[int, list[tuple[int, Reject]]]:
        """Read a sheaf into rows, which are in no queue yet, and leave so many ``spare`` ones behind them.

        Return the first of the rows, and what is no event of these ``topics`` (a set, as in ``schemas.lexicon``).
        The rows hold until more is read.
        """
        n = sheaf.offsets.size
        # Texts that the codec had to unescape are written anew: they take no more room than they did.
        self._make_room(n + spare, sheaf.letters.size // FIELD_BYTES + 1, 2 * sheaf.letters.size)
        shift, first = self._letters, self._rows
        self._pool.letters[shift : shift + sheaf.letters.size] = sheaf.letters
        self._letters += sheaf.letters.size
        self._pairs = decode_sheaf(
            *(self._pool, *sheaf[1:], shift, first, self._pairs, self._lexicon),
            *(topics, self._partitions, queue, last_offset),
        )
        purchases = None if topics == SUPPORT | PURCHASES else topics == PURCHASES
        refused = []
        for at in np.flatnonzero(self._pool.rows["verdict"][first : first + n] == Verdict.ODD).tolist():
            found = decode(sheaf.value(at), purchases=purchases, currency=self._currency)
            if isinstance(found, Reject):
                self._pool.rows[first + at]["verdict"] = Verdict.REFUSED
                refused.append((at, found))
            else:
                customer = self._write(first + at, found)
                key, length = int(sheaf.key_starts[at]) + shift, int(sheaf.key_lengths[at])
                settle(self._pool.rows[first + at], self._pool.letters, customer, self._partitions, key, length)
        self._rows += n + spare
        return first, refused

    def queue_hour(self, first: int, end: int, newest_ms: int, before_ms: int) -> tuple[int, int]:
        """Queue rows of a file's two streams until one is the first of its hour (``merge.enqueue_hour``)."""
        at, newest_ms = merge.enqueue_hour(self._pool.rows, first, end, self.queues, newest_ms, before_ms)
        return int(at), int(newest_ms)

    def late(self, first: int, end: int, newest_ms: int, before_ms: int) -> int:
        """How many events among rows are of an hour that was over: one before them, or ``newest_ms``, is later."""
        rows = self._pool.rows[first:end]
        ts_ms = rows["ts_ms"][(rows["verdict"] == Verdict.ACCEPTED) & (rows["ts_ms"] < before_ms)]
        reached = np.maximum(np.maximum.accumulate(ts_ms), newest_ms)
        return int(np.count_nonzero(ts_ms // merge.HOUR_MS < reached // merge.HOUR_MS))

    def promise(self, at: int, ts_ms: int, offset: int) -> None:
        """Let every source say that it has come so far, in spare rows from ``at`` on."""
        merge.promise(self._pool.rows, at, self.queues, ts_ms, offset)

    def _write(self, at: int, event: Event) -> int:
        """Fill a row from what the codec made of its bytes; return where its customer stands, 0 for nobody."""
        numbers = {NAME[name]: number for name, number in event.numbers.items()}
        texts = {NAME[name]: text.encode() for name, text in event.texts.items()}
        for name, text in texts.items():
            self._pool.letters[self._letters : self._letters + len(text)] = np.frombuffer(text, np.uint8)
            numbers[name] = self._letters << TEXT_SHIFT | len(text)
            self._letters += len(text)
        end = self._pairs + len(numbers)
        self._pool.fields[self._pairs : end] = list(numbers)
        self._pool.values[self._pairs : end] = list(numbers.values())
        row: Any = self._pool.rows[at]
        row["ts_ms"], row["kind"], row["verdict"] = event.ts_ms, event.kind, Verdict.ACCEPTED
        row["first"], row["count"], row["present"] = self._pairs, len(numbers), sum(1 << one for one in numbers)
        self._pairs = end
        return numbers.get(NAME["customer_id"], 0)

    def _make_room(self, rows: int, pairs: int, letters: int) -> None:
        """Let so many more fit; where they do not, what is still waiting moves to a pool twice its size."""
        waiting = int(self.queues["waiting"].sum())
        if waiting == 0:
            self._rows = self._pairs = self._letters = 0
        pool = self._pool
        if (
            self._rows + rows <= pool.rows.size
            and self._pairs + pairs <= pool.fields.size
            and self._letters + letters <= pool.letters.size
        ):
            return
        live_pairs, live_letters = blocks.measure(pool, self.queues)
        self._pool = _pool(2 * (waiting + rows), 2 * (live_pairs + pairs), 2 * (live_letters + letters))
        self._rows, self._pairs, self._letters = blocks.move(pool, self.queues, COLUMNS, self._pool)

    # ---------------------------------------------------------------- out

    def merge(
        self, most: int, now_ms: int, not_after_ms: int, reported_hour: int
    ) -> tuple[NDArray[np.int64], bool]:
        """Take at most so many events that have their order; also say whether it ended because a report is due."""
        picked = np.zeros(min(most, int(self.queues["waiting"].sum())), np.int64)
        count, why = merge.merge(
            *(self._pool, self.queues, self._by_source, now_ms, not_after_ms, self._grace_ms, reported_hour),
            *(self.progress, picked),
        )
        return picked[:count], why == merge.REPORT

    def report_due(self, now_ms: int, reported_hour: int) -> bool:
        """Whether it is worth saying how far the sources have come by now; ``progress`` tells it."""
        merge.come_so_far(
            *(self._pool.rows, self.queues, self._by_source, now_ms, self._grace_ms, merge.FOREVER),
            self.progress,
        )
        return bool(self.queues.size) and bool(merge.due(self.queues, self.progress, reported_hour))

    def done(self) -> dict[Source, int]:
        """The source offsets up to which all is done with the batch that ends here."""
        queues = self.queues
        some = queues["done"] != NEVER
        # Behind the last event of an empty queue there were only dead letters and progress.
        empty = some & (queues["waiting"] == 0)
        queues["done"][empty] = np.maximum(queues["done"], queues["last_offset"])[empty]
        if self._by_source:
            # Whoever owns the source next must hear its newest promise again: no other clock moves its time.
            told = queues["promise"] != NEVER
            queues["done"][told] = np.minimum(queues["done"], queues["promise"] - 1)[told]
        done = {self.sources[at]: int(queues["done"][at]) for at in np.flatnonzero(some).tolist()}
        queues["done"] = NEVER
        return done

    def blocks(self, picked: NDArray[np.int64]) -> list[tuple[int, bytes]]:
        """The rows as blocks of their ledger partitions: full ones as they fill, then the others by partition.

        The rows must be those of the last ``merge``, before anything else is added.
        """
        starts, order = np.zeros(self._partitions + 1, np.int64), np.zeros(picked.size, np.int64)
        blocks.spread(self._pool.rows, picked, starts, order)
        found = []
        for partition in np.flatnonzero(np.diff(starts)).tolist():
            last = int(starts[partition + 1])
            for start in range(int(starts[partition]), last, BLOCK_EVENTS):
                end = min(start + BLOCK_EVENTS, last)
                filled = int(order[end - 1]) if end - start == BLOCK_EVENTS else picked.size
                found.append((filled, partition, start, end))
        found.sort()
        values = self._encode(picked, order, [one[2:] for one in found])
        return [(partition, value) for (_, partition, _, _), value in zip(found, values, strict=True)]

    def _encode(
        self, picked: NDArray[np.int64], order: NDArray[np.int64], bounds: list[tuple[int, int]]
    ) -> Iterator[bytes]:
        if not bounds:
            return
        firsts = np.zeros((len(bounds), len(self.sources), 2), np.int64)
        told = np.zeros((len(bounds), 7), np.int64)
        if self._out.size < picked.size * EVENT_BYTES_MAX:
            self._out = np.zeros(picked.size * EVENT_BYTES_MAX, np.uint8)
        blocks.encode(self._pool, picked, order, np.array(bounds), COLUMNS, firsts, self._out, told)
        for (first, last), sources, (start, end, present, count, texts, text_bytes, faulty) in zip(
            bounds, firsts.tolist(), told.tolist(), strict=True
        ):
            if faulty:
                raise BlockError(
                    "a block holds at most 255 sources, each with ascending offsets less than 2^32 apart"
                )
            named = [(self.sources[one], offset) for one, offset in sources[:count]]
            yield head(last - first, named, texts, text_bytes, present) + self._out[start:end].tobytes()
