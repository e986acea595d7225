"""What was promised, and what is short of it: said plainly, beside the table."""

import operator
from collections.abc import Callable, Iterator
from typing import Any

Results = dict[str, dict[str, dict[str, dict[str, float | None]]]]
"""world, model, metric, then mean and sd."""

AT_LEAST: Callable[[float, float], bool] = operator.ge
AT_MOST: Callable[[float, float], bool] = operator.le

PROMISED: tuple[tuple[str, str, Callable[[float, float], bool], float], ...] = (
    ("failure_driven", "auc", AT_LEAST, 0.76),
    ("failure_driven", "ap", AT_LEAST, 0.40),
    ("failure_driven", "ece", AT_MOST, 0.02),
    ("failure_driven", "alerts_per_1000_week", AT_MOST, 5.0),
    ("failure_driven", "precision", AT_LEAST, 0.36),
    ("failure_driven", "lead_days", AT_LEAST, 23.0),
    ("failure_driven", "destroyer_precision", AT_LEAST, 0.97),
    ("failure_driven", "victims_mislabelled", AT_MOST, 0.04),
    ("failure_driven", "reentries", AT_MOST, 0.02),
    ("miscoded", "victims_mislabelled", AT_MOST, 0.08),
    *((world, "destroyer_precision", AT_LEAST, 0.90) for world in ("onboarding", "onboarding_untold")),
    *((world, "victims_mislabelled", AT_MOST, 0.04) for world in ("onboarding", "onboarding_untold", "sparse")),
)
"""World, metric, direction, figure; all of ``whaleline``."""

AHEAD_OF_BGNBD = {"failure_driven": 0.10}
"""By how much AUC must be above BG/NBD's; elsewhere it must not be below."""


def judged(results: Results) -> Iterator[tuple[bool, str]]:
    """Each target on a world that was run: whether it is met, and a sentence with both figures."""
    for world, metric, better, figure in PROMISED:
        if world in results:
            mean = results[world]["whaleline"][metric]["mean"]
            sign = "at least" if better is AT_LEAST else "at most"
            met = mean is not None and better(mean, figure)
            yield met, f"{world}: {metric} is {shown(mean)}, wanted {sign} {figure:g}"
    for world, models in results.items():
        ours, theirs = (models[name]["auc"]["mean"] for name in ("whaleline", "bgnbd"))
        if ours is not None and theirs is not None:
            margin = AHEAD_OF_BGNBD.get(world, 0.0)
            wanted = f"wanted at least {margin:g} above"
            yield ours - theirs >= margin, f"{world}: auc is {ours - theirs:+.3f} beside BG/NBD, {wanted}"


def shown(value: Any, digits: int = 3) -> str:
    """A figure with so many digits, or a dash."""
    return "–" if value is None else f"{value:.{digits}f}"
