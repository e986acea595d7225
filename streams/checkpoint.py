"""What an interrupted replay goes on from: its outputs so far, its pipelines' state, and how far it had come.

A replay is a function of its input, so it goes on by reading from the beginning: what was judged before is passed
over, which takes a fraction of the time. Everything here is of one process and its share of the partitions.
"""

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgpack

from streams.ledgerfile import FileError, whole_file
from streams.pipeline import Pipeline
from streams.recorded import is_recorded
from streams.shares import Spool

EVERY_S = 60.0
"""Seconds between two checkpoints; that much work is done again."""

CHANGELOG, TOLD, WHOSE = "changelog", "checkpoint", "replay"
VERSION = 1


@contextmanager
def begin(folder: Path, whose: str) -> Iterator[None]:
    """Have the folder of a whole replay for oneself: a new one, or one of this replay. Raises ``FileError``."""
    mark = folder / WHOSE
    try:
        if not mark.exists():
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise FileError(f"{folder} holds other things than an interrupted replay: name a new folder")
            with whole_file(mark) as out:
                out.write(whose.encode())
        if mark.read_text() != whose:
            raise FileError(
                f"{folder} belongs to a replay of another input or with other options: "
                "name another folder, or remove it"
            )
        lock = mark.open("rb")
    except OSError as error:
        raise FileError(f"{folder} cannot be used: {error.strerror or error}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise FileError(
                f"{folder} is of a replay that still runs: wait for it, or name another folder"
            ) from None
        yield


def digest_of(events: Path, *asked: Any) -> str:
    """Names an input and what is asked of it; an input that was changed is another."""
    digest = blake2b(digest_size=16)
    files = sorted(events.rglob("*")) if is_recorded(events) and events.is_dir() else [events]
    for one in files:
        told = one.stat()
        digest.update(repr((str(one.resolve()), told.st_size, told.st_mtime_ns)).encode())
    digest.update(repr(asked).encode())
    return digest.hexdigest()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no process of a replay that was killed writes into the folder of a share any more."""
    with folder.with_suffix(".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Checkpoint:
    """The folder of one share. ``told`` is what was kept last, empty at the beginning."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.told: dict[str, Any] = {}
        if (folder / TOLD).exists():
            told = msgpack.unpackb((folder / TOLD).read_bytes(), strict_map_key=False)
            if told["version"] == VERSION:
                self.told = told
        if not self.told:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        self._changelog = self.spool(CHANGELOG)

    def spool(self, name: str) -> Spool:
        """A spool of the folder, as it was when the checkpoint was kept."""
        return Spool(self._folder / name, self.told.get("lengths", {}).get(name, 0))

    def restore(self, pipelines: Iterable[Pipeline]) -> None:
        """Give new pipelines the state that was kept."""
        by_partition = {one.partition: one for one in pipelines}
        met = set()
        for (partition, key), value in self._changelog.read():
            by_partition[partition].restore(key, value)
            met.add(partition)
        for partition in met:
            by_partition[partition].restored()

    def keep(self, pipelines: Iterable[Pipeline], spools: Mapping[str, Spool], told: Mapping[str, Any]) -> None:
        """Make everything durable, and the checkpoint last: it counts once it is whole."""
        for one in pipelines:
            if one.moved:
                for key, value in one.snapshot().records:
                    self._changelog.put((one.partition, key), value)
        lengths = {name: one.sync() for name, one in {**spools, CHANGELOG: self._changelog}.items()}
        with whole_file(self._folder / TOLD) as out:
            out.write(msgpack.packb({"version": VERSION, "lengths": lengths, **told}))
        _sync_folder(self._folder)

    def close(self) -> None:
        """Nothing more will be kept."""
        self._changelog.close()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
