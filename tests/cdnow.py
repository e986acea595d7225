"""CDNOW end to end: a published shop's purchases are imported, fitted, judged, and held against what came next.

``python -m tests.cdnow`` writes the table of ``docs/cdnow.md`` anew; ``tests/test_cdnow.py`` asks if it is so. The
data comes from the lifetimes package (``tests/oracle/likelihood.py``) and is kept nowhere.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kernels import alive
from tests.command import whaleline
from tests.oracle.likelihood import cdnow_purchases
from tests.wire_doc import table

PLACE = Path(__file__).parents[1] / "docs" / "cdnow.md"
BEGIN = "<!-- written by `python -m tests.cdnow`; do not edit between these two marks -->\n"
END = "<!-- end of the written part -->\n"

MOVED = timedelta(weeks=626)
"""An event must be of 2000 or later; whole weeks keep each day of the week."""
ENDS = date(1997, 10, 1)
"""The end of the 39 weeks that are judged; as many follow in which it shows who came back."""
WEEKS = 39.0
MBG = (0.52484, 6.18299, 0.89136, 1.61400, True)
"""What the product fits to these 39 weeks (docs/fit.md); BG/NBD's published values are nearly the same model."""

MAPPING = """
[sales]
file = "cdnow.csv"
kind = "purchase"

[sales.fields]
customer_id = "customer"
ts_ms = { column = "day", format = "%Y-%m-%d", zone = "UTC" }
event_id = "line"
amount_cents = { column = "dollars", unit = "whole" }
"""


def day_of(text: str) -> date:
    """A day of the file, moved."""
    return date(int(text[:4]), int(text[4:6]), int(text[6:])) + MOVED


def write_csv(path: Path) -> list[tuple[str, date]]:
    """The purchases as a company's table would have them; each one's customer and day."""
    bought = [(customer, day_of(day), cents) for customer, day, cents in cdnow_purchases()]
    with path.open("w", newline="") as out:
        lines = csv.writer(out)
        lines.writerow(["line", "customer", "day", "dollars"])
        for number, (customer, day, cents) in enumerate(bought):
            lines.writerow([number, customer, day.isoformat(), f"{cents / 100:.2f}"])
    return [(customer, day) for customer, day, _ in bought]


def run(*arguments: str | Path) -> str:
    """A command of the product, which must succeed."""
    result = whaleline(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def area(score: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """The area under the ROC curve: how often one of the true has the greater score (Mann and Whitney 1947)."""
    _, which, counts = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[which]
    true, false = int(truth.sum()), int((~truth).sum())
    return float((rank[truth].sum() - true * (true + 1) / 2) / (true * false))


def risks(events: Path, folder: Path, *policy: str | Path) -> tuple[dict[str, int], dict[str, int]]:
    """The risk of each customer on the last morning, and how many alerts there were by kind."""
    folder.mkdir()
    daily = folder / "daily.parquet"
    outputs = ("--alerts", folder / "alerts", "--states", folder / "states.parquet", "--daily", daily)
    summary = json.loads(run("replay", events, *outputs, "--as-of", (ENDS + MOVED).isoformat(), *policy))
    table = pq.ParquetFile(daily).read()
    last = np.asarray(table["day"]) == np.asarray(table["day"]).max()
    named = zip(np.asarray(table["customer_id"])[last], np.asarray(table["risk_ppm"])[last].tolist(), strict=True)
    return dict(named), summary["alerts_by_kind"]


def measured() -> list[str]:
    """The table and what it says of how many."""
    with TemporaryDirectory() as name:
        room = Path(name)
        bought = write_csv(room / "cdnow.csv")
        (room / "mapping.toml").write_text(MAPPING)
        events, fitted_file, end = room / "events.jsonl", room / "fitted.toml", ENDS + MOVED
        run("import", room / "mapping.toml", "--out", events)
        run("fit", events, "--out", fitted_file, "--as-of", end.isoformat())
        plain, alerts = risks(events, room / "plain")
        fitted, _ = risks(events, room / "fitted", "--policy", fitted_file)
    days, back = defaultdict(set), set()
    for customer, day in bought:
        if day < end:
            days[customer].add(day)
        else:
            back.add(customer)
    names = sorted(days)
    assert names == sorted(plain) == sorted(fitted)
    stayed_away = np.array([one not in back for one in names])
    history = [_summary(days[one], end) for one in names]
    silence = np.array([(end - max(days[one])).days for one in names], np.float64)
    gone = np.array([1 - alive.alive_probability(*MBG, *one) for one in history])
    ahead = np.array([alive.expected_purchases(*MBG, *one, WEEKS) for one in history])
    rows = [
        ("the 90-day risk, policy by default", _of(plain, names)),
        ("the 90-day risk, policy fitted to these weeks", _of(fitted, names)),
        ("P(left), MBG/NBD", gone),
        ("fewest purchases expected, MBG/NBD", -ahead),
        ("longest silence", silence),
    ]
    told = ", ".join(f"{count} `{kind}`" for kind, count in alerts.items())
    again = sum(len(one) > 1 for one in days.values())
    counts = (
        f"{len(bought):,} purchases of {len(names):,} customers; {again} bought "
        f"on more than one day of the first 39 weeks, {len(back & set(names))} came back in the next 39, "
        f"{int(stayed_away.sum()):,} did not."
    )
    areas = [(words, f"{area(score, stayed_away):.3f}") for words, score in rows]
    return [*table(("ordered by", "AUC"), areas), "", counts, "", f"Alerts, policy by default: {told}."]


def _of(found: dict[str, int], names: list[str]) -> NDArray[np.float64]:
    return np.array([found[one] for one in names], np.float64)


def _summary(days: set[date], end: date) -> tuple[float, float, float]:
    """Repeats, the week of the last one, and the weeks observed, as the models count them."""
    first, last = min(days), max(days)
    return float(len(days) - 1), (last - first).days / 7, ((end - first).days - 1) / 7


def written() -> str:
    """The written part, marks included."""
    return BEGIN + "\n".join(measured()) + "\n" + END


def main() -> None:
    """Write the table anew."""
    text = PLACE.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    PLACE.write_text(before + written() + after, encoding="utf-8")


if __name__ == "__main__":
    main()
