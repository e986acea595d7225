"""What a fetch brought, as it came: the bytes of its records, found by a kernel, instead of an object a record.

aiokafka unpacks the record sets it has fetched into one object a record, which costs more than all that we do with
them. For topics whose reader asks for it, this stands in its place: one ``Sheaf`` a fetch and partition. Which
batches count is asked of aiokafka (aborted transactions, control records, checksums, the position behind), and
where anything is not as expected, its own records are handed out.
"""

import struct
from collections.abc import Collection, Iterator
from types import FunctionType, MethodType
from typing import Any

import numpy as np
from aiokafka import codec
from aiokafka.consumer import fetcher
from numpy.typing import NDArray

from kernels.walk import FAILED, LEAST_RECORD, walk
from schemas.waiting import Sheaf

_HEAD = struct.Struct(">qii")
_COUNT = struct.Struct(">i")
LENGTH_AT, MAGIC_AT, COUNT_AT, BODY_AT = 8, 16, 57, 61
OUTSIDE_LENGTH = 12
"""A batch's length leaves out its base offset and itself."""

INFLATE = {1: codec.gzip_decode, 2: codec.snappy_decode, 3: codec.lz4_decode, 4: codec.zstd_decode}


class KeptRecords:
    """aiokafka's ``MemoryRecords`` that still knows its bytes."""

    __slots__ = ("_inner", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._inner = fetcher.MemoryRecords(raw)

    def size_in_bytes(self) -> int:
        """As aiokafka's."""
        return int(self._inner.size_in_bytes())

    def has_next(self) -> bool:
        """As aiokafka's."""
        return bool(self._inner.has_next())

    def next_batch(self) -> Any:
        """As aiokafka's."""
        return self._inner.next_batch()


class _OddError(Exception):
    """Something that aiokafka shall judge."""


class WholeRecords(fetcher.PartitionRecords):
    """Hands out one sheaf with all records, or aiokafka's records one by one."""

    _records: Any
    _aborted_transactions: list[Any]
    _aborted_producers: set[int]

    def _unpack_records(self) -> Iterator[Any]:
        raw, aborted = self._records.raw, list(self._aborted_transactions)
        try:
            sheaf, after = self._sheaf(raw)
        except Exception:  # whatever it was: aiokafka says what it is
            self._records = KeptRecords(raw)
            self._aborted_transactions, self._aborted_producers = aborted, set()
            yield from super()._unpack_records()
            return
        self.next_fetch_offset = after
        if sheaf.offsets.size:
            yield sheaf

    def _sheaf(self, raw: bytes) -> tuple[Sheaf, int]:
        """All records, and the offset behind them; raises if anything is odd."""
        bounds: list[tuple[int, int, int, int, int]] = []
        bodies: list[bytes] = []
        at, after, inflated = 0, self.next_fetch_offset, 0
        while self._records.has_next():
            batch = self._records.next_batch()
            start, end = at, at + OUTSIDE_LENGTH + _COUNT.unpack_from(raw, at + LENGTH_AT)[0]
            at = end
            if end < start + BODY_AT or raw[start + MAGIC_AT] != 2:
                raise _OddError("a batch of an older format")
            if self._counts(batch):
                (count,) = _COUNT.unpack_from(raw, start + COUNT_AT)
                if batch.compression_type:
                    body = INFLATE[batch.compression_type](raw[start + BODY_AT : end])
                else:
                    body = raw[start + BODY_AT : end]
                if not 0 <= count <= len(body) // LEAST_RECORD:
                    raise _OddError("more records than fit")
                bodies.append(body)
                bounds.append((inflated, inflated + len(body), batch.base_offset, count, after))
                inflated += len(body)
            after = batch.next_offset
        letters = np.frombuffer(b"".join(bodies), np.uint8)
        return _walked(letters, np.array(bounds, np.int64).reshape(-1, 5)), after

    def _counts(self, batch: Any) -> bool:
        """Whether a batch's records are to be read, in the words of aiokafka's ``_unpack_records``."""
        if self._check_crcs and not batch.validate_crc():
            raise _OddError("a wrong checksum")
        if self._isolation_level == fetcher.READ_COMMITTED and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            if batch.is_transactional and batch.producer_id in self._aborted_producers:
                return False
        return not batch.is_control_batch


def _walked(letters: NDArray[np.uint8], bounds: NDArray[np.int64]) -> Sheaf:
    columns = [np.zeros(int(bounds[:, 3].sum()), np.int64) for _ in range(5)]
    n = walk(letters, bounds, *columns)
    if n == FAILED:
        raise _OddError("records that do not fit their batch")
    return Sheaf(letters, *(column[:n] for column in columns))


def keep_whole(consumer: Any, topics: Collection[str]) -> None:
    """Let a started consumer hand out sheaves for these topics, from its next fetch on; all others as before."""
    target = consumer._fetcher
    if "_proc_fetch_request" in vars(target):
        return
    theirs = fetcher.Fetcher._proc_fetch_request

    def records_of(tp: Any, *rest: Any) -> Any:
        return (WholeRecords if tp.topic in topics else fetcher.PartitionRecords)(tp, *rest)

    # The function is aiokafka's own, with two other names in its view: no one else's consumer is touched.
    seen = {**theirs.__globals__, "MemoryRecords": KeptRecords, "PartitionRecords": records_of}
    ours = FunctionType(theirs.__code__, seen, theirs.__name__, theirs.__defaults__, theirs.__closure__)
    target._proc_fetch_request = MethodType(ours, target)
