"""What was measured: ``build/bench.json`` by benchmark, ``build/peers.json`` by engine."""

import json
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[2] / "build" / "bench.json"
PEERS = RESULTS.with_name("peers.json")


def keep(section: str, figures: object, path: Path = RESULTS) -> None:
    """Put a section into a results file, beside the others."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(held(path) | {section: figures}, indent=1) + "\n", encoding="utf-8")


def held(path: Path) -> dict[str, object]:
    """What a results file holds; nothing where it is not there yet."""
    found: dict[str, object] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found
