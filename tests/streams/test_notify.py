"""Telling other systems: each alert arrives once whatever the target does, signed, never at an address inside."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.resolver import ThreadedResolver
from click.testing import CliRunner

from schemas.alerts import Alert
from streams.cli import main
from streams.notify import guard
from streams.notify.courier import FUSE_AFTER, Courier
from streams.notify.message import body_of, headers_of, signature, verified
from streams.notify.sample import SAMPLE
from streams.notify.targets import FORMS, Target, TargetError, load_targets
from tests.desks import ROOT, stage, story_alerts
from tests.stories.test_floor_view import OF_VALUE

NOW_S = 1_700_000_000
HOOK = Target("floor", "webhook", "https://hooks.example.org/x", secret="s3cret")


# ---------------------------------------------------------------- the courier


class Town:
    """A target and a clock: down for a while, then well; ``came`` is what it took, and when it was asked."""

    def __init__(self, down_s: float = 0.0, statuses: tuple[int, ...] = ()) -> None:
        self.now_s, self._down_s, self._statuses = 0.0, down_s, list(statuses)
        self.came: list[str] = []
        self.asked_s: list[float] = []
        self.fuse: list[bool] = []

    async def take(self, alert: Alert) -> int:
        self.asked_s.append(self.now_s)
        self.now_s += 0.05
        if self.now_s < self._down_s:
            raise ConnectionRefusedError
        status = self._statuses.pop(0) if self._statuses else 204
        if status == 204:
            self.came.append(alert.alert_id)
        return status

    async def rest(self, seconds: float) -> None:
        self.now_s += seconds


def bring(town: Town, alerts: list[Alert]) -> list[str]:
    courier = Courier(town.take, town.rest, town.fuse.append, random.Random(3).random)

    async def all_of_them() -> list[str]:
        return [await courier.deliver(one) for one in alerts]

    return asyncio.run(all_of_them())


def numbered(count: int) -> list[Alert]:
    return [replace(SAMPLE, alert_id=f"{number:032x}") for number in range(count)]


def test_a_target_that_is_down_for_ten_minutes_gets_every_alert_once() -> None:
    """In order, with few questions while it is down, and soon after it is back."""
    town, alerts = Town(down_s=600), numbered(200)
    assert bring(town, alerts) == ["delivered"] * 200
    assert town.came == [one.alert_id for one in alerts]
    assert sum(at < 600 for at in town.asked_s) <= 30
    assert next(at for at in town.asked_s if at >= 600) <= 631
    assert town.fuse == [True, False]


@pytest.mark.parametrize(
    ("statuses", "outcome", "asked"),
    [
        ((), "delivered", 1),
        ((500, 503, 429), "delivered", 4),
        ((404, 401, 403, 408), "delivered", 5),
        ((301,), "delivered", 2),
        ((400,), "refused 400", 1),
        ((500, 422), "refused 422", 2),
        ((410,), "refused 410", 1),
        ((500,) * 12, "delivered", 13),
    ],
)
def test_what_an_answer_leads_to(statuses: tuple[int, ...], outcome: str, asked: int) -> None:
    town = Town(statuses=statuses)
    assert bring(town, numbered(1)) == [outcome]
    assert len(town.asked_s) == asked
    assert town.fuse == ([True, False] if len(statuses) >= FUSE_AFTER else [])


# ---------------------------------------------------------------- the message


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example that the libraries of Standard Webhooks are tested with."""
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    at_s, message_id = 1614265330, "msg_p5jXN8AQM9LWM0D4loKWxJek"
    assert signature(message_id, at_s, body, secret) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signature("a", 1, b"x", "plain").startswith("v1,")
    assert len(base64.b64decode(signature("a", 1, b"x", "whsec_not base64")[3:])) == 32


REPLAYS: list[tuple[str, dict[str, str], bytes | None, int]] = [
    ("an old one", {}, None, NOW_S + 301),
    ("one from the future", {}, None, NOW_S - 301),
    ("another body", {}, b"{}", NOW_S),
    ("under another id", {"webhook-id": "f" * 32}, None, NOW_S),
    ("with a fresh time", {"webhook-timestamp": str(NOW_S + 400)}, None, NOW_S + 400),
    ("no time", {"webhook-timestamp": "soon"}, None, NOW_S),
    ("no signature", {"webhook-signature": ""}, None, NOW_S),
]


@pytest.mark.parametrize(
    ("change", "other", "now_s"), [one[1:] for one in REPLAYS], ids=[one[0] for one in REPLAYS]
)
def test_a_message_that_is_sent_by_another_is_known_for_it(
    change: dict[str, str], other: bytes | None, now_s: int
) -> None:
    body = body_of(SAMPLE, HOOK, "USD")
    headers = headers_of(SAMPLE.alert_id, body, HOOK, NOW_S)
    assert verified(headers, body, HOOK.secret, NOW_S)
    assert not verified(headers, body, "another", NOW_S)
    assert not verified({**headers, **change}, body if other is None else other, HOOK.secret, now_s)


@pytest.mark.parametrize("form", FORMS)
def test_no_form_speaks_of_money_unless_it_is_asked_to(form: str) -> None:
    alert = next(one for one in story_alerts("value_destroyer") if one.kind == "value_destroyer_entered")
    alert = replace(alert, customer_id="C17")
    plain = body_of(alert, replace(HOOK, form=form), "USD").decode()
    rich = body_of(alert, replace(HOOK, form=form, money=True), "USD").decode()
    texts = " ".join(_texts(json.loads(plain)))
    assert OF_VALUE.search(texts.replace(alert.owner, "").replace("customer_id", "")) is None
    assert "USD" not in plain
    assert "cents" not in plain
    assert "costs exceed margin" in rich
    assert body_of(alert, replace(HOOK, form=form), "USD").decode() == plain


def _texts(body: Any) -> list[str]:
    if isinstance(body, dict):
        return [text for value in body.values() for text in _texts(value)]
    if isinstance(body, list):
        return [text for value in body for text in _texts(value)]
    return [body] if isinstance(body, str) else []


def test_a_hostile_id_says_nothing_on_slack() -> None:
    body = body_of(replace(SAMPLE, customer_id="<!channel> *x* <http://e|y>"), replace(HOOK, form="slack"), "USD")
    assert "<" not in body.decode()
    assert "&lt;!channel&gt;" in body.decode()


def test_pagerduty_opens_and_ends_one_incident() -> None:
    target = replace(HOOK, form="pagerduty")
    raised, over = (
        json.loads(body_of(one, target, "USD"))
        for one in (SAMPLE, replace(SAMPLE, kind="service_failure_cleared"))
    )
    assert (raised["event_action"], over["event_action"]) == ("trigger", "resolve")
    assert raised["dedup_key"] == over["dedup_key"]
    assert raised["routing_key"] == HOOK.secret
    assert "webhook-signature" not in headers_of(SAMPLE.alert_id, b"", target, NOW_S)


# ---------------------------------------------------------------- where it may go

INSIDE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:db8::1", "", "localhost",
    "nonsense",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_known_for_one(address: str) -> None:
    assert not guard.is_outside(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "::ffff:8.8.8.8", "2002:808:808::"]
)
def test_an_address_outside_too(address: str) -> None:
    assert guard.is_outside(address)


class Ears:
    """A server on loopback that notes what comes, and answers as it is told."""

    def __init__(self) -> None:
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.lock = threading.Lock()
        ears = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with ears.lock:
                    status = ears.answers.pop(0) if ears.answers else 204
                    ears.came.append(({key.lower(): value for key, value in self.headers.items()}, body))
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", f"http://127.0.0.1:{ears.port}/other")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def ears() -> Iterator[Ears]:
    one = Ears()
    yield one
    one.stop()


def posted(url: str, inside: bool = False) -> int:
    async def post() -> int:
        async with guard.session(inside) as client:
            return await guard.post(client, url, b"{}", {}, inside)

    return asyncio.run(post())


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "0", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_nothing_reaches_an_address_inside_however_it_is_written(ears: Ears, host: str) -> None:
    with pytest.raises((OSError, aiohttp.ClientError), match=r"inside|connect|canonical"):
        posted(f"http://{host}:{ears.port}/")
    assert ears.came == []
    assert posted(f"http://127.0.0.1:{ears.port}/", inside=True) == 204


def test_a_name_that_turns_inward_when_it_is_used_reaches_nothing(
    ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check is on the address that is connected to: there is no moment between to change it in."""

    async def rebinding(_self: Any, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[Any]:
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": family, "proto": 0, "flags": 0}]

    monkeypatch.setattr(ThreadedResolver, "resolve", rebinding)
    with pytest.raises(OSError, match=r"leads inside|connect"):
        posted(f"http://hooks.example.org:{ears.port}/")
    assert ears.came == []


def test_a_redirect_is_not_followed(ears: Ears) -> None:
    ears.answers = [302]
    assert posted(f"http://127.0.0.1:{ears.port}/", inside=True) == 302
    assert len(ears.came) == 1


# ---------------------------------------------------------------- the file

GOOD = '[[targets]]\nname = "floor"\nurl = "https://h.example.org/"\nsecret = "KEY"\n'
BAD = [
    ("", "must hold one or more"), ("x = 1\n" + GOOD, "nothing else"), (GOOD + GOOD, "two targets have one name"),
    (GOOD.replace("https", "http"), "begins with https"), (GOOD.replace("https", "file"), "begins with https"),
    (GOOD.replace("h.example.org", "u:p@h.example.org"), "no user"),
    (GOOD.replace("org/", "org/#x"), "no fragment"),
    (GOOD.replace("https://h.example.org/", "https:///x"), "begins with https"),
    (GOOD.replace("h.example.org", "h.example.org:99999"), "begins with https"),
    (GOOD.replace('"KEY"', '"NOT_SET"'), "the variable NOT_SET is not set"),
    (GOOD.replace('"KEY"', '"k"'), "in capitals"),
    (GOOD.replace('secret = "KEY"\n', ""), "secret must name"), (GOOD + "colour = 1\n", "colour is not known"),
    (GOOD + 'form = "fax"\n', "form must be one of"), (GOOD + 'kinds = ["bad_*"]\n', "no kind of alert is like"),
    (GOOD + 'money = "yes"\n', "money must be true or false"), (GOOD.replace('"floor"', '"a b"'), "name must be"),
    (GOOD + "floors = 3\n", "floors must be a list"), ("[", "not valid TOML"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), BAD, ids=[one[1] for one in BAD])
def test_a_bad_target_is_told_in_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "targets.toml"
    file.write_text(text)
    with pytest.raises(TargetError, match=r"targets\.toml") as found:
        load_targets(file, {"KEY": "x"})
    assert said in str(found.value)


def test_the_example_is_a_file_of_targets(tmp_path: Path) -> None:
    text = CliRunner().invoke(main, ["notify", "targets"]).stdout
    file = tmp_path / "targets.toml"
    file.write_text(text.replace("# [[targets]]", "[[targets]]").replace("\n# ", "\n"))
    text = file.read_text().split("\n", 1)[1]
    file.write_text(text)
    environment = {"FLOOR_SECRET": "a", "PAGERDUTY_ROUTING_KEY": "b", "ZENDESK_AUTHORIZATION": "Basic c"}
    assert [one.form for one in load_targets(file, environment)] == ["webhook", "slack", "pagerduty", "zendesk"]
    done = CliRunner().invoke(main, ["notify", "check", str(file)], env=environment)
    assert "slack: slack, every kind, with money" in done.stdout


def test_a_target_can_be_tried(ears: Ears, tmp_path: Path) -> None:
    file = tmp_path / "targets.toml"
    file.write_text(GOOD.replace("https://h.example.org/", f"http://127.0.0.1:{ears.port}/") + "inside = true\n")
    ears.answers = [204, 500]
    run = [
        CliRunner().invoke(main, ["notify", "try", str(file), name], env={"KEY": "x"})
        for name in ("floor",) * 2 + ("x",)
    ]
    assert [one.exit_code for one in run] == [0, 1, 2]
    assert "floor answers 204" in run[0].stdout
    assert verified(ears.came[0][0], ears.came[0][1], "x", int(ears.came[0][0]["webhook-timestamp"]))


# ---------------------------------------------------------------- all of it

TARGETS = """
[[targets]]
name = "floor"
url = "http://127.0.0.1:{port}/"
secret = "KEY"
inside = true
kinds = ["service_failure_*"]
"""


def test_every_alert_arrives_once_through_failures_a_kill_and_a_restart(ears: Ears, tmp_path: Path) -> None:
    """What came before the first start is past; what comes while it is down is told when it is back."""
    file = tmp_path / "targets.toml"
    file.write_text(TARGETS.format(port=ears.port))
    with stage() as on:
        on.alerts(replace(SAMPLE, alert_id="0" * 31 + "f"))
        wanted = [replace(SAMPLE, customer_id=f"C{at}", alert_id=f"{at:032x}") for at in range(30)]
        quiet = replace(SAMPLE, kind="good_news_entered", moment=None, alert_id="9" * 32)
        ears.answers = [503, 204, 422, 500]
        first = office(on.environment, file)
        on.alerts(*wanted[:10], quiet)
        until(lambda: len(ears.came) >= 6)
        first.kill()
        first.communicate()
        on.alerts(*wanted[10:])
        second = office(on.environment, file)
        until(lambda: len({one["webhook-id"] for one, _ in ears.came}) == 30)
        second.send_signal(signal.SIGTERM)
        said = second.communicate(timeout=20)[0]
        assert second.returncode == 0, said
    ids = [one["webhook-id"] for one, _ in ears.came]
    assert set(ids) == {one.alert_id for one in wanted}
    # Two were asked again for an error of the target's, and the one under way at the kill may have come twice.
    assert len(ids) <= 30 + 2 + 1
    assert all(verified(one, body, "x", int(one["webhook-timestamp"])) for one, body in ears.came)


def office(environment: dict[str, str], file: Path) -> subprocess.Popen[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WHALELINE_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.cli", "notify", "run", str(file)],
        env={**kept, **environment, "PYTHONPATH": str(ROOT), "KEY": "x"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first.startswith("Telling floor"), first
    return process


def until(holds: Any) -> None:
    pause = threading.Event()
    for _ in range(600):
        if holds():
            return
        pause.wait(0.05)
    raise AssertionError("it did not come within 30 s")
