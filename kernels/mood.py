"""How a customer sounds against how they usually sound: a mood may sink with no complaint (docs/model.md)."""

from kernels._jit import kernel
from kernels.settle import to_ppm
from kernels.shapes import Event, Row, Rules

PPM = 1_000_000
COUNT_MAX = 65_535


@kernel
def sinks(row: Row, rules: Rules) -> bool:
    """Whether the mood of late lies well below the usual one, with enough moods heard to know it."""
    drop = float(row["mood_usual"]) - float(row["mood_lately"])
    return bool(row["moods"] >= rules["mood_words"] and to_ppm(drop) >= to_ppm(rules["mood_drop"]))


@kernel
def hear(row: Row, event: Event, rules: Rules) -> bool:
    """Take one noticed mood into the two means; say whether it sinks now and did not before."""
    sank = sinks(row, rules)
    mood = float(event["sentiment"]) / PPM
    moods = min(int(row["moods"]) + 1, COUNT_MAX)
    usual, lately = float(row["mood_usual"]), float(row["mood_lately"])
    row["moods"] = moods
    row["mood_usual"] = usual + (mood - usual) / min(moods, int(rules["mood_memory"]))
    row["mood_lately"] = mood if moods == 1 else lately + (mood - lately) / 2.0
    return sinks(row, rules) and not sank
