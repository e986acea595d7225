"""A long history of a large base through the replay: how long it takes, and how much memory, as it goes.

``python -m tests.bench.long`` writes 100 million events of 13 months, about 14 GB, into a folder of its own,
judges them, and removes everything; ``--file`` takes a load that ``python -m tests.bench.load`` has written.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from streams.replay import Outputs, run_replay
from tests.bench.results import keep

EVERY_S = 2.0
POINTS = 60


def family(root: int) -> list[int]:
    """A process and all that come from it."""
    parents = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            told = place.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # gone meanwhile
        parents[int(place.parent.name)] = int(told[1])
    found = [root]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def memory_mb() -> float:
    """What this process and those it started have for themselves; pages of the input file are not theirs."""
    whole = 0
    for one in family(os.getpid()):
        try:
            lines = Path(f"/proc/{one}/status").read_text().splitlines()
        except OSError:
            continue
        whole += sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))
    return whole / 1024


def measured(file: Path, folder: Path, days: int, jobs: int) -> dict[str, object]:
    """Judge a file with so many processes and partitions; what is kept of it."""
    size, begun, done, over = file.stat().st_size, time.monotonic(), [0], threading.Event()
    samples: list[tuple[float, float, float]] = []

    def look() -> None:
        while not over.wait(EVERY_S):
            samples.append((time.monotonic() - begun, done[0] / size, memory_mb()))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        outputs = Outputs(folder / "alerts.parquet", folder / "states.parquet")
        found = run_replay(file, outputs, jobs=jobs, partitions=jobs, progress=lambda at: done.__setitem__(0, at))
    finally:
        over.set()
        watcher.join()
    took_s = time.monotonic() - begun
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu_s = sum(one.ru_utime + one.ru_stime for one in used)
    step = max(1, len(samples) // POINTS)
    return {
        "events": found.events, "customers": found.customers, "days": days, "jobs": jobs, "alerts": found.alerts,
        "s": round(took_s, 1), "cpu_s": round(cpu_s, 1), "eps": round(found.events / took_s),
        "eps_per_cpu_s": round(found.events / cpu_s),
        "peak_mb": round(max((mb for _, _, mb in samples), default=memory_mb())),
        "course": [[round(s, 1), round(share, 4), round(mb)] for s, share, mb in samples[::step]],
    }  # fmt: skip


def main() -> None:
    """Measure it, and keep the figures for docs/performance.md."""
    asked = argparse.ArgumentParser(prog="python -m tests.bench.long", description=main.__doc__)
    asked.add_argument("--events", type=int, default=100_000_000)
    asked.add_argument("--customers", type=int, default=1_000_000)
    asked.add_argument("--days", type=int, default=395)
    asked.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    asked.add_argument("--file", type=Path, help="a load that was written before, of so many days")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="whaleline-long-") as folder:
        file = given.file
        if file is None:
            file = Path(folder) / "events.msgpack"
            load = [sys.executable, "-m", "tests.bench.load", str(given.events), str(given.customers), str(file)]
            subprocess.run([*load, "--days", str(given.days)], check=True)
        found = measured(file, Path(folder), given.days, given.jobs)
    keep("long", found)
    print({name: one for name, one in found.items() if name != "course"})


if __name__ == "__main__":
    main()
