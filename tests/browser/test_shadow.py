"""A policy in the shadow, on the desk: nothing while there is none; then who would enter, as it happens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from playwright.sync_api import expect

from streams.shadowed import Begun
from tests.browser.chromium import Pages
from tests.browser.test_looks import faults, open_all
from tests.desks import DeskProcess, stage, story_alerts


def test_a_manager_watches_a_shadow_and_the_floor_does_not(pages: Pages, tmp_path: Path) -> None:
    first = next(one for one in story_alerts("thirty_seconds") if one.kind.endswith("_entered"))
    told = [replace(first, customer_id=f"C{at}", alert_id=f"{at:032x}") for at in range(3)]
    began_ms = first.ts_ms
    begun = Begun(began_ms, began_ms, began_ms + 2 * 86_400_000, "careful.toml", 7, "ab" * 8, 1)
    with stage(shadow=True) as on, DeskProcess(on.environment, tmp_path / "desk.log") as desk:
        desk.ready()
        page = pages.open(desk.url, start="#shadow")
        expect(page.locator("pre")).to_contain_text("whaleline shadow run new.toml")
        on.alerts(*told[:2])
        on.in_shadow(begun, *told[1:])
        expect(page.locator(".page-body")).to_contain_text("careful.toml, version 7, is judged in the shadow")
        expect(page.locator("tbody tr").first).to_contain_text("Service failure111")
        expect(page.locator("pre")).to_contain_text("whaleline policy push careful.toml --author")
        open_all(page)
        expect(page.get_by_role("link", name="C2")).to_be_visible()
        assert faults(page) == []
        agent = pages.open(desk.url, name="bo", role="agent", start="#shadow")
        expect(agent.get_by_role("link", name="Shadow")).to_have_count(0)
