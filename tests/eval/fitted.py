"""The policy that ``whaleline fit`` makes of what was known before the test, as anyone would run it."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from schemas.codec import fields_of
from schemas.events import DAY_MS, VERSION
from streams.fit import FitError, run_fit
from tests.eval.notes import START_MS, TS
from tests.eval.wire import accepted
from tests.eval.worlds import TEST_FROM, Truth


def policy(truth: Truth) -> tuple[str, str | None]:
    """The policy fitted to the events before the test, as TOML; nothing and the reason where it is refused."""
    with TemporaryDirectory() as folder:
        events, out = Path(folder) / "events.jsonl", Path(folder) / "fitted.toml"
        with events.open("w", encoding="utf-8") as lines:
            for number, row in enumerate(truth.events.tolist()):
                if row[TS] >= START_MS + TEST_FROM * DAY_MS:
                    break
                _, event = accepted(row, number)
                lines.write(json.dumps({"version": VERSION, **fields_of(event)}) + "\n")
        try:
            run_fit(events, out)
        except FitError as refused:
            return "", str(refused).replace(str(events), "history")
        return out.read_text(encoding="utf-8"), None
