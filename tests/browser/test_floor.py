"""The floor at work in a real browser: two people, one queue, by mouse and by key."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from streams.intake import ledger_partition
from tests.browser import world
from tests.browser.chromium import Pages
from tests.browser.world import RUDE, WRONG
from tests.desks import DeskProcess, Stage, story_alerts
from tests.stories.test_floor_view import OF_VALUE

SHARED = "c-00010"


def row(page: Page, customer: str) -> object:
    return page.locator(f'[data-customer="{customer}"]')


def choose(page: Page, customer: str) -> None:
    page.click(f'[data-customer="{customer}"]')
    expect(page.locator("#card .who").first).to_contain_text(customer)


def act(page: Page, name: str) -> None:
    page.click(f'#card [data-act="{name}"]')


def fill_in(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        field = page.locator(f"#field-{name}")
        if field.evaluate("one => one.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    page.click("#dialog button[type=submit]")


CLICKED = "() => addEventListener('click', () => { window.clicked = Date.now(); }, true)"
SEEN = """() => { window.seen = {}; new MutationObserver(() => {
    for (const one of document.querySelectorAll('[data-state="acknowledged"]'))
        window.seen[one.dataset.customer] ??= Date.now();
}).observe(document.body, { subtree: true, childList: true, attributes: true }); }"""

HELD_ANSWERS = """() => { const real = fetch, held = new Promise((go) => { window.letGo = go; });
    window.fetch = async (...all) => { const answer = await real(...all); await held; return answer; };
}"""


def test_an_acknowledgement_shows_on_another_page_within_a_second(desk: DeskProcess, pages: Pages) -> None:
    """The middle one of five. So does all else that Ada does; Bo, who is too late, is told who was first."""
    ada, bo = pages.open(desk.url), pages.open(desk.url, name="bo")
    ada.evaluate(CLICKED)
    bo.evaluate(SEEN)
    waits = []
    for customer in ("c-00020", "c-00021", "c-00022", "c-00023", SHARED):
        choose(ada, customer)
        act(ada, "acknowledge")
        bo.wait_for_function("customer => window.seen[customer]", arg=customer)
        waits.append(bo.evaluate("customer => window.seen[customer]", customer) - ada.evaluate("window.clicked"))
    assert sorted(waits)[2] < 1_000, waits
    expect(row(bo, SHARED)).to_contain_text("seen by ada")
    choose(bo, SHARED)
    act(bo, "take")
    expect(row(ada, SHARED)).to_contain_text("bo")
    late = desk.act("assign", SHARED, name="cy", owner="cy")
    assert late.body["error"] == "taken by bo before"
    bo.keyboard.press("u")
    expect(row(ada, SHARED)).to_contain_text("seen by ada")


def test_a_card_clears_itself_after_the_replacement_and_says_why(
    on: Stage, desk: DeskProcess, pages: Pages
) -> None:
    entered, cleared = (
        replace(one, customer_id="c-new", alert_id=f"{at:032d}")
        for at, one in enumerate(story_alerts("silent_replacement"))
    )
    page = pages.open(desk.url)
    on.alerts(entered)
    choose(page, "c-new")
    on.alerts(cleared)
    expect(page.locator("#card .why")).to_contain_text("Put right.")
    expect(page.locator("#card .why")).to_contain_text("something was put right")
    expect(page.locator("#card [data-act=resolve]")).to_have_count(0)
    page.click("[data-view=done]")
    expect(row(page, "c-new")).to_contain_text("over")


def test_everything_that_can_be_done_about_a_card(desk: DeskProcess, pages: Pages) -> None:
    page = pages.open(desk.url)
    choose(page, "c-00001")
    act(page, "snooze")
    fill_in(page, reason="on holiday", until="168")
    expect(page.locator("#card .why")).to_have_text("ada put it off: on holiday")
    page.click("#toast-undo")
    expect(page.locator("#toast-words")).to_contain_text("Taken back")
    choose(page, "c-00001")
    act(page, "give")
    fill_in(page, owner="Zoë 李")
    expect(row(page, "c-00001")).to_contain_text("Zoë 李")
    act(page, "override")
    fill_in(page, reason="spoke to them", until="4")
    expect(page.locator("#card .why")).to_contain_text("ada decided otherwise: spoke to them")
    choose(page, "c-00002")
    act(page, "disagree")
    fill_in(page, reason="they never called")
    expect(page.locator("#card .why")).to_have_text("ada says it was not right: they never called")
    choose(page, "c-00003")
    act(page, "resolve")
    fill_in(page, reason="part is there")
    expect(page.locator("#card .why")).to_have_text("ada settled it: part is there")
    choose(page, WRONG)
    act(page, "cause")
    fill_in(page, case_id="no-such-case")
    expect(page.locator("#toast.bad")).to_contain_text("no such case")
    act(page, "cause")
    fill_in(page, case_id=world.CASE, cause="company")
    expect(page.locator("#card")).to_contain_text("named the cause of wp-case-1: company")


def test_a_wave_is_let_go_from_its_page(desk: DeskProcess, pages: Pages) -> None:
    page = pages.open(desk.url, start="#incidents")
    page.click("text=Release…")
    page.click("#dialog button[type=submit]")
    expect(page.locator("#dialog")).to_be_visible()
    fill_in(page, reason="outage of Monday, they were told")
    expect(page.locator(".incidents")).to_contain_text("The release is on its way")
    assert desk.get("/v1/incidents")["incidents"][0]["releasing"]


def test_a_whole_round_by_keys_alone(desk: DeskProcess, pages: Pages) -> None:
    """No mouse: into the queue, acknowledge, take, put off, take back, settle, search; focus is always seen."""
    page = pages.open(desk.url)
    expect(page.locator(".row").first).to_be_visible()
    press = page.keyboard.press
    top = page.locator(".row").first.get_attribute("data-customer")
    press("j")
    first = page.evaluate("document.activeElement.dataset.customer")
    assert first == top
    press("a")
    expect(row(page, first)).to_have_attribute("data-state", "acknowledged")
    press("t")
    expect(row(page, first)).to_have_attribute("data-state", "assigned")
    press("s")
    page.keyboard.type("they asked for tomorrow")
    press("Enter")
    expect(row(page, first)).to_have_attribute("data-state", "snoozed")
    press("u")
    expect(row(page, first)).to_have_attribute("data-state", "assigned")
    press("j")
    second = page.evaluate("document.activeElement.dataset.customer")
    assert second != first
    press("k")
    assert page.evaluate("document.activeElement.dataset.customer") == first
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
    press("r")
    expect(page.locator("#dialog")).to_be_visible()
    press("Escape")
    expect(row(page, first)).to_have_attribute("data-state", "assigned")
    press("/")
    page.keyboard.type("thirty")
    expect(row(page, "story-thirty-seconds")).to_be_visible()
    press("Escape")
    press("2")
    press("?")
    expect(page.locator("#dialog")).to_contain_text("Keys")
    press("Escape")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    press("d")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before


def test_what_shows_before_its_answer_came_can_be_taken_back(desk: DeskProcess, pages: Pages) -> None:
    """The desk has heard the click and shows it; its answer is still on the way when U is pressed."""
    page = pages.open(desk.url)
    customer = "c-00031"
    choose(page, customer)
    act(page, "take")
    expect(page.locator("#toast-words")).to_contain_text("It is yours")
    page.evaluate(HELD_ANSWERS)
    act(page, "snooze")
    fill_in(page, reason="at noon")
    expect(page.locator("#card .why")).to_have_text("ada put it off: at noon")
    page.keyboard.press("u")
    page.evaluate("letGo()")
    expect(row(page, customer)).to_have_attribute("data-state", "assigned")


def test_rows_keep_their_places_while_somebody_is_among_them(on: Stage, desk: DeskProcess, pages: Pages) -> None:
    page = pages.open(desk.url)
    page.mouse.move(2, 2)
    page.locator(".row").nth(3).focus()
    order = page.locator(".row").evaluate_all("all => all.map((one) => one.dataset.customer)")
    urgent = replace(story_alerts("wrong_part_twice")[0], customer_id="c-urgent", alert_id="a" * 32)
    on.alerts(urgent)
    expect(page.locator(".newer")).to_contain_text("1 new")
    desk.act("resolve", order[1])
    expect(row(page, order[1])).to_have_attribute("data-state", "resolved")
    assert page.locator(".row").evaluate_all("all => all.map((one) => one.dataset.customer)") == order
    page.keyboard.press(".")
    expect(row(page, "c-urgent")).to_be_visible()
    expect(row(page, order[1])).to_have_count(0)


def test_an_agent_gets_no_money_in_any_answer(desk: DeskProcess, pages: Pages) -> None:
    page = pages.open(desk.url, role="agent")
    for customer in (WRONG, "story-value-destroyer-twin"):
        choose(page, customer)
        expect(page.locator("#card")).to_contain_text("To say")
    assert page.locator("nav a").count() == 0
    assert page.locator(".money").count() == 0
    text = page.inner_text("body").replace("story-value-destroyer-twin", "")
    assert OF_VALUE.search(re.sub(r"\d{1,2}:\d\d", "", text)) is None, OF_VALUE.search(text)
    assert pages.received
    assert not [one for one in pages.received if "cents" in one or "_ppm" in one]


HOSTILE = (
    "<img src=x onerror=alert(1)>", "<script>alert(2)</script>", "\"'><svg onload=alert(3)>",
    "javascript:alert(4)",
    "{{7*7}}${7*7}", "../../etc/passwd?x=%00", "\u202egnp.exe", "' or 1=1 --", "a" * 64,
)  # fmt: skip


def test_hostile_ids_and_texts_are_only_text(on: Stage, desk: DeskProcess, pages: Pages) -> None:
    """Nothing runs, nothing breaks the page, and each card can be opened and acted on."""
    like = story_alerts("wrong_part_twice")[0]
    for number, text in enumerate(HOSTILE):
        one = replace(
            like, customer_id=text, owner=text[:20], skill=text, problem=text, alert_id=f"b{number:031d}"
        )
        on.put("alerts", text, one.to_msgpack(), ledger_partition(text, 4))
    on.flush()
    page = pages.open(desk.url)
    for text in HOSTILE:
        spot = page.locator(".row").filter(has_text=text)
        spot.first.click()
        expect(page.locator("#card .who").first).to_contain_text(text)
        expect(page.locator("#card")).to_contain_text("To say")
    reason = "<b onmouseover=alert(5)>no</b>"
    act(page, "disagree")
    fill_in(page, reason=reason)
    expect(page.locator("#card .why")).to_contain_text(reason)
    assert page.locator("img, #main script, #main b").count() == 0
    assert page.evaluate("document.querySelectorAll('[onerror],[onload],[onmouseover]').length") == 0


def test_the_page_greys_with_kafka_away_and_keeps_what_it_has(on: Stage, pages: Pages, tmp_path: Path) -> None:
    """The broker in memory is ended; the page says since when, and its buttons rest."""
    from tests.desks import stage

    with stage() as other:
        world.build(other, customers=3)
        one = DeskProcess(other.environment, tmp_path / "away.log").ready()
        page = pages.open(one.url)
        choose(page, WRONG)
    with one:
        expect(page.locator("#away")).to_contain_text("Kafka has not answered since")
        expect(page.locator("#card [data-act=acknowledge]")).to_be_disabled()
        assert "grayscale" in page.evaluate("getComputedStyle(document.querySelector('main')).filter")
        expect(row(page, WRONG)).to_be_visible()


def test_a_page_finds_its_desk_again_after_a_restart(on: Stage, pages: Pages, tmp_path: Path) -> None:
    """Killed in mid-action and started anew on its port: the page goes on, and the click counts once."""
    one = DeskProcess(on.environment, tmp_path / "one.log").ready()
    page = pages.open(one.url)
    choose(page, "c-00012")
    page.route(
        "**/v1/actions",
        lambda route: (one.kill(), route.abort()) if one.process.poll() is None else route.continue_(),
    )
    act(page, "acknowledge")
    expect(page.locator("#status")).to_contain_text("no connection")
    with DeskProcess(on.environment, tmp_path / "two.log", "--port", one.host.partition(":")[2]) as two:
        two.ready()
        expect(page.locator("#status")).to_contain_text("live")
        expect(row(page, "c-00012")).to_have_attribute("data-state", "acknowledged")
        told = two.get("/v1/card?customer=c-00012")["actions"]
        assert [action["verb"] for action in told] == ["acknowledge"]
        customers = page.locator(".row").evaluate_all("all => all.map((one) => one.dataset.customer)")
        assert len(customers) == len(set(customers))
    pages.trouble = [line for line in pages.trouble if "ERR_" not in line]


@pytest.mark.parametrize("customer", [RUDE])
def test_a_link_opens_a_card(desk: DeskProcess, pages: Pages, customer: str) -> None:
    page = pages.open(desk.url, start=f"#card={customer}")
    expect(page.locator("#card .who").first).to_contain_text(customer)
