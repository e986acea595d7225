"""The desk over HTTP, on a broker in memory: what it shows, what it takes, whom it lets in, and how it refuses."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import msgpack
import pytest
from aiohttp.test_utils import TestClient, TestServer
from confluent_kafka import Consumer, TopicPartition

from schemas.alerts import Hold
from schemas.block import Entry, decode
from schemas.codes import Control
from schemas.insights import CurvePart, Problem
from schemas.state import blank, pack
from streams.config import Config
from streams.desk.access import Access
from streams.desk.rows import digest_of
from streams.desk.server import application
from streams.desk.service import Desk
from tests.desks import OWN_PAGE, DeskProcess, Stage, stage, story_alerts
from tests.stories.test_floor_view import OF_VALUE
from tests.vectors import INCIDENT

OPENAPI = json.loads((Path(__file__).parents[2] / "streams/desk/openapi.json").read_text())
HELD = replace(INCIDENT, released_ms=None, released_by=None, released_because=None, partition=2)
PROBLEM = Problem("00000000000000ab", None, "lamp-s", "defect", ("defect",), 3, 2, 90_00, 55, 40_00, 1, 2, 3)
DAY_MS = 86_400_000
RUDE = "story-thirty-seconds"
WRONG = "story-wrong-part-twice"
TWIN = "story-value-destroyer-twin"


def fits(name: str, body: Any) -> None:
    """Whether an answer is what ``openapi.json`` says of it."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": OPENAPI["components"]}
    jsonschema.Draft202012Validator(schema).validate(body)


@pytest.fixture(scope="module")
def broker() -> Iterator[Stage]:
    """Every story, a held wave, a hold, a curve, a problem, and one customer's row."""
    with stage() as on:
        on.stories()
        on.alerts(story_alerts("thirty_seconds")[0])
        on.put("incidents", HELD.incident_id, HELD.to_msgpack(), 2)
        hold = Hold(WRONG, True, 1_700_000_000_000, ("open_case",), ("marketing", "review_ask"), 1)
        on.put("holds", WRONG, hold.to_msgpack())
        bins = ((700, 300, 9_000_00), (400, 20, -1_000_00))
        on.put("insights", "curve/0", CurvePart(0, 4, 1, 1, bins, bins[:1]).insight().value or b"", 0)
        on.put("insights", "problem/0/ab", PROBLEM.insight(0).value or b"", 0)
        on.put("customers", "c" + WRONG, pack(row_of("wp-case-1"), 7))
        on.flush()
        yield on


def row_of(case: str) -> Any:
    """A row with one open case, a year's books and a contact."""
    row = blank()
    row["case_id"][0, 0] = digest_of(case)
    row["case_opened_ms"][0, 0] = row["last_event_ms"] = 1_700_000_000_000
    row["day_head"], row["period_head"] = 19_700, 703
    row["day_contacts"][0, 19_700 % 90] = 3
    row["period_margin_cents"][0, 703 % 13] = 1_200
    row["hold_reasons"] = 1
    return row


@pytest.fixture(scope="module")
def desk(broker: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskProcess]:
    """Whose settings say other than how many partitions a source has, which is its producers' affair."""
    log = tmp_path_factory.mktemp("desk") / "desk.log"
    with DeskProcess({**broker.environment, "WHALELINE_SOURCE_PARTITIONS": "64"}, log) as one:
        yield one.ready()


def records(on: Stage, role: str, partition: int) -> list[bytes]:
    """Every value of a partition as it is now."""
    consumer = Consumer({"bootstrap.servers": on.config.broker, "group.id": "looks-on", "fetch.wait.max.ms": 20})
    try:
        place = TopicPartition(getattr(on.config.topics, role), partition, 0)
        end = consumer.get_watermark_offsets(place, 10)[1]
        consumer.assign([place])
        found: list[bytes] = []
        while len(found) < end:
            found += [one.value() for one in consumer.consume(100, 1.0) if one.error() is None]
        return found
    finally:
        consumer.close()


# ---------------------------------------------------------------- what it shows


def test_the_stories_stand_in_the_queue_by_what_must_be_done_first(desk: DeskProcess) -> None:
    found = desk.get("/v1/cards")
    fits("Cards", found)
    assert [one["customer"] for one in found["cards"]] == [WRONG, TWIN]
    card = found["cards"][0]
    assert (card["tier"], card["state"]) == ("now", "open")
    assert card["not_do"] == ["Send no advertising, ask for no review: a case is open."]
    done = desk.get("/v1/cards?states=done")
    assert RUDE in {one["customer"] for one in done["cards"]}
    assert all(one["why"] for one in done["cards"])


def test_an_agent_is_sent_no_money_and_no_label(desk: DeskProcess) -> None:
    """Not hidden: not sent. The manager's answer shows that there was something to leave out."""
    for path in ("/v1/cards?states=all", f"/v1/card?customer={TWIN}", f"/v1/timeline?customer={TWIN}"):
        floor, manager = desk.get(path, **{"X-Desk-Role": "agent"}), desk.get(path)
        said = json.dumps(_texts(floor)).replace("story-value-destroyer", "")
        assert OF_VALUE.search(said) is None or not set(said) & set("€$"), said
        assert "cents" not in json.dumps(floor)
        assert "ppm" not in json.dumps(floor)
        assert "value_destroyer" not in json.dumps(floor)
        assert json.dumps(manager) != json.dumps(floor)


def _texts(body: Any) -> list[str]:
    if isinstance(body, dict):
        return [text for value in body.values() for text in _texts(value)]
    if isinstance(body, list):
        return [text for value in body for text in _texts(value)]
    return [body] if isinstance(body, str) else []


GETS = [
    ("/v1/me", "Me"), ("/v1/health", "Health"), ("/v1/cards?states=all&q=story&limit=3", "Cards"),
    (f"/v1/card?customer={WRONG}", "Told"), (f"/v1/customer?customer={WRONG}", "Told"),
    (f"/v1/timeline?customer={WRONG}", "Timeline"),
    (f"/v1/may-contact?customer={WRONG}&purpose=marketing", "MayContact"),
    (f"/v1/alerts?customer={WRONG}", "Alerts"), (f"/v1/curve?customer={WRONG}", "Curve"),
    ("/v1/problems", "Problems"), ("/v1/win-back", "WinBack"), ("/v1/lists", "Lists"),
    ("/v1/incidents", "Incidents"), ("/v1/holds", "Holds"), ("/v1/figures", "Figures"),
    ("/v1/shadow", "Shadow"),
    ("/livez", "Live"), ("/readyz", "Ready"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "name"), GETS)
def test_every_answer_is_what_the_openapi_file_says(desk: DeskProcess, path: str, name: str) -> None:
    fits(name, desk.get(path))
    place = OPENAPI["paths"][path.partition("?")[0]]["get"]
    assert place["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith(f"/{name}")
    if path.startswith("/v1/c"):
        fits(name, desk.get(path, **{"X-Desk-Role": "manager"}))


def test_every_address_is_in_the_openapi_file() -> None:
    app = application(Desk(Config(), 30), Access())
    served = {
        (str(one.resource.canonical), one.method.lower())
        for one in app.router.routes()
        if one.resource is not None and one.method != "HEAD"
    }
    told = {(path, method) for path, methods in OPENAPI["paths"].items() for method in methods}
    assert served - {("/", "get"), ("/static", "get")} == told


def test_a_customer_is_told_of_with_what_is_open_and_what_may_be_sent(desk: DeskProcess) -> None:
    told = desk.get(f"/v1/customer?customer={WRONG}")
    assert told["row"]["days"]["contacts"][-1] == 3
    assert [one["open"] for one in told["row"]["cases"]] == [True]
    assert told["row"]["books"][-1]["margin_cents"] == 1_200
    assert told["say"][0].startswith("I am calling because")
    answer = desk.get(f"/v1/may-contact?customer={WRONG}&purpose=marketing")
    assert (answer["allowed"], answer["reasons"]) == (False, ["open_case"])
    assert desk.get("/v1/may-contact?customer=stranger&purpose=marketing")["known"] is False


def test_nobody_is_said_to_be_free_for_marketing_before_their_row_is_read() -> None:
    """A desk that has just started knows of no hold: it says that it cannot tell yet, and is not ready."""

    async def asked(desk: Desk) -> list[int]:
        async with TestClient(TestServer(application(desk, Access()))) as client:
            paths = (f"/v1/may-contact?customer={WRONG}&purpose=marketing", f"/v1/customer?customer={WRONG}")
            answers = [await client.get(path, headers={"Host": "localhost"}) for path in (*paths, "/readyz")]
            return [one.status for one in answers]

    async def both() -> list[list[int]]:
        desk = Desk(Config(), 30)
        desk._shown, desk.reader.away_since_ms = True, None
        early = await asked(desk)
        desk.rows.caught_up = True
        return [early, await asked(desk)]

    assert asyncio.run(both()) == [[503, 503, 503], [200, 404, 200]]


# ---------------------------------------------------------------- what it takes


def test_an_action_is_read_back_and_the_first_one_wins(desk: DeskProcess) -> None:
    """Ada acknowledges; Bo comes too late and is told so; what Bo does next is on top of it."""
    first = desk.act("acknowledge", TWIN)
    fits("Done", first.body)
    assert first.body["card"]["state"] == "acknowledged"
    late = desk.act("acknowledge", TWIN, name="bo")
    assert (late.status, late.body["error"]) == (409, "acknowledged by ada before")
    taken = desk.act("assign", TWIN, name="bo", owner="bo")
    assert (taken.body["card"]["owner"], taken.body["card"]["state"]) == ("bo", "assigned")
    assert "taken by bo before" in desk.act("assign", TWIN, name="cy", owner="cy").body["error"]
    back = desk.act("undo", TWIN, name="bo", undoes=taken.body["action_id"])
    assert (back.body["card"]["owner"], back.body["card"]["state"]) == (None, "acknowledged")
    assert desk.act("undo", TWIN, undoes=first.body["action_id"]).body["card"]["state"] == "open"


def test_the_same_action_again_does_nothing_more(broker: Stage, desk: DeskProcess) -> None:
    card = desk.card(WRONG)
    body = {"action_id": uuid.uuid4().hex, "verb": "acknowledge", "customer_id": WRONG, "alert_id": card["alert"]}
    before = sum(len(records(broker, "desk_actions", at)) for at in range(4))
    answers = [desk.ask("POST", "/v1/actions", body) for _ in range(3)]
    assert [one.status for one in answers] == [200, 200, 200]
    assert answers[0].body["verb"] == answers[2].body["verb"]
    assert sum(len(records(broker, "desk_actions", at)) for at in range(4)) == before + 1
    other = desk.ask("POST", "/v1/actions", {**body, "verb": "resolve"})
    assert (other.status, "another action" in other.body["error"]) == (409, True)
    assert desk.act("undo", WRONG, undoes=body["action_id"]).status == 200


def test_a_snooze_ends_with_its_reason_told_and_a_disagreement_is_a_label(desk: DeskProcess) -> None:
    now_ms = desk.get("/v1/health")["now_ms"]
    slept = desk.act("snooze", TWIN, reason="on holiday", until_ms=now_ms + DAY_MS).body
    assert (slept["card"]["state"], slept["card"]["why"]) == ("snoozed", "ada put it off: on holiday")
    assert TWIN not in {one["customer"] for one in desk.get("/v1/cards")["cards"]}
    assert desk.act("undo", TWIN, undoes=slept["action_id"]).body["card"]["state"] == "open"
    said = desk.act("disagree", TWIN, reason="they run a charity").body
    assert said["card"]["state"] == "disagreed"
    desk.until("it is counted", lambda: desk.get("/v1/figures")["all"]["disagreed"] == 1)
    kinds = desk.get("/v1/figures")["kinds"]
    assert {one["right"] for one in kinds} == {0}
    assert all(one["low_ppm"] == 0 < one["high_ppm"] < 1_000_000 for one in kinds)
    assert desk.act("undo", TWIN, undoes=said["action_id"]).status == 200
    pinned = desk.act("override", TWIN, machine="fix_the_cause", reason="known", until_ms=now_ms + DAY_MS)
    assert pinned.body["card"]["state"] in ("overridden", "open")
    assert desk.act("undo", TWIN, undoes=pinned.body["action_id"]).status == 200


def test_a_cause_reaches_the_judge_as_an_event(broker: Stage, desk: DeskProcess) -> None:
    """A case nobody knows is refused; a known one becomes an event with the cause, under the action's id."""
    assert desk.act("cause", WRONG, case_id="nothing", cause="company").status == 409
    done = desk.act("cause", WRONG, case_id="wp-case-1", cause="company").body
    sent = [msgpack.unpackb(value) for at in range(2) for value in records(broker, "support_calls", at)]
    (event,) = [one for one in sent if one["customer_id"] == WRONG]
    assert (event["cause"], event["case_id"], event["event_id"]) == (
        "company", "wp-case-1", f"desk-{done['action_id']}",
    )  # fmt: skip
    refused = desk.act("undo", WRONG, undoes=done["action_id"])
    assert (refused.status, refused.body["error"]) == (409, "cause cannot be taken back")


def test_a_release_is_one_entry_of_the_ledger(broker: Stage, desk: DeskProcess) -> None:
    first = desk.act("release", incident_id=HELD.incident_id, reason="known outage")
    assert first.status == 200
    again = desk.act("release", incident_id=HELD.incident_id, reason="known outage", name="bo")
    assert (again.status, "on its way" in again.body["error"]) == (409, True)
    (entry,) = [decode(value) for value in records(broker, "ledger", 2)]
    assert isinstance(entry, Entry)
    assert (entry.control, entry.body["incident"]) == (Control.RELEASE, HELD.incident_id)
    (told,) = desk.get("/v1/incidents")["incidents"]
    assert told["releasing"]
    assert desk.act("release", incident_id="nobody-0-1", reason="x").status == 404


BAD: list[tuple[dict[str, Any], int, str]] = [
    ({"verb": "dismiss"}, 422, "verb must be one of"),
    ({"action_id": "x"}, 422, "action_id must be"),
    ({"customer_id": None}, 422, "needs customer_id"),
    ({"customer_id": "stranger"}, 404, "no alert of this customer"),
    ({"alert_id": "gone"}, 404, "this alert is not known"),
    ({"verb": "snooze", "reason": "x"}, 422, "snooze needs until_ms"),
    ({"verb": "snooze", "until_ms": 10**15, "reason": "x"}, 422, "at most 180 days"),
    ({"verb": "disagree"}, 422, "disagree needs reason"),
    ({"verb": "resolve", "reason": "x" * 501}, 422, "at most 500 bytes"),
    ({"verb": "resolve", "reason": "one\ntwo"}, 422, "plain text in one line"),
    ({"verb": "resolve", "reason": "\u202egnorw"}, 422, "plain text in one line"),
    ({"verb": "resolve", "reason": 7}, 422, "reason must be text"),
    ({"author": "somebody else"}, 422, "'author' is not a field"),
    (
        {"customer_id": RUDE, "alert_id": story_alerts("thirty_seconds")[-1].alert_id},
        409,
        "it has cleared meanwhile",
    ),
]


@pytest.mark.parametrize(("change", "status", "said"), BAD, ids=[str(one[2]) for one in BAD])
def test_what_cannot_be_done_is_refused_in_a_sentence(
    desk: DeskProcess, change: dict[str, Any], status: int, said: str
) -> None:
    alert_id = desk.card(WRONG)["alert"]
    whole = {"action_id": uuid.uuid4().hex, "verb": "acknowledge", "customer_id": WRONG, "alert_id": alert_id}
    answer = desk.ask("POST", "/v1/actions", {**whole, **change})
    fits("Error", answer.body)
    assert (answer.status, said in answer.body["error"]) == (status, True), answer


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff", b'"x"', b"[" * 5_000, b"9" * 20_000])
def test_a_body_that_is_no_action_is_refused(desk: DeskProcess, body: bytes) -> None:
    assert desk.ask("POST", "/v1/actions", body).status in (400, 413, 422)


# ---------------------------------------------------------------- the stream


def test_a_viewer_who_was_away_goes_on_without_gap_or_double(desk: DeskProcess) -> None:
    with desk.stream() as events:
        event, at, whole = next(events)
        assert (event, whole["order"][0]) == ("whole", WRONG)
    before = desk.card(WRONG)["state"]
    first = desk.act("assign", WRONG, owner="ada").body["action_id"]
    desk.act("undo", WRONG, undoes=first)
    seen = []
    with desk.stream(at) as events:
        for event, number, change in events:
            seen.append((event, int(number.rpartition("-")[2])))
            cards = [one for one in change["cards"] if one["customer"] == WRONG]
            if cards and cards[0]["state"] == before:
                break
    begun = int(at.rpartition("-")[2])
    assert seen == [("change", begun + step) for step in range(1, len(seen) + 1)]
    for stranger in ("other-5", at.rpartition("-")[0] + "-999999", "x" * 5_000, "-"):
        with desk.stream(stranger) as events:
            assert next(events)[0] == "whole"


def test_an_alert_that_comes_is_told_within_a_second(broker: Stage, desk: DeskProcess) -> None:
    fresh = replace(story_alerts("thirty_seconds")[0], customer_id="C-new", alert_id="f" * 32)
    with desk.stream(**{"X-Desk-Role": "agent"}) as events:
        next(events)
        broker.alerts(fresh)
        card = next(one for _, _, change in events for one in change["cards"] if one["customer"] == "C-new")
    assert card["state"] == "open"
    assert "money" not in card
    assert desk.act("resolve", "C-new").body["card"]["state"] == "resolved"


# ---------------------------------------------------------------- who is let in

HOSTILE: list[tuple[str, dict[str, str], int]] = [
    ("no proof that it is our page", {"Content-Type": "application/json"}, 403),
    ("a form of another site", {"Content-Type": "application/x-www-form-urlencoded", "X-Desk": "1"}, 415),
    ("plain text", {"Content-Type": "text/plain", "X-Desk": "1"}, 415),
    ("another site says so itself", {**OWN_PAGE, "Sec-Fetch-Site": "cross-site"}, 403),
    ("another origin", {**OWN_PAGE, "Origin": "http://evil.example"}, 403),
    ("a name that was pointed at us", {**OWN_PAGE, "Host": "evil.example"}, 421),
    ("a token nobody made", {**OWN_PAGE, "Authorization": "Bearer x"}, 401),
]


@pytest.mark.parametrize(("headers", "status"), [one[1:] for one in HOSTILE], ids=[one[0] for one in HOSTILE])
def test_another_site_cannot_act(desk: DeskProcess, headers: dict[str, str], status: int) -> None:
    card = desk.card(WRONG)
    body = {"action_id": uuid.uuid4().hex, "verb": "resolve", "customer_id": WRONG, "alert_id": card["alert"]}
    assert desk.ask("POST", "/v1/actions", body, headers).status == status
    assert desk.card(WRONG) == card


def test_every_answer_forbids_inline_script_and_frames(desk: DeskProcess) -> None:
    for path in ("/", "/v1/cards", "/static/desk.js", "/nowhere"):
        headers = desk.ask("GET", path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert desk.ask("GET", "/static/../server.py").status in (403, 404)
    assert desk.ask("GET", "/static/%2e%2e/server.py").status in (403, 404)


def test_what_it_counts_can_be_scraped(desk: DeskProcess) -> None:
    text = desk.get("/metrics").decode()
    assert re.search(r'whaleline_desk_actions_total{outcome="taken",verb="acknowledge"} [1-9]', text)
    assert re.search(r'whaleline_desk_cards{state="open"} [1-9]', text)
    assert "whaleline_desk_kafka_away 0.0" in text
    assert not re.search("story|ada|C-new", text)


def test_a_hostile_id_is_only_text(broker: Stage, desk: DeskProcess) -> None:
    """It comes back as it was, as JSON; a browser is told to take it for nothing else."""
    name = "<img src=x onerror=alert(1)>/../%2f&\"'"
    broker.alerts(replace(story_alerts("thirty_seconds")[0], customer_id=name, alert_id="e" * 32))
    from urllib.parse import quote

    path = f"/v1/card?customer={quote(name, safe='')}"
    desk.until("it is there", lambda: desk.ask("GET", path).status == 200)
    answer = desk.ask("GET", path)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.body["card"]["customer"] == name
