"""The generated part of ``docs/policy.md``: every setting of a policy, as the code has it.

``python -m tests.policy_doc`` writes it anew; ``tests/schemas/test_policy_doc.py`` asks whether it is so.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.owners import DEFAULT, KEYS
from schemas.policy import ALL_MOMENTS, SETTINGS
from schemas.rules import EVIDENCE, MOMENT_RULES, TERMS
from tests.wire_doc import table

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACE = Path(__file__).parents[1] / "docs" / "policy.md"
BEGIN = "<!-- generated from schemas/ by `python -m tests.policy_doc`; do not edit between these two marks -->\n"
END = "<!-- end of the generated part -->\n"

SECTIONS = {
    "cost": "Prices: what a contact, a part, a visit costs where the event does not say.",
    "fault": "Whose doing a failure is, and when waiting becomes one.",
    "value": "When serving a customer destroys value, and when it is an investment.",
    "churn": "When a customer is at risk of leaving.",
    "evidence": "What failures do to the hazard of leaving, and how fast they fade.",
    "risk": "The layer over the silence filter: a term's weight in the log-odds, and its mean.",
    "lifetime": "What a customer's next years are worth.",
    "service": "When we have failed one, and how many of these a day the floors can act on.",
    "saves": "What acting on a moment saves and takes.",
    "economics": "When a gesture earns its cost.",
    "hold": "When marketing must leave a customer in peace.",
    "gaming": "When contacts are made to wear us down.",
    "best": "When one of the best is vulnerable.",
    "referral": "Whom to ask for a referral, and when not.",
    "gem": "Who is worth more than anybody notices.",
    "winback": "Whom to ask again.",
    "mood": "When somebody sounds worse than they usually do.",
    "news": "How long good news is news.",
    "breaker": "When a wave of alerts is held for a person.",
    "ledger": "What the judge accepts.",
    "owner": "Who owns an alert.",
}


def bound(number: float) -> str:
    """A bound as a person would write it."""
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:g}"


def settings(section: str) -> Iterator[str]:
    """The table of a section of plain settings."""
    rows = [
        (f"`{one.key}`", one.default,
         f"{bound(one.low)} to {bound(one.high)}", one.doc)
        for one in SETTINGS if one.section == section
    ]  # fmt: skip
    yield from table(("setting", "default", "allowed", "what it is"), rows)
    if section == "service":
        told = ", ".join(f"`{one}`" for one in ALL_MOMENTS)
        yield from ("", f"`moments` lists which moments are told; by default all: {told}.")


def special(section: str) -> Iterator[str]:
    """The table of a section with a table for each of its names."""
    if section == "evidence":
        rows = [
            (f"`[evidence.{one.kind.name.lower()}]`", one.weight, one.half_life_days, one.doc) for one in EVIDENCE
        ]
        yield from table(("table", "`weight`", "`half_life_days`", "what it is"), rows)
    elif section == "risk":
        terms = [(f"`[risk.{one.term.name.lower()}]`", one.weight, one.mean, one.doc) for one in TERMS]
        yield from table(("table", "`weight`", "`mean`", "what it is"), terms)
        if any(one.section == "risk" for one in SETTINGS):
            yield ""
            yield from settings("risk")
    elif section == "saves":
        moments = [
            (
                f"`[saves.{one.moment.name.lower()}]`",
                one.probability,
                one.gesture_cents,
                one.floor_minutes,
                one.doc,
            )
            for one in MOMENT_RULES
        ]
        yield from table(("table", "`probability`", "`gesture_cents`", "`floor_minutes`", "of what"), moments)
    else:
        keys = ", ".join(f"`{one}`" for one in KEYS)
        yield f"A name for each of {keys}; without one, the customer's floor, else `{DEFAULT}`."


def generated() -> str:
    """The generated part, marks included."""
    plain = [section for section, _ in groupby(SETTINGS, lambda one: one.section)]
    assert set(SECTIONS) == {*plain, "evidence", "risk", "saves", "owner"}
    lines: list[str] = []
    for section, words in SECTIONS.items():
        lines += [f"## {section}", "", words, ""]
        lines += special(section) if section in ("evidence", "risk", "saves", "owner") else settings(section)
        lines.append("")
    return BEGIN + "\n".join(lines) + END


def main() -> None:
    """Write the generated part anew."""
    text = PLACE.read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1, "the marks of the generated part are not there once"
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    PLACE.write_text(before + generated() + after, encoding="utf-8")


if __name__ == "__main__":
    main()
