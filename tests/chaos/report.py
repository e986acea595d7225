"""The results on paper: ``build/chaos.json``, what stands behind it, and the tables of docs/reliability.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.chaos.planted import WITHOUT
from tests.chaos.run import Result
from tests.eval.report import replaced

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
RESULTS, DETAILS, CONTROLS = BUILD / "chaos.json", BUILD / "chaos-details.json", BUILD / "chaos-controls.json"
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
    return "\n".join(["| what | how many |", "|---|---|", *(f"| {what} | {count} |" for what, count in rows)])


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


def write_page() -> list[str]:
    """Write the parts of docs/reliability.md whose results are there; the names of those that are not."""
    text, missing = PAGE.read_text(encoding="utf-8"), []
    if RESULTS.is_file() and DETAILS.is_file():
        text = replaced(text, "run", run_page(_read(RESULTS), _read(DETAILS)))
    else:
        missing.append(RESULTS.name)
    if CONTROLS.is_file():
        text = replaced(text, "controls", controls_page(_read(CONTROLS)))
    else:
        missing.append(CONTROLS.name)
    PAGE.write_text(text, encoding="utf-8")
    return missing


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
