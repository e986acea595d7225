"""A replay by several processes: each judges its share of the partitions into files of its own, in order.

Put together they give, byte for byte, what one process writes: what is written between two calls of
``Judge.write`` is sorted in a way that no number of partitions changes, and the calls are counted.
"""

import heapq
import os
from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from schemas.state import CUSTOMER, MACHINES
from streams.sinks import AT_ONCE, Alerts, Daily, Standing, States

ALERTS, HELD, LETTERS, DAILY, NAMES, ROWS = "alerts", "held", "letters", "daily", "names", "rows"


class Spool:
    """Values in the order in which they came, each behind its key; a key begins with the number of its batch.

    It goes on behind the first ``length`` bytes of the file; what stands behind them is forgotten.
    """

    def __init__(self, path: Path, length: int = 0) -> None:
        self._path = path
        self._file = path.open("ab")
        self._file.truncate(length)
        self._pack = msgpack.Packer().pack

    def put(self, key: tuple[Any, ...], value: Any) -> None:
        """Write one down; keys ascend."""
        self._file.write(self._pack((key, value)))

    def sync(self) -> int:
        """Make durable what was put, and return how many bytes that is."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._path.stat().st_size

    def read(self) -> Iterator[tuple[list[Any], Any]]:
        """Everything in it."""
        self._file.flush()
        return _read(self._path)

    def close(self) -> None:
        """Nothing more will come."""
        self._file.close()


def merged(paths: Sequence[Path]) -> Iterator[tuple[list[Any], Any]]:
    """The keys and values of several spools, in the order of their keys."""
    return heapq.merge(*(_read(path) for path in paths), key=itemgetter(0))


def _read(path: Path) -> Iterator[tuple[list[Any], Any]]:
    with path.open("rb") as data:
        yield from msgpack.Unpacker(data, max_buffer_size=0)


class SpooledStates:
    """``States`` for now: names and rows as they are, in files beside each other."""

    def __init__(self, folder: Path) -> None:
        self._names, self._rows = Spool(folder / NAMES), (folder / ROWS).open("wb")

    def put(self, customers: list[str], rows: NDArray[Any]) -> None:
        """Write them down."""
        for customer in customers:
            self._names.put((customer.encode(),), None)
        self._rows.write(rows.tobytes())  # unlike tofile, it says why it cannot

    def close(self) -> None:
        """Nothing more will come."""
        self._names.close()
        self._rows.close()


def put_states(folders: Sequence[Path], into: States) -> None:
    """The rows of all shares, by customer."""
    names = [[key[0] for key, _ in _read(folder / NAMES)] for folder in folders]
    rows = [
        np.memmap(folder / ROWS, CUSTOMER, "r") if some else np.zeros(0, CUSTOMER)
        for folder, some in zip(folders, names, strict=True)
    ]
    places = heapq.merge(
        *([(name, share, at) for at, name in enumerate(some)] for share, some in enumerate(names))
    )
    while some := [place for _, place in zip(range(AT_ONCE), places, strict=False)]:
        out = np.zeros(len(some), CUSTOMER)
        whose, at = (np.array([place[of] for place in some]) for of in (1, 2))
        for share, mine in enumerate(rows):
            out[whose == share] = mine[at[whose == share]]
        into.put([name.decode() for name, _, _ in some], out)


def put_alerts(folders: Sequence[Path], name: str, into: Alerts) -> None:
    """The alerts of all shares, as one process would have written them."""
    for _, told in merged([folder / name for folder in folders]):
        into.put(told)


def put_daily(folders: Sequence[Path], into: Daily) -> None:
    """The midnights of all shares, a partition after the other."""
    for (_, day, _), (customers, risk_ppm, states) in merged([folder / DAILY for folder in folders]):
        told = np.frombuffer(states, np.uint8).reshape(len(customers), MACHINES)
        into.put(day, Standing(customers, np.frombuffer(risk_ppm, np.int32), told))
