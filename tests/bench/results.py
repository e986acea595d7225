"""``build/bench.json``: what was measured, a section for each benchmark."""

import json
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[2] / "build" / "bench.json"


def keep(section: str, figures: object) -> None:
    """Put a section into the results file, beside the others."""
    RESULTS.parent.mkdir(exist_ok=True)
    held = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps(held | {section: figures}, indent=1) + "\n", encoding="utf-8")
