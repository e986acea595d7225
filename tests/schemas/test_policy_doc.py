"""The policy's page says what the code says."""

from __future__ import annotations

from schemas.policy import SETTINGS
from tests import policy_doc


def test_the_page_is_what_the_code_says() -> None:
    assert policy_doc.generated() in policy_doc.PLACE.read_text(encoding="utf-8"), (
        "after a change of settings: python -m tests.policy_doc"
    )


def test_every_setting_stands_on_it_once() -> None:
    text = policy_doc.generated()
    for section in {one.section for one in SETTINGS}:
        part = text.split(f"## {section}\n")[1].split("\n## ")[0]
        for one in SETTINGS:
            if one.section == section:
                assert part.count(f"| `{one.key}` |") == 1, one.name
