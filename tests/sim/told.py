"""How many schedules were lived through: ``build/schedules.json``, and the figures of docs/reliability.md."""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path
from typing import Any

from tests.eval.report import replaced
from tests.sim.worker import FAULTS

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parents[1] / "build" / "schedules.json"
PAGE = HERE.parents[1] / "docs" / "reliability.md"
WORLD = ("broker.py", "feed.py", "run.py", "worker.py")
"""What makes a schedule of a seed: seeds lived through under other rules count no more."""


def note(first: int, end: int, wrong: int) -> None:
    """Remember that the seeds from ``first`` up to ``end`` were lived through; each counts once."""
    told = _told()
    told["seeds"] = union([*told["seeds"], [first, end]])
    told["wrong"] += wrong
    _write(told)


def note_found(found: dict[str, int | None]) -> None:
    """Remember at which seed each planted fault was found (None: not at all)."""
    _write(_told() | {"found": found})


def write_page() -> None:
    """Write what is remembered into docs/reliability.md."""
    told = _told()
    count = sum(end - first for first, end in told["seeds"])
    text = PAGE.read_text(encoding="utf-8")
    text = replaced(text, "schedules", f"{count:,} schedules were lived through: {told['wrong']} were wrong.")
    rows = [f"| {name} | {FAULTS[name]} | {seed} |" for name, seed in told["found"].items()]
    text = replaced(text, "planted", "\n".join(["| planted | that is | found at seed |", "|---|---|---|", *rows]))
    PAGE.write_text(text, encoding="utf-8")


def union(ranges: list[list[int]]) -> list[list[int]]:
    """The same seeds in ranges that do not touch."""
    joined: list[list[int]] = []
    for first, end in sorted(ranges):
        if joined and first <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([first, end])
    return joined


def _told() -> dict[str, Any]:
    digest = blake2b(b"".join((HERE / name).read_bytes() for name in WORLD), digest_size=8).hexdigest()
    fresh = {"world": digest, "seeds": [], "wrong": 0, "found": {}}
    told = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else fresh
    return told if told["world"] == digest else fresh


def _write(told: dict[str, Any]) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
