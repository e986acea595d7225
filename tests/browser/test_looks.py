"""How every page looks: on a phone, a desk and a wall, by day and by night, to the eye and to a screen reader."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from streams.stories import STORIES
from tests.browser.chromium import SIZES, Pages
from tests.browser.world import WRONG
from tests.desks import DEADLINE_S, ROOT, DeskProcess

PAGES = {
    "#queue": ".row", f"#card={WRONG}": ".money", f"#curve={WRONG}": ".mark-dot", "#problems": "meter",
    "#lists": "table", "#winback": "table", "#holds": "table", "#incidents": ".incidents", "#figures": ".stats",
    "#shadow": "pre",
}  # fmt: skip


def faults(page: Page) -> list[str]:
    """What axe finds wrong with the page as it is."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:120]} {node['failureSummary']}" for one in found for node in one["nodes"]
    ]


def open_all(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_on_any_page(desk: DeskProcess, pages: Pages, dark: bool) -> None:
    page = pages.open(desk.url, dark=dark)
    for place, sign in PAGES.items():
        page.goto(desk.url + place)
        page.wait_for_selector(sign)
        open_all(page)
        assert faults(page) == [], place
    for key in ("?", "s"):
        page.goto(desk.url + f"#card={WRONG}")
        page.wait_for_selector(".money")
        page.keyboard.press(key)
        page.wait_for_selector("dialog[open]")
        assert faults(page) == [], f"the dialog of {key}"
        page.keyboard.press("Escape")


def test_axe_would_find_a_planted_fault(desk: DeskProcess, pages: Pages) -> None:
    """Negative control: a button without a name, and text that nobody can read."""
    page = pages.open(desk.url)
    page.evaluate("document.querySelector('#main').insertAdjacentHTML('beforeend', '<button></button>')")
    page.evaluate("document.querySelector('#status-words').style.color = 'light-dark(#eee, #333)'")
    found = {one.partition(":")[0] for one in faults(page)}
    assert {"button-name", "color-contrast"} <= found


@pytest.mark.parametrize("size", SIZES)
def test_no_page_must_be_moved_sideways(desk: DeskProcess, pages: Pages, size: str) -> None:
    page = pages.open(desk.url, size=size)
    for place, sign in PAGES.items():
        page.goto(desk.url + place)
        page.wait_for_selector(sign, state="attached")
        open_all(page)
        wide, room = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= room, f"{place} is {wide} wide in {room}"


def test_on_a_phone_a_card_covers_the_queue_and_goes_away_again(desk: DeskProcess, pages: Pages) -> None:
    page = pages.open(desk.url, size="phone")
    page.tap(f'[data-customer="{WRONG}"]')
    expect(page.locator("#card")).to_be_visible()
    expect(page.locator(".queue")).to_be_hidden()
    page.tap("text=‹ Cards")
    expect(page.locator(".queue")).to_be_visible()


def test_the_demos_stories_become_cards(pages: Pages) -> None:
    """``whaleline demo --desk``: a real worker judges the stories, and the desk shows them."""
    command = [sys.executable, "-m", "streams.cli", "demo", "--desk", "--speed", "0", "--customers", "30"]
    demo = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert demo.stdout is not None
    try:
        url = next(found[0] for line in demo.stdout if (found := re.search(r"http://\S+", line)))
        page = pages.open(url)
        for story in STORIES.values():
            page.fill("#search", story.customer_id)
            expect(page.locator(f'[data-customer="{story.customer_id}"]')).to_be_visible(
                timeout=DEADLINE_S * 1_000
            )
            page.click(f'[data-customer="{story.customer_id}"]')
            expect(page.locator("#card")).to_contain_text("The last 90 days")
    finally:
        demo.send_signal(signal.SIGINT)
        said = demo.communicate(timeout=30)[0]
    assert demo.returncode == 0, said


def test_pictures(desk: DeskProcess, pages: Pages, request: pytest.FixtureRequest) -> None:
    """With ``--pictures`` those of the README are taken anew; without it, they are there."""
    place = ROOT / "docs" / "images"
    shots = {"desk-light.png": False, "desk-dark.png": True}
    if not request.config.getoption("--pictures"):
        assert all((place / name).is_file() for name in (*shots, "desk-curve.png"))
        return
    place.mkdir(exist_ok=True)
    for name, dark in shots.items():
        page = pages.open(desk.url, dark=dark)
        page.click(f'[data-customer="{WRONG}"]')
        page.wait_for_selector(".money")
        page.screenshot(path=place / name)
    page = pages.open(desk.url, start=f"#curve={WRONG}")
    page.wait_for_selector(".mark-dot")
    page.screenshot(path=Path(place / "desk-curve.png"))
