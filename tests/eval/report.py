"""The results on paper: ``build/eval.json``, the table of docs/evaluation.md, and what is short of its target."""

import json
from collections.abc import Sequence
from pathlib import Path

from tests.eval.metrics import ALERT_METRICS, METRICS, Figures, spread
from tests.eval.physics import PARAMETERS
from tests.eval.targets import Results, judged, shown
from tests.eval.worlds import WORLDS

ROOT = Path(__file__).resolve().parents[2]
JSON = ROOT / "build" / "eval.json"
PAGE = ROOT / "docs" / "evaluation.md"
HEADS = {
    "auc": "AUC",
    "ap": "AP",
    "ece": "ECE",
    "alerts_per_1000_week": "alerts",
    "precision": "precision",
    "recall": "recall",
    "actionable": "actionable",
    "lead_days": "lead, d",
    "flapping": "flapping",
    "destroyer_precision": "destroyer precision",
    "victims_mislabelled": "victims blamed",
    "reentries": "re-entries",
    "company_share_error": "share error",
}


def summed_up(figures: dict[str, dict[str, list[Figures]]]) -> Results:
    """Mean and spread over seeds of each world's and model's figures."""
    return {
        world: {
            model: {metric: spread([one[metric] for one in seeds]) for metric in METRICS}
            for model, seeds in models.items()
        }
        for world, models in figures.items()
    }


def write_json(seeds: Sequence[int], results: Results, path: Path = JSON) -> None:
    """Write the results for machines."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"seeds": list(seeds), "worlds": results}, indent=1) + "\n", encoding="utf-8")


def results_page(command: str, told: str, results: Results, facts: dict[str, str]) -> str:
    """The generated part about results, as Markdown. ``facts`` says of each world what it turned out to be."""
    lines = [f"Made by `{command}`: {told}.", ""]
    for world, models in results.items():
        lines += [f"### {world}", "", f"{facts[world]}", "", *_table(models), ""]
    lines += ["### Short of the target", ""]
    found = list(judged(results))
    lines += [f"- {sentence}" for met, sentence in found if not met] or ["Nothing."]
    lines += ["", "### On target", ""]
    lines += [f"- {sentence}" for met, sentence in found if met] or ["Nothing."]
    return "\n".join(lines)


def _table(models: dict[str, dict[str, dict[str, float | None]]]) -> list[str]:
    """One row a model, mean ± sd; then whaleline beside the upper bound."""
    heads = [head for metric, head in HEADS.items() if _any(models, metric)]
    lines = ["| model | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for model, figures in models.items():
        cells = [_cell(metric, figures[metric]) for metric in HEADS if _any(models, metric)]
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    ours, bound = models["whaleline"], models["upper_bound"]
    cells = []
    for metric in HEADS:
        if _any(models, metric):
            one, other = ours[metric]["mean"], bound[metric]["mean"]
            cells.append("–" if one is None or other is None or other == 0 else f"{one / other:.2f}")
    lines.append("| *whaleline / upper bound* | " + " | ".join(cells) + " |")
    return lines


def _any(models: dict[str, dict[str, dict[str, float | None]]], metric: str) -> bool:
    return any(figures[metric]["mean"] is not None for figures in models.values())


def _cell(metric: str, figure: dict[str, float | None]) -> str:
    digits = 1 if metric in ("lead_days", ALERT_METRICS[0]) else 3
    if figure["mean"] is None:
        return "–"
    return f"{shown(figure['mean'], digits)} ± {shown(figure['sd'], digits)}"


def worlds_page() -> str:
    """The generated part about the worlds and their numbers, as Markdown; it depends on the code alone."""
    lines = ["| world | what it is | differs in |", "|---|---|---|"]
    for name, make in WORLDS.items():
        world = make()
        changes = [f"`{key}` {value:g}" for key, value in world.changes.items()]
        if world.active_days != 180:
            changes.append(f"a customer may be silent for {world.active_days} days")
        lines.append(f"| {name} | {world.doc} | {', '.join(changes) or '–'} |")
    lines += ["", "| parameter | reference | what it is |", "|---|---|---|"]
    lines += [f"| `{name}` | {default:g} | {doc} |" for name, (default, doc) in PARAMETERS.items()]
    return "\n".join(lines)


def replaced(page: str, part: str, text: str) -> str:
    """The page with one generated part written anew, between its two marks."""
    begin, end = f"<!-- {part}: begin -->\n", f"<!-- {part}: end -->"
    head, rest = page.split(begin)
    _, tail = rest.split(end)
    return f"{head}{begin}\n{text}\n\n{end}{tail}"
