"""``python -m tests.vectors``: freeze the bytes of vectors that are new; never touch one that is frozen."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from tests.vectors import CODES, PLACE, VECTORS, frozen, frozen_numbers, numbers

if TYPE_CHECKING:
    from pathlib import Path


def add(place: Path, held: dict[str, Any], today: dict[str, Any]) -> bool:
    """Add what is missing to ``place``; if something held is otherwise today, say so and write nothing."""
    changed = [name for name, value in held.items() if today.get(name) != value]
    for name in changed:
        print(f"{name!r} is frozen and would change: give the wire a new version, and this a new name")
    if changed:
        return False
    new = [name for name in today if name not in held]
    if new:
        text = json.dumps({**held, **today}, indent=1, ensure_ascii=False)
        place.write_text(text + "\n", encoding="utf-8")
    print(f"{place.name}: {len(held)} are as they were, {len(new)} added: {', '.join(new) or 'none'}")
    return True


def main() -> int:
    """Freeze vectors and numbers; return 1 if one that is frozen would change."""
    wire = add(PLACE, frozen(), {name: vector.write().hex() for name, vector in VECTORS.items()})
    return 0 if add(CODES, frozen_numbers(), numbers()) and wire else 1


if __name__ == "__main__":
    sys.exit(main())
