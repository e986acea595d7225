"""Who may do what on the desk: the table of roles, the file of rights, tokens, and a broker that goes away."""

from __future__ import annotations

import tomllib
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.cli import main
from streams.desk import access as rights
from streams.desk.access import Access, AccessError, Caller, digest_of, load_access
from streams.desk.action import ROLES, VERBS
from tests.desks import OWN_PAGE, DeskProcess, Stage, stage

NOW_MS = 1_800_000_000_000
TWIN = "story-value-destroyer-twin"
FILE = """
user_header = "X-Forwarded-User"
proxies = ["127.0.0.1"]
hosts = ["desk.example.org"]
[people]
"vi" = "viewer"
"ag" = "agent"
"ma" = "manager"
"ad" = "admin"
[[tokens]]
name = "crm"
role = "agent"
sha256 = "{crm}"
[[tokens]]
name = "old"
role = "admin"
sha256 = "{old}"
expires = 2020-01-01T00:00:00Z
"""
PEOPLE = {"viewer": "vi", "agent": "ag", "manager": "ma", "admin": "ad"}
LEAST = {
    "/v1/me": "viewer", "/v1/health": "viewer", "/v1/cards": "viewer", f"/v1/card?customer={TWIN}": "viewer",
    f"/v1/customer?customer={TWIN}": "viewer", f"/v1/timeline?customer={TWIN}": "viewer",
    f"/v1/may-contact?customer={TWIN}&purpose=marketing": "viewer", "/v1/openapi.json": "viewer", "/": "viewer",
    f"/v1/alerts?customer={TWIN}": "manager", "/v1/curve": "manager", "/v1/problems": "manager",
    "/v1/win-back": "manager", "/v1/lists": "manager", "/v1/incidents": "manager", "/v1/holds": "manager",
    "/v1/figures": "manager", "/v1/shadow": "manager",
}  # fmt: skip


@pytest.fixture(scope="module")
def broker() -> Iterator[Stage]:
    with stage() as on:
        on.stories("value_destroyer")
        yield on


@pytest.fixture(scope="module")
def desk(broker: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskProcess]:
    place = tmp_path_factory.mktemp("desk")
    file = place / "access.toml"
    file.write_text(FILE.format(crm=digest_of("crm-secret"), old=digest_of("old-secret")))
    with DeskProcess(broker.environment, place / "desk.log", "--access", str(file)) as one:
        yield one.ready()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("path", "least"), LEAST.items(), ids=list(LEAST))
def test_what_a_role_may_see(desk: DeskProcess, role: str, path: str, least: str) -> None:
    allowed = ROLES.index(role) >= ROLES.index(least)
    answer = desk.ask("GET", path, headers={"X-Forwarded-User": PEOPLE[role]})
    assert answer.status == (200 if allowed else 403)
    assert allowed or answer.body["error"].startswith(f"this needs the role {least}")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("verb", VERBS)
def test_what_a_role_may_do(desk: DeskProcess, role: str, verb: str) -> None:
    """Whoever may do it gets past the door: what is asked for then fails for a reason of its own."""
    user = {"X-Forwarded-User": PEOPLE[role]}
    body = {
        "action_id": uuid.uuid4().hex,
        "verb": verb,
        "customer_id": TWIN,
        "alert_id": "gone",
        "reason": "why",
        "until_ms": 1,
        "machine": "gem",
        "case_id": "c",
        "cause": "company",
        "undoes": "nothing-1",
    }
    if verb in ("snooze", "override"):
        body["until_ms"] = desk.get("/v1/health", **user)["now_ms"] + 1_000_000
        body["machine"] = "churn_risk"
    if verb == "release":
        body["incident_id"] = "none-0-1"
    answer = desk.ask("POST", "/v1/actions", body, {**OWN_PAGE, **user})
    assert answer.status == (404 if ROLES.index(role) >= ROLES.index(VERBS[verb]) else 403), answer


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "the proxy sent no name"),
        ({"X-Forwarded-User": "stranger"}, "you are not among the people"),
        ({"X-Forwarded-User": "x" * 65}, "the proxy sent no name"),
        ({"Authorization": "Bearer nonsense"}, "this token is not known"),
        ({"Authorization": "Basic YTpi"}, "send the token as"),
        ({"Authorization": "Bearer old-secret"}, "the token old has expired"),
        ({"Authorization": "Bearer nonsense", "X-Forwarded-User": "ad"}, "this token is not known"),
    ],
)
def test_nobody_comes_in_unknown(desk: DeskProcess, headers: dict[str, str], said: str) -> None:
    for path in ("/v1/cards", "/v1/stream", "/", "/static/desk.js", "/nowhere"):
        answer = desk.ask("GET", path, headers=headers)
        assert (answer.status, said in answer.body["error"]) == (401, True), (path, answer)


def test_a_machine_acts_by_its_token_and_under_its_name(desk: DeskProcess) -> None:
    token = {"Authorization": "Bearer crm-secret", "Content-Type": "application/json"}
    card = desk.get(f"/v1/card?customer={TWIN}", **token)["card"]
    body = {"action_id": uuid.uuid4().hex, "verb": "acknowledge", "customer_id": TWIN, "alert_id": card["alert"]}
    answer = desk.ask("POST", "/v1/actions", body, token)
    assert (answer.status, answer.body["card"]["acknowledged_by"]) == (200, "crm")
    assert "money" not in answer.body["card"]


def test_a_role_can_be_lessened_and_never_raised(desk: DeskProcess) -> None:
    for user, asked, got in (("ad", "agent", "agent"), ("ag", "admin", "agent"), ("vi", "nonsense", "viewer")):
        for headers, query in (({"X-Desk-Role": asked}, ""), ({}, f"?role={asked}")):
            assert desk.get(f"/v1/me{query}", **headers, **{"X-Forwarded-User": user})["role"] == got


def test_the_proxy_is_believed_from_its_own_address_alone(tmp_path: Path) -> None:
    file = tmp_path / "access.toml"
    file.write_text(FILE.format(crm=digest_of("c"), old=digest_of("o")))
    found = load_access(str(file), "0.0.0.0")
    assert found.caller({"X-Forwarded-User": "ma"}, "127.0.0.1", NOW_MS) == Caller("ma", "manager")
    with pytest.raises(AccessError, match="sign in through the proxy"):
        found.caller({"X-Forwarded-User": "ma"}, "10.1.2.3", NOW_MS)
    file.write_text(file.read_text().replace('["127.0.0.1"]', '["10.1.0.0/16", "fd00::/8"]'))
    found = load_access(str(file), "0.0.0.0")
    for peer, believed in (
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("fd00::7", True),
        ("10.2.0.1", False),
        ("127.0.0.1", False),
    ):
        assert found._is_proxy(peer) is believed, peer
    assert not found._is_proxy("")
    assert found.host_is_ours("desk.example.org:443")
    assert found.host_is_ours("LOCALHOST:8080")
    assert not found.host_is_ours("desk.example.org.evil.example")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour = 1", "colour is not known"),
        ("user_header = 'a b'", "user_header must be"),
        ("proxies = 'x'", "proxies must be a list"),
        ("proxies = ['desk-proxy']", "desk-proxy of proxies is no address"),
        ("proxies = ['10.1.2.3/24']", "nor a network such as 10.1.2.0/24"),
        ("proxies = ['0.0.0.0/0']", "would believe everybody"),
        ("[people]\njo = 'king'", "the role of jo"),
        ("people = 3", "the role of people"),
        ("[[tokens]]\nname = 'x'\nrole = 'agent'\nsha256 = 'short'", "64 hex digits"),
        ("[[tokens]]\nrole = 'agent'\nsha256 = '" + "0" * 64 + "'", "a name and one of the roles"),
        (
            "[[tokens]]\nname = 'x'\nrole = 'agent'\nexpires = 2026-01-01\nsha256 = '" + "0" * 64 + "'",
            "with a zone",
        ),
        ("tokens = 3", "written as"),
        ("[", "not valid TOML"),
    ],
)
def test_a_bad_file_of_rights_is_told_in_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "access.toml"
    file.write_text(text)
    with pytest.raises(AccessError, match=r"access\.toml") as found:
        load_access(str(file), "0.0.0.0")
    assert said in str(found.value)


def test_without_rights_nobody_else_is_let_in() -> None:
    assert load_access("", "127.0.0.1") == Access()
    assert load_access("", "::1").open
    for bind in ("0.0.0.0", "::", "10.0.0.1", "desk.example.org"):
        with pytest.raises(AccessError, match="would let everybody in"):
            load_access("", bind)
    with pytest.raises(AccessError, match="cannot be read"):
        load_access("gone.toml", "127.0.0.1")


def test_the_example_and_a_made_token_are_a_file_of_rights(tmp_path: Path) -> None:
    made = CliRunner().invoke(main, ["desk", "token", "--name", "crm", "--role", "agent", "--days", "1"])
    secret = made.stderr.splitlines()[0].removeprefix("Authorization: Bearer ")
    file = tmp_path / "access.toml"
    file.write_text(CliRunner().invoke(main, ["desk", "access"]).stdout + made.stdout)
    found = load_access(str(file), "0.0.0.0")
    (token,) = found.tokens
    caller = found.caller({"Authorization": f"Bearer {secret}"}, "10.0.0.9", (token.expires_ms or 0) - 1)
    assert caller == Caller("crm", "agent", machine=True)
    assert secret not in file.read_text()
    assert tomllib.loads(rights.EXAMPLE)["people"]["*"] == "agent"


def test_a_desk_says_what_is_wrong_before_it_starts(broker: Stage) -> None:
    run = CliRunner()

    def refusal(*arguments: str, **environment: str) -> str:
        done = run.invoke(main, ["desk", *arguments], env={**broker.environment, **environment})
        assert done.exit_code == 76, done.output
        (said,) = done.stderr.splitlines()
        return said

    assert "would let everybody in" in refusal("--bind", "0.0.0.0")
    assert "no Kafka broker can be reached" in refusal("--broker", "127.0.0.1:1")
    assert "topic x-alerts does not exist" in refusal(WHALELINE_TOPICS_PREFIX="x-").replace(
        "x-whaleline-ledger", "x-alerts"
    )
    assert "give the desk the workers' settings" in refusal(WHALELINE_LEDGER_PARTITIONS="5")


def test_with_kafka_away_the_desk_greys_keeps_what_it_has_and_refuses(tmp_path: Path) -> None:
    with stage() as on:
        on.stories("value_destroyer")
        one = DeskProcess(on.environment, tmp_path / "desk.log").ready()
        events = one.stream()
        following = events.__enter__()
        next(following)
    try:
        away = next(change for _, _, change in following if change["status"]["away_since_ms"])
        assert away["now_ms"] - 30_000 < away["status"]["away_since_ms"] <= away["now_ms"]
        refused = one.act("acknowledge", TWIN)
        assert (refused.status, "nothing was written" in refused.body["error"]) == (503, True)
        assert one.card(TWIN)["state"] == "open"
        assert one.ask("GET", "/readyz").status == 503
        assert one.ask("GET", "/livez").status == 200
    finally:
        events.__exit__(None, None, None)
        assert one.stop() == 0, one.log.read_text()
    assert TWIN not in one.log.read_text()


def test_a_desk_stops_in_order(broker: Stage, tmp_path: Path) -> None:
    """SIGTERM with a viewer still there: it goes, and says nothing of it."""
    one = DeskProcess(broker.environment, tmp_path / "desk.log").ready()
    with one.stream() as events:
        next(events)
        one.process.terminate()
        assert one.process.wait(15) == 0
    one.stop()
    with pytest.raises(ConnectionError):
        one.ask("GET", "/livez")
