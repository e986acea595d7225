"""The page of figures takes what was measured, and shows that it was measured."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.bench import page, worker
from tests.bench.page import PAGE, TABLES, written

RUNS = [dict.fromkeys(page.WORKER, 2.0 + at) for at in range(3)]
DELAYS = [dict.fromkeys(page.LATENCY, 1.0 * at) for at in range(3)]
SIDE_BY_SIDE = [{"eps": 1000.0 * at, "eps_committed": 900.0 * at, "rss_mb": 100.0 * at} for at in (3, 1, 2)]
HELD: dict[str, Any] = {
    "core": dict.fromkeys(page.CORE, 1234.5),
    "worker": {"events": 10, "customers": 5, **worker.spread(RUNS)},
    "latency": {"2000": worker.spread(DELAYS)},
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
    assert once.count("2,000 (1,000 to 3,000) | 1,800 (900 to 2,700) | 200 MB (100 to 300) |") == len(page.ENGINES)
    assert written(once, {}) == once
    changed = json.loads(json.dumps(HELD))
    changed["core"]["score_one_ns"] = 9.0
    assert "| 9 ns |" in written(once, changed)


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
        assert table.count("\n|") >= 3 or (name == "peers" and "`make peers`" in table), name
