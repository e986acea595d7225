"""``make fuzz``: hostile bytes through every kernel that reads bytes from outside.

The same bytes go through twice, in two processes: one in which numba checks every index, one in which it does not.
Reading or writing outside would raise in the first; and both must come to the same result, which is printed as one
digest. Most bytes are those of real records with a few of them changed, some are cut, some are noise.
"""

import argparse
import sys
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any
from uuid import UUID

import click
import numpy as np
from numpy.typing import NDArray

from tests.alone import printed

RUN = "from tests.fuzz import run; print(run({count}, {seed}))"
AT_ONCE = 2_000
SHARES = {"values": 0.80, "record sets": 0.12, "blocks": 0.04, "rows": 0.04}
"""How the bytes divide: a value takes a thousandth of what a block takes."""

Bytes = NDArray[np.uint8]


def harmed(clean: list[bytes], count: int, rng: np.random.Generator) -> tuple[Bytes, NDArray[np.int64]]:
    """So many of ``clean``, one behind the other, with some bytes changed; and where each ends."""
    which = rng.integers(0, len(clean), count)
    lengths = np.array([len(one) for one in clean], np.int64)[which]
    letters = np.frombuffer(b"".join(clean[one] for one in which.tolist()), np.uint8).copy()
    ends = np.cumsum(lengths)
    for _ in range(3):
        some = np.flatnonzero(rng.random(count) < 0.6)
        at = (ends - lengths)[some] + (rng.random(some.size) * lengths[some]).astype(np.int64)
        kinds = rng.integers(0, 3, some.size)
        flipped = letters[at] ^ (1 << rng.integers(0, 8, some.size)).astype(np.uint8)
        noise = rng.integers(0, 256, some.size).astype(np.uint8)
        edges = rng.choice(np.array([0x00, 0x7F, 0x80, 0xC0, 0xDC, 0xDF, 0xFF], np.uint8), some.size)
        letters[at] = np.choose(kinds, [flipped, noise, edges])
    return letters, ends


def _values(count: int, rng: np.random.Generator) -> Iterator[bytes]:
    """Payloads of events, into the kernel that decodes them."""
    from kernels.decode import decode as decode_sheaf
    from schemas.block import Source
    from schemas.codec import encode
    from streams.waiting import Waiting
    from tests.worlds import world

    clean = [encode(fields) for seed in range(3) for _, fields in world(seed, 200)]
    source = Source(UUID(int=1), 0)
    for purchases in (0, 1):
        left = count // 2
        while left > 0:
            n = min(AT_ONCE, left)
            left -= n
            letters, ends = harmed(clean, n, rng)
            starts = np.concatenate([[0], ends[:-1]])
            lengths = (ends - starts) - (rng.random(n) < 0.1) * rng.integers(0, 9, n)
            waiting = Waiting([source], 7)
            waiting._make_room(n, letters.size // 2 + 1, 2 * letters.size)
            pool: Any = waiting._pool
            pool.letters[: letters.size] = letters
            pairs = decode_sheaf(
                *(pool, np.arange(n), starts, np.maximum(lengths, -1), starts, np.clip(lengths, -1, 9)),
                *(0, 0, 0, waiting._lexicon, 1 + purchases, 7, 0, -1),
            )
            yield pool.rows[:n].tobytes() + pool.fields[:pairs].tobytes() + pool.values[:pairs].tobytes()


def _record_sets(count: int, rng: np.random.Generator) -> Iterator[bytes]:
    """Batches of records as the broker sends them, into the kernel that walks them."""
    from aiokafka.record.default_records import DefaultRecordBatchBuilder

    from kernels.walk import walk
    from schemas.codec import encode
    from streams.fetched import BODY_AT
    from tests.worlds import world

    clean = []
    for seed in range(40):
        builder = DefaultRecordBatchBuilder(
            magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1,
            base_sequence=-1, batch_size=10**6,
        )  # fmt: skip
        for at, (_, fields) in enumerate(world(seed, 1 + seed % 6)):
            builder.append(at, 10**12 + at, b"k%d" % at, encode(fields), [("h", b"v")] * (seed % 3))
        clean.append(bytes(builder.build())[BODY_AT:])
    while count > 0:
        n = min(AT_ONCE, count)
        count -= n
        letters, ends = harmed(clean, n, rng)
        starts = np.concatenate([[0], ends[:-1]])
        said = rng.integers(1, 8, n)
        told = blake2b(digest_size=16)
        for start, end, records in zip(starts.tolist(), ends.tolist(), said.tolist(), strict=True):
            columns = [np.zeros(records, np.int64) for _ in range(5)]
            found = walk(letters, np.array([[start, end, 0, records, 0]]), *columns)
            told.update(b"%d" % found)
            if found > 0:
                told.update(b"".join(column[:found].tobytes() for column in columns))
        yield told.digest()


def _blocks(count: int, rng: np.random.Generator) -> Iterator[bytes]:
    """Blocks of the ledger, into the kernel that takes them apart."""
    from schemas.block import BlockError, Source, Sourced, encode_events
    from schemas.codec import decode, encode
    from schemas.events import Event
    from streams.opened import open_block
    from tests.worlds import world

    clean = []
    for seed in range(8):
        sent = []
        for at, (topic, fields) in enumerate(world(seed, 12)):
            event = decode(encode(fields), purchases=topic == "purchases")
            assert isinstance(event, Event)
            sent.append(Sourced(Source(UUID(int=1), at % 3), at, event))
        clean.append(encode_events(sent))
    for value in _cut(clean, count, rng):
        try:
            opened = open_block(value, lambda _: 0)
            yield opened.events.tobytes() + opened.told.tobytes() + opened.digests.tobytes()
        except BlockError as error:
            yield str(error).encode()


def _rows(count: int, rng: np.random.Generator) -> Iterator[bytes]:
    """Rows of the changelog, into the kernel that reads them."""
    from schemas.state import LayoutError
    from streams.arena import Arena
    from tests.driver import Driver, feed
    from tests.worlds import world

    driver = Driver()
    feed(driver, world(5))
    clean = [value for key, value in driver.changelog[0] if key.startswith(b"c")]
    arena = Arena()
    for value in _cut(clean, count, rng):
        try:
            arena.restore(b"C1", value)
            yield arena.rows[:1].tobytes()
        except LayoutError as error:
            yield str(error).encode()


def _cut(clean: list[bytes], count: int, rng: np.random.Generator) -> Iterator[bytes]:
    while count > 0:
        n = min(AT_ONCE, count)
        count -= n
        letters, ends = harmed(clean, n, rng)
        start = 0
        for end in ends.tolist():
            yield letters[start:end].tobytes()
            start = end


WAYS = {"values": _values, "record sets": _record_sets, "blocks": _blocks, "rows": _rows}


def run(count: int, seed: int) -> str:
    """All ways with so many inputs; one digest of everything that came out."""
    total = blake2b(digest_size=16)
    for number, (name, way) in enumerate(WAYS.items()):
        wanted = int(count * SHARES[name])
        label = f"{name:12}"
        with click.progressbar(length=wanted, label=label, file=sys.stderr) as bar:
            for said in way(wanted, np.random.default_rng([seed, number])):
                total.update(said)
                bar.update(AT_ONCE if name in ("values", "record sets") else 1)
    return total.hexdigest()


def main() -> int:
    """Hostile bytes with and without bounds checks; ends with 1 when the two do not say the same."""
    asked = argparse.ArgumentParser(prog="make fuzz", description=main.__doc__)
    asked.add_argument("--count", type=int, default=100_000, help="how many inputs in all")
    asked.add_argument("--seed", type=int, default=1, help="the same seed gives the same bytes")
    said = asked.parse_args()
    program = "import warnings; warnings.simplefilter('ignore'); " + RUN.format(count=said.count, seed=said.seed)
    print("Every index checked:", file=sys.stderr)
    checked = printed(program, NUMBA_BOUNDSCHECK="1")
    print("Unchecked, as a worker runs:", file=sys.stderr)
    plain = printed(program)
    print(f"{said.count:,} inputs, seed {said.seed}: {checked} with bounds checks, {plain} without")
    return int(checked != plain)


if __name__ == "__main__":
    sys.exit(main())
