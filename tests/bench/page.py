"""``python -m tests.bench.page``: what was measured, as the tables of docs/performance.md."""

import sys
from pathlib import Path
from typing import Any

from streams.picture import Line, lines
from tests.bench.results import PEERS, RESULTS, held

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
COURSE = PAGE.parent / "images" / "replay-course.svg"

CORE = {
    "score_one_ns": ("score of one customer, all but the five years' worth", "ns", 0),
    "score_one_of_1m_ns": ("the same, one after the other of a million", "ns", 0),
    "sweep_1m_rows_s": ("a midnight over a million customers", "s", 2),
    "sweep_1m_rows_anew_s": ("the same with nothing remembered: every 28th night, and after a restore", "s", 2),
    "hour_1m_rows_s": ("an hour's tick over a million customers", "s", 3),
    "curve_1m_rows_s": ("both whale curves of a million customers", "s", 2),
    "take_in_events_per_s": ("events taken in: decoded, checked, merged, written as blocks", "a second", 0),
    "open_block_events_per_s": ("events of ledger blocks read back", "a second", 0),
    "judge_backlog_events_per_s": ("events judged: a backlog of 90 days, 20,000 customers", "a second", 0),
    "replay_events_per_s": ("the same from a file, each of the 2,160 hours as it passes", "a second", 0),
    "restore_rows_per_s": ("rows taken back from the changelog", "a second", 0),
    "row_bytes": ("a customer on the wire", "bytes", 0),
    "customer_row_bytes": ("a customer in memory", "bytes", 0),
}
WORKER = {
    "eps": ("events judged", "a second", 0),
    "eps_committed": ("the same until the group has committed them", "a second", 0),
    "eps_per_cpu_s": ("events judged for each second of processor time", "", 0),
    "start_to_first_event_s": ("from the process's start to its first event", "s", 1),
    "restart_to_ready_s": ("from a restart until every partition is restored and judges", "s", 1),
    "restored_records_per_s": ("changelog records restored", "a second", 0),
    "peak_rss_mb": ("memory at most", "MB", 0),
    "rss_after_restart_mb": ("memory after the restart", "MB", 0),
}
BASE = {
    "rss_bytes_a_customer": ("memory a customer, all of the worker counted", "bytes", 0),
    "restored_s": ("from the assignment until all of them are there", "s", 1),
    "restored_records_per_s": ("changelog records restored", "a second", 0),
    "restart_to_ready_s": ("from the process's start until it judges", "s", 1),
    "planned_takeover_s": ("from SIGTERM until one that stood by judges everything", "s", 2),
}
ENGINES = {
    "whaleline": "whaleline: its whole judgement, with ledger and transactions",
    "flink": "Flink 2.1: the small job, state on the heap, chained, warm",
    "kafka_streams": "Kafka Streams 4.1: the small job, store in memory, warm",
}
LONG = {
    "s": ("from the first event to the last result", "min", 1, 60),
    "eps": ("events judged", "a second", 0, 1),
    "eps_per_cpu_s": ("events judged for each second of processor time", "", 0, 1),
    "alerts": ("alerts", "", 0, 1),
    "peak_mb": ("memory at most, of all processes", "MB", 0, 1),
}
PEER = {"eps": "", "eps_committed": "", "rss_mb": " MB"}
LATENCY = ("p50_ms", "p90_ms", "p99_ms", "max_ms", "missing")


def _number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}"


def core(held: dict[str, Any]) -> str:
    """One process, no broker."""
    rows = [
        f"| {words} | {_number(held[name], digits)} {unit} |"
        for name, (words, unit, digits) in CORE.items()
        if name in held
    ]
    return "\n".join(["| what | figure |", "|---|---|", *rows])


def worker(held: dict[str, Any]) -> str:
    """A backlog worked off by a whole worker."""
    rows = [
        f"| {words} | {_number(held[name]['median'], digits)} {unit} | {_number(held[name]['least'], digits)} to "
        f"{_number(held[name]['greatest'], digits)} |"
        for name, (words, unit, digits) in WORKER.items()
        if name in held
    ]
    title = f"{held['events']:,} events of 90 days, {held['customers']:,} customers"
    return "\n".join([f"| {title} | median | least and greatest |", "|---|---|---|", *rows])


def bases(held: dict[str, Any]) -> str:
    """Bases of several sizes side by side."""
    sizes = sorted(held, key=int)
    rows = [
        " | ".join(
            [f"| {words}", *(f"{_number(held[size][name]['median'], digits)} {unit}" for size in sizes), ""]
        )
        for name, (words, unit, digits) in BASE.items()
    ]
    title = " | ".join(["| ", *(f"{int(size):,} customers" for size in sizes), ""])
    return "\n".join([title.rstrip(), "|---" * (1 + len(sizes)) + "|", *(row.rstrip() for row in rows)])


def latency(held: dict[str, Any]) -> str:
    """From a producer's send to a reader of committed alerts."""
    rows = [
        "| " + " | ".join([_number(int(rate), 0), *(_number(one[name]["median"], 0) for name in LATENCY)]) + " |"
        for rate, one in sorted(held.items(), key=lambda of: int(of[0]))
    ]
    names = "| events a second | p50 ms | p90 ms | p99 ms | most ms | alerts not seen |"
    return "\n".join([names, "|---" * 6 + "|", *rows])


def peers(held: dict[str, Any]) -> str:
    """Engines side by side: each figure's median, with the least and the greatest."""
    loads = {(one["events"], one["customers"]) for one in held.values()}
    assert len(loads) == 1, "build/peers.json holds figures of different loads: run `make peers` anew"
    events, customers = loads.pop()
    title = f"{events:,} events, {customers:,} customers"
    rows = []
    for name, words in ENGINES.items():
        if name in held:
            cells = [words]
            for figure, unit in PEER.items():
                runs = [one[figure] for one in held[name]["runs"]]
                cells.append(f"{held[name][figure]:,.0f}{unit} ({min(runs):,.0f} to {max(runs):,.0f})")
            rows.append("| " + " | ".join(cells) + " |")
    return "\n".join([f"| {title} | events a second | until committed | memory |", "|---" * 4 + "|", *rows])


def long(held: dict[str, Any]) -> str:
    """A long history of a large base."""
    rows = [
        f"| {words} | {_number(held[name] / by, digits)} {unit} |"
        for name, (words, unit, digits, by) in LONG.items()
    ]
    title = f"{held['events']:,} events of {held['days']} days, {held['customers']:,} customers"
    return "\n".join([f"| {title}, {held['jobs']} processes | figure |", "|---|---|", *rows])


def course(held: dict[str, Any]) -> str:
    """A long replay as it goes: events judged and memory, over the minutes it took; each to its own greatest."""
    minutes = [(s / 60, share, mb) for s, share, mb in held["course"]]
    judged = Line("events judged", "a", [(at, 100 * share) for at, share, _ in minutes])
    memory = Line("memory, of its peak", "b", [(at, 100 * mb / held["peak_mb"]) for at, _, mb in minutes])
    said = f"Per cent of {held['events']:,} events judged, and of {held['peak_mb']:,} MB of memory, by minute"
    return lines(said, [judged, memory], lambda at: f"{at:.0f} min", lambda part: f"{part:.0f} %", alone=True)


TABLES = {"core": core, "worker": worker, "bases": bases, "latency": latency, "peers": peers, "long": long}


def written(page: str, held: dict[str, Any]) -> str:
    """The page with each table made anew for which there are figures."""
    for name, table in TABLES.items():
        if name in held:
            begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
            assert begin in page, f"docs/performance.md has no place for {name}"
            before, rest = page.split(begin)
            page = f"{before}{begin}{table(held[name])}\n{end}{rest.split(end)[1]}"
    return page


def main() -> int:
    """Rewrite the tables; ends with 1 where nothing was measured."""
    found: dict[str, Any] = held(RESULTS)
    if beside := held(PEERS):
        found["peers"] = beside
    if not found:
        print("Nothing was measured: run `make bench`, `make bench-worker` or `make peers` first", file=sys.stderr)
        return 1
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")
    if "long" in found:
        COURSE.write_text(course(found["long"]) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
