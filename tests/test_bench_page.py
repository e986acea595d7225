"""The page of figures takes what was measured, and shows that it was measured."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import msgpack
import numpy as np
import pytest

from tests.bench import load, page, worker
from tests.bench.page import PAGE, TABLES, written

RUNS = [dict.fromkeys(page.WORKER, 2.0 + at) for at in range(3)]
DELAYS = [dict.fromkeys(page.LATENCY, 1.0 * at) for at in range(3)]
SIDE_BY_SIDE = [{"eps": 1000.0 * at, "eps_committed": 900.0 * at, "rss_mb": 100.0 * at} for at in (3, 1, 2)]
HELD: dict[str, Any] = {
    "core": dict.fromkeys(page.CORE, 1234.5),
    "worker": {"events": 10, "customers": 5, **worker.spread(RUNS)},
    "latency": {"2000": worker.spread(DELAYS)},
    "long": {
        **dict.fromkeys(page.LONG, 120),
        "events": 100_000_000,
        "customers": 10**6,
        "days": 395,
        "jobs": 2,
        "course": [[2.0, 0.1, 60.0], [120.0, 1.0, 120.0]],
    },
    "peers": {
        name: {"events": 10, "customers": 5, **SIDE_BY_SIDE[2], "runs": SIDE_BY_SIDE} for name in page.ENGINES
    },
}


def test_every_table_has_its_place_and_is_made_anew() -> None:
    """Twice the same figures give the same page; others give others; what was not measured stays."""
    text = PAGE.read_text(encoding="utf-8")
    once = written(text, HELD)
    assert written(once, HELD) == once
    assert "| score of one customer, all but the five years' worth | 1,234 ns |" in once
    assert "| events judged | 3 a second | 2 to 4 |" in once
    assert "| 2,000 | 1 | 1 | 1 | 1 | 1 |" in once
    assert "| 100,000,000 events of 395 days, 1,000,000 customers, 2 processes | figure |" in once
    assert "| from the first event to the last result | 2.0 min |" in once
    assert once.count("2,000 (1,000 to 3,000) | 1,800 (900 to 2,700) | 200 MB (100 to 300) |") == len(page.ENGINES)
    assert written(once, {}) == once
    changed = json.loads(json.dumps(HELD))
    changed["core"]["score_one_ns"] = 9.0
    assert "| 9 ns |" in written(once, changed)


def test_the_course_of_a_long_replay_is_a_picture() -> None:
    picture = page.course(HELD["long"])
    assert ElementTree.fromstring(picture).tag == "{http://www.w3.org/2000/svg}svg"
    assert "events judged" in picture


def test_events_written_by_column_are_those_written_one_by_one() -> None:
    """But for the width of their numbers; and a load in slices has every event, in order of time."""
    some = load.load(2_000, 300)
    told = msgpack.Unpacker()
    told.feed(load.rendered(some, 5).tobytes())
    expected = [msgpack.unpackb(value) for _, _, value in load.events(some)]
    for number, one in enumerate(expected, 5):
        one["event_id"] = f"e{number:09d}"
    assert list(told) == expected
    parts = list(load.slices(1_000, 300, 12))
    ts_ms = np.concatenate([one.ts_ms for one in parts])
    assert (len(parts), ts_ms.size) == (3, 1_000)
    assert (np.diff(ts_ms) >= 0).all()
    assert 11 * load.DAY_MS < ts_ms[-1] - load.START_MS < 12 * load.DAY_MS


def test_a_page_without_a_place_is_noticed() -> None:
    with pytest.raises(AssertionError, match="no place for core"):
        written("# Performance\n", HELD)


def test_engines_measured_on_different_loads_make_no_table() -> None:
    other = {**HELD["peers"]["flink"], "events": 20}
    with pytest.raises(AssertionError, match="different loads"):
        page.peers({**HELD["peers"], "flink": other})


def test_the_committed_page_has_every_figure() -> None:
    """No table of docs/performance.md is empty, or it says which command fills it."""
    text = PAGE.read_text(encoding="utf-8")
    for name in TABLES:
        table = text.split(f"<!-- {name}: begin -->")[1].split(f"<!-- {name}: end -->")[0]
        command = {"peers": "`make peers`", "long": "`python -m tests.bench.long`"}.get(name)
        assert table.count("\n|") >= 3 or (command is not None and command in table), name
