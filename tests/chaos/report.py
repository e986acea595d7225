"""The results on paper: ``build/chaos.json``, what stands behind it, and the tables of docs/reliability.md."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.chaos.planted import WITHOUT
from tests.chaos.run import Result
from tests.eval.report import replaced

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
RESULTS, DETAILS, CONTROLS = BUILD / "chaos.json", BUILD / "chaos-details.json", BUILD / "chaos-controls.json"
MOVES, SOAK, OVERLOAD = BUILD / "moves.json", BUILD / "soak.json", BUILD / "overload.json"
PAGE = ROOT / "docs" / "reliability.md"
NOUGHT = ("rows_wrong", "lost", "doubled", "alerts_missing", "alerts_phantom", "stuck")


def figures(result: Result) -> dict[str, int]:
    """What a run comes to."""
    found = result.found
    assert found is not None
    return {
        "kills": result.kills,
        "zombies": result.zombies,
        "broker_kills": result.broker_kills,
        "events": found.events,
        "rows_wrong": found.rows_wrong,
        "lost": found.lost,
        "doubled": found.doubled,
        "alerts_missing": found.alerts_missing,
        "alerts_phantom": found.alerts_phantom,
        "stuck": result.stuck,
        "seed": result.plan.seed,
    }


def details(result: Result) -> dict[str, Any]:
    """What else is worth knowing of a run."""
    found, plan = result.found, result.plan
    assert found is not None
    return {
        "brokers": plan.brokers,
        "workers": list(plan.workers),
        "minutes": round(result.seconds / 60, 1),
        "rows": found.rows,
        "alerts": found.alerts,
        **result.told,
        "complaints": result.complaints,
    }


def with_measured(result: Any) -> dict[str, Any]:
    """What a run of another kind comes to: what it measured, and what of its topics is wrong."""
    found = result.found
    assert found is not None
    return {
        **result.measured,
        "events": found.events,
        "rows": found.rows,
        "alerts": found.alerts,
        **{name: getattr(found, name, 0) for name in NOUGHT},
        "stuck": getattr(result, "stuck", 0),
        **{name: getattr(result, name) for name in ("kills", "zombies", "broker_kills") if hasattr(result, name)},
        **{key: value for key, value in getattr(result, "told", {}).items() if key != "places"},
        "seed": result.plan.seed,
    }


def measured_sentence(found: dict[str, Any]) -> str:
    """The same in a sentence."""
    wrong = ", ".join(f"{found[name]} {name.replace('_', ' ')}" for name in NOUGHT)
    plain = ((key, one) for key, one in found.items() if isinstance(one, int | float) and key not in NOUGHT)
    return f"{', '.join(f'{key} {one:,}' for key, one in plain)}: {wrong}"


def write(path: Path, what: Any) -> None:
    """Write results for machines."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(what, indent=1) + "\n", encoding="utf-8")


def sentence(one: dict[str, int]) -> str:
    """A run's figures in a sentence."""
    wrong = ", ".join(f"{one[name]} {name.replace('_', ' ')}" for name in NOUGHT)
    return (
        f"{one['kills']} kill -9, {one['zombies']} zombies, {one['broker_kills']} broker kills, "
        f"{one['events']:,} events: {wrong} (seed {one['seed']})"
    )


def run_page(one: dict[str, int], more: dict[str, Any]) -> str:
    """The table of the last run."""
    low, high = more["workers"]
    exits = ", ".join(f"{code}: {count}" for code, count in more["exits"].items())
    rows = [
        ("kill -9 of a worker", f"{one['kills']}, at {len(more['places'])} named places and at any moment"),
        ("workers frozen beyond their session, then woken", one["zombies"]),
        ("kill -9 of a broker", f"{one['broker_kills']}, of {more['brokers']}"),
        ("writes refused", more["refusals"]),
        ("workers", f"{low} to {high}, {more['leaves']} left in order"),
        ("events", f"{one['events']:,}"),
        ("customers compared, to the byte", f"{more['rows']:,}"),
        ("alerts compared, by id", f"{more['alerts']:,}"),
        *((f"**{name.replace('_', ' ')}**", f"**{one[name]}**") for name in NOUGHT),
        ("longest time in which nothing was judged", f"{more['longest_pause_s']} s"),
        ("exit codes of workers (-9: killed)", exits),
        ("took", f"{more['minutes']} min, seed {one['seed']}"),
    ]
    return _table(rows)


def controls_page(found: dict[str, dict[str, int]]) -> str:
    """The table of the runs without a safeguard."""
    heads = [name.replace("_", " ") for name in NOUGHT]
    lines = ["| without | that is | " + " | ".join(heads) + " |", "|---" * (len(heads) + 2) + "|"]
    for name, one in found.items():
        words = (WITHOUT[name][0].__doc__ or "").rstrip(".")
        lines.append(f"| {name} | {words} | " + " | ".join(str(one[key]) for key in NOUGHT) + " |")
    return "\n".join(lines)


def controls_so_far() -> dict[str, dict[str, int]]:
    """What earlier runs without a safeguard came to."""
    return _read(CONTROLS) if CONTROLS.is_file() else {}


def moves_page(one: dict[str, Any]) -> str:
    """The table of the last run of nothing but moves."""
    return _table([
        ("workers that came, and that left, between 1 and 4", f"{one['ups']}, {one['downs']}"),
        ("events, alerts compared by id", f"{one['events']:,}, {one['alerts']:,}"),
        ("**rows wrong, lost, doubled, alerts missing or phantom, stuck**", f"**{_wrong(one)}**"),
        ("the longest pause of any partition in a move: median", f"{one['pause_p50_s']} s"),
        ("**the same in nineteen moves of twenty (p95)**", f"**{one['pause_p95_s']} s**"),
        ("the same at most", f"{one['pause_most_s']} s"),
        ("median where a worker came, and where one left", f"{one['up_p50_s']} s, {one['down_p50_s']} s"),
        ("median between two moves", f"{one['rest_p50_s']} s"),
        ("a move from its asking to its end, median", f"{one['move_p50_s']} s"),
        ("seed", one["seed"]),
    ])  # fmt: skip


def soak_page(one: dict[str, Any]) -> str:
    """The table of the last soak."""
    harm = (
        f"{one['kills']} kill -9, {one['zombies']} zombies, {one['broker_kills']} broker kills, "
        f"{one['refusals']} writes refused, {one['leaves']} left, {one['naps']} frozen for 3 s"
    )
    lives = ", ".join(f"{slope:+g} MB an hour ({minutes:g} min at {mb} MB)" for minutes, mb, slope in one["lives"])
    return _table([
        ("lasted", f"{one['minutes']:g} min, seed {one['seed']}"),
        ("faults", harm),
        ("events, alerts compared by id", f"{one['events']:,}, {one['alerts']:,}"),
        ("**rows wrong, lost, doubled, alerts missing or phantom, stuck**", f"**{_wrong(one)}**"),
        ("memory of workers that were there for long, by its slope once they were warm", lives),
        ("lag when the load had ended", f"{one['lag']}, after {one['drained_s']} s"),
    ])  # fmt: skip


def overload_page(one: dict[str, Any]) -> str:
    """The table of the last overload."""
    share = f"on {one['share_of_a_core']:.0%} of a core"
    return _table([
        ("what the worker could do", f"{one['capacity_eps']:,} events a second, {share}"),
        ("what it was sent", f"{one['sent_eps']:,} a second for {one['seconds']} s: {one['times']} times that"),
        ("events, and those judged out of order", f"{one['events']:,}, {one['disordered']}"),
        ("**rows wrong, lost, doubled, alerts missing or phantom**", f"**{_wrong(one)}**"),
        ("lag before, at most, after", f"{one['lag_before']:,}, {one['lag_most']:,}, {one['lag']} events"),
        ("worked off in", f"{one['drained_s']} s"),
        ("memory at capacity, and at most", f"{one['rss_mb']} MB, {one['rss_most_mb']} MB"),
        ("**grew by the factor**", f"**{one['rss_ratio']}**"),
        ("seed", one["seed"]),
    ])  # fmt: skip


def _wrong(one: dict[str, Any]) -> int:
    return sum(one[name] for name in NOUGHT)


def _table(rows: list[tuple[str, Any]]) -> str:
    return "\n".join(["| what | how many |", "|---|---|", *(f"| {what} | {count} |" for what, count in rows)])


PARTS: dict[str, tuple[tuple[Path, ...], Callable[..., str]]] = {
    "run": ((RESULTS, DETAILS), run_page),
    "controls": ((CONTROLS,), controls_page),
    "moves": ((MOVES,), moves_page),
    "overload": ((OVERLOAD,), overload_page),
    "soak": ((SOAK,), soak_page),
}
"""The generated parts of the page: the results each is made of, and how."""


def write_page() -> list[str]:
    """Write the parts of docs/reliability.md whose results are there; the names of those that are not."""
    text, missing = PAGE.read_text(encoding="utf-8"), []
    for name, (files, made) in PARTS.items():
        absent = [one.name for one in files if not one.is_file()]
        missing += absent
        if not absent:
            text = replaced(text, name, made(*map(_read, files)))
    PAGE.write_text(text, encoding="utf-8")
    return missing


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
