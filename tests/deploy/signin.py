"""A person signs in with a real oauth2-proxy at an OpenID provider of this check's own, and works on a real desk.

The provider is a few lines on loopback that sign with a key made by openssl. The proxy reads
deploy/desk/oauth2-proxy.cfg; only addresses and secrets are given beside it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.cookiejar import CookieJar
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.broker.kafka import HOST, free_port
from tests.desks import DeskProcess, stage, story_alerts
from tests.monitoring.watchers import until

CLIENT = "the-desk"
MANAGER, STRANGER = "jo@example.org", "eve@elsewhere.example"
STORY, CARD = "wrong_part_twice", "story-wrong-part-twice"
RIGHTS = f"""
user_header = "X-Forwarded-Email"
proxies = ["{HOST}"]
hosts = ["desk.example.org"]
[people]
"{MANAGER}" = "manager"
"*" = "agent"
"""
PLANTED = (
    ('email_domains = ["example.org"]', 'email_domains = ["*"]', "somebody of another company is let in"),
    ('api_routes = ["^/v1/"]', "", "whoever has not signed in gets no plain answer"),
)


def _text(raw: bytes) -> str:
    """Bytes as tokens hold them."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Provider:
    """An OpenID provider at which ``person`` signs in without being asked."""

    def __init__(self, home: Path) -> None:
        self.person = MANAGER
        self._key = home / "key.pem"
        subprocess.run(["openssl", "genrsa", "-out", str(self._key), "2048"], check=True, capture_output=True)
        told = subprocess.run(
            ["openssl", "rsa", "-in", str(self._key), "-noout", "-modulus"], check=True, capture_output=True
        )
        self._modulus = bytes.fromhex(told.stdout.decode().partition("=")[2].strip())
        self._asked: dict[str, dict[str, str]] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urllib.parse.urlsplit(self.path)
                if parts.path == "/authorize":
                    self.send_response(302)
                    self.send_header("Location", provider.granted(dict(urllib.parse.parse_qsl(parts.query))))
                    self.end_headers()
                else:
                    self._tell(provider.keys() if parts.path == "/keys" else provider.about())

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self._tell(provider.token(dict(urllib.parse.parse_qsl(sent))))

            def _tell(self, what: dict[str, Any]) -> None:
                body = json.dumps(what).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def about(self) -> dict[str, Any]:
        """What a provider says of itself."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def keys(self) -> dict[str, Any]:
        """The key that checks signatures."""
        key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1", "n": _text(self._modulus), "e": "AQAB"}
        return {"keys": [key]}

    def granted(self, asked: dict[str, str]) -> str:
        """Where a browser is sent whose person has signed in."""
        code = secrets.token_urlsafe()
        self._asked[code] = asked
        back = urllib.parse.urlencode({"code": code, "state": asked["state"]})
        return f"{asked['redirect_uri']}?{back}"

    def token(self, sent: dict[str, str]) -> dict[str, Any]:
        """The signed word on who it is; only for whoever began the sign-in."""
        asked = self._asked.pop(sent["code"])
        proof = _text(hashlib.sha256(sent["code_verifier"].encode()).digest())
        assert proof == asked["code_challenge"], "the proxy did not prove that it had begun"
        now_s = int(time.time())
        claims = {
            "iss": self.url, "sub": "7", "aud": asked["client_id"], "iat": now_s, "exp": now_s + 600,
            "nonce": asked.get("nonce", ""), "email": self.person, "email_verified": True,
        }  # fmt: skip
        signed = ".".join(_text(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "1"}, claims))
        done = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", str(self._key)], input=signed.encode(), capture_output=True,
            check=True,
        )  # fmt: skip
        return {"access_token": "a", "token_type": "Bearer", "id_token": f"{signed}.{_text(done.stdout)}"}

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class Browser:
    """Follows redirects and keeps cookies, as a person's browser does."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(CookieJar())
        )

    def ask(self, path: str, body: dict[str, Any] | None = None, **headers: str) -> tuple[int, str]:
        """Status and text of an answer."""
        data = None if body is None else json.dumps(body).encode()
        own = {} if body is None else {"Content-Type": "application/json", "X-Desk": "1"}
        request = urllib.request.Request(self._url + path, data, {**own, **headers})
        try:
            with self._opener.open(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    @contextmanager
    def stream(self) -> Iterator[Any]:
        """The desk's changes, line by line."""
        with self._opener.open(self._url + "/v1/stream", timeout=30) as answer:
            yield answer


@contextmanager
def proxy(program: str, config: Path, provider: Provider, desk: str, home: Path) -> Iterator[str]:
    """oauth2-proxy before a desk; its address."""
    port = free_port()
    url = f"http://{HOST}:{port}"
    given = {
        "CLIENT_ID": CLIENT,
        "CLIENT_SECRET": secrets.token_urlsafe(),
        "COOKIE_SECRET": secrets.token_urlsafe(24)[:32],
        "OIDC_ISSUER_URL": provider.url,
        "REDIRECT_URL": f"{url}/oauth2/callback",
        "HTTP_ADDRESS": f"{HOST}:{port}",
        "UPSTREAMS": f"{desk}/",
        "COOKIE_SECURE": "false",
    }
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment = {**kept, **{f"OAUTH2_PROXY_{name}": value for name, value in given.items()}}
    log = home / "oauth2-proxy.log"
    with log.open("wb") as out:
        process = subprocess.Popen([program, "--config", str(config)], env=environment, stdout=out, stderr=out)

    def answers() -> bool:
        assert process.poll() is None, log.read_text(errors="replace")
        try:
            return Browser(url).ask("/ping")[0] == 200
        except OSError:
            return False

    try:
        until("the proxy answers", answers, 30, lambda: log.read_text(errors="replace"))
        yield url
    finally:
        process.terminate()
        process.wait()


def works(url: str, provider: Provider, told: Any) -> str | None:
    """What does not work for the people who come through a proxy; None if all of it does."""
    provider.person = MANAGER
    jo = Browser(url)
    if jo.ask("/v1/cards")[0] != 401:
        return "whoever has not signed in gets no plain answer"
    status, page = jo.ask("/")
    if status != 200 or "<html" not in page:
        return f"the page does not come after signing in: {status} {page[:200]}"
    me = json.loads(jo.ask("/v1/me", **{"X-Forwarded-Email": "boss@example.org", "X-Forwarded-User": "boss"})[1])
    if (me.get("name"), me.get("role")) != (MANAGER, "manager"):
        return f"whoever signed in is somebody else to the desk: {me}"
    card = json.loads(jo.ask(f"/v1/card?customer={CARD}")[1])["card"]
    body = {"action_id": uuid.uuid4().hex, "verb": "acknowledge", "customer_id": CARD, "alert_id": card["alert"]}
    status, answer = jo.ask("/v1/actions", body)
    if status != 200 or json.loads(answer)["card"]["acknowledged_by"] != MANAGER:
        return f"an action is not taken: {status} {answer}"
    undo = {**body, "action_id": uuid.uuid4().hex, "verb": "undo", "undoes": body["action_id"]}
    if jo.ask("/v1/actions", undo)[0] != 200:
        return "an action is not taken back"
    with jo.stream() as lines:
        told()
        if not any(b"month-of-ads" in line for line in lines):
            return "a change does not come through"
    provider.person = STRANGER
    if Browser(url).ask("/")[0] != 403:
        return "somebody of another company is let in"
    return None


def check(program: str, config: Path) -> None:
    """Sign in and work; and notice each planted mistake for what it does."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="whaleline-signin-")))
        provider = Provider(home)
        stack.callback(provider.close)
        (home / "access.toml").write_text(RIGHTS, encoding="utf-8")
        stage_ = stack.enter_context(stage())
        stage_.stories(STORY)
        started = DeskProcess(stage_.environment, home / "desk.log", "--access", str(home / "access.toml"))
        desk = stack.enter_context(started).ready()

        def told() -> None:
            stage_.alerts(*story_alerts("month_of_ads"))

        with proxy(program, config, provider, desk.url, home) as url:
            complaint = works(url, provider, told)
        assert complaint is None, complaint
        text = config.read_text(encoding="utf-8")
        for right, wrong, noticed in PLANTED:
            assert right in text, f"the file does not hold {right!r} any more: plant another mistake"
            (home / "planted.cfg").write_text(text.replace(right, wrong), encoding="utf-8")
            with proxy(program, home / "planted.cfg", provider, desk.url, home) as url:
                assert works(url, provider, told) == noticed, f"{wrong!r} was not noticed"
