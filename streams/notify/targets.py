"""Where alerts are told, from a TOML file: an address, a form, a secret, and which alerts.

Secrets stand in the environment; the file names the variable. Anything that cannot be used is one sentence.
"""

import base64
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from schemas.alerts import KINDS, Alert

FORMS = ("webhook", "slack", "pagerduty", "zendesk", "crm")
PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"
EXAMPLE = """\
# Where alerts are told. `whaleline notify check FILE` reads it; `whaleline notify try FILE NAME` sends a sample.

[[targets]]
name = "floor"                                   # its memory of what was told is kept under this name
form = "webhook"                                 # webhook, slack, pagerduty, zendesk or crm
url = "https://hooks.example.org/whaleline"
secret = "FLOOR_SECRET"                          # a variable of the environment: the key that signs
kinds = ["service_failure_*", "churn_risk_*"]    # left out: every kind

# [[targets]]
# name = "slack"
# form = "slack"
# url = "https://hooks.slack.com/services/T0/B0/x"
# floors = ["north"]                             # left out: every floor
# money = true                                   # with amounts and labels: for a manager's channel alone

# [[targets]]
# name = "on-call"
# form = "pagerduty"                             # its address is known
# secret = "PAGERDUTY_ROUTING_KEY"
# kinds = ["service_failure_escalated", "service_failure_cleared"]

# [[targets]]
# name = "tickets"
# form = "zendesk"
# url = "https://acme.zendesk.com/api/v2/tickets"
# authorization = "ZENDESK_AUTHORIZATION"        # a variable with the whole header: Basic ... or Bearer ...
"""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,40}")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,100}")


class TargetError(ValueError):
    """A target that cannot be used; one sentence with its name, key and what is allowed."""


@dataclass(frozen=True, slots=True)
class Target:
    """One place where alerts are told. ``inside`` lets it lie in a private network, which is refused otherwise."""

    name: str
    form: str
    url: str
    secret: str = ""
    authorization: str = ""
    kinds: tuple[str, ...] = ()
    floors: tuple[str, ...] = ()
    money: bool = False
    inside: bool = False

    def wants(self, alert: Alert) -> bool:
        """Whether this alert is told here."""
        kind = not self.kinds or any(fnmatchcase(alert.kind, one) for one in self.kinds)
        return kind and (not self.floors or alert.owner in self.floors)


_KNOWN = {one.name for one in fields(Target)}


def load_targets(place: str | Path, environment: Mapping[str, str]) -> list[Target]:
    """The targets of a file, with their secrets; raises ``TargetError``."""
    try:
        table = tomllib.loads(Path(place).read_text(encoding="utf-8"))
    except OSError as error:
        raise TargetError(f"{place} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TargetError(f"{place}: not valid TOML: {error}") from None
    listed = table.pop("targets", None)
    if table or not isinstance(listed, list) or not listed:
        raise TargetError(f"{place}: it must hold one or more [[targets]], and nothing else")
    found = [_target(one, f"{place}: target {number}", environment) for number, one in enumerate(listed, 1)]
    names = [one.name for one in found]
    if len(set(names)) != len(names):
        raise TargetError(f"{place}: two targets have one name; each needs its own, by which its memory is kept")
    return found


def _target(given: Any, where: str, environment: Mapping[str, str]) -> Target:
    if not isinstance(given, dict):
        raise TargetError(f"{where} must be a table")
    name = given.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise TargetError(f"{where}: name must be 1 to 40 letters, digits, '.', '_' or '-'")
    where = f"{where} ({name})"
    unknown = sorted(set(given) - _KNOWN)
    if unknown:
        raise TargetError(f"{where}: {unknown[0]} is not known; allowed are {', '.join(sorted(_KNOWN))}")
    form = given.get("form", "webhook")
    if form not in FORMS:
        raise TargetError(f"{where}: form must be one of {', '.join(FORMS)}")
    inside = _flag(given, "inside", where)
    url = _url(given.get("url", PAGERDUTY if form == "pagerduty" else None), inside, where)
    kinds = _texts(given, "kinds", where)
    for one in kinds:
        if not any(fnmatchcase(kind, one) for kind in KINDS):
            raise TargetError(f"{where}: no kind of alert is like {one!r}")
    secret, authorization = (_variable(given, key, where, environment) for key in ("secret", "authorization"))
    if form in ("webhook", "pagerduty") and not secret:
        raise TargetError(f"{where}: secret must name a variable of the environment")
    return Target(
        name=name, form=form, url=url, secret=secret, authorization=authorization, kinds=kinds,
        floors=_texts(given, "floors", where), money=_flag(given, "money", where), inside=inside,
    )  # fmt: skip


def _url(url: Any, inside: bool, where: str) -> str:
    """An https address with a name, no user, no fragment; http only where the network is one's own."""
    try:
        parts = (
            urlsplit(url)
            if isinstance(url, str) and url.isascii() and url.isprintable() and " " not in url
            else None
        )
        port = parts.port if parts is not None else None
    except ValueError:
        parts, port = None, None
    schemes = ("https", "http") if inside else ("https",)
    if parts is None or parts.scheme not in schemes or not parts.hostname or port == 0:
        raise TargetError(f"{where}: url must be an address that begins with {' or '.join(schemes)}://")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise TargetError(f"{where}: url must hold no user, no password and no fragment: use authorization")
    return str(url)


def _variable(given: dict[str, Any], key: str, where: str, environment: Mapping[str, str]) -> str:
    name = given.get(key, "")
    if not name:
        return ""
    if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
        raise TargetError(f"{where}: {key} must be the name of a variable of the environment, in capitals")
    value = environment.get(name, "")
    if not value or not value.isprintable():
        raise TargetError(f"{where}: the variable {name} is not set, or is no line of text")
    return value


def _flag(given: dict[str, Any], key: str, where: str) -> bool:
    value = given.get(key, False)
    if not isinstance(value, bool):
        raise TargetError(f"{where}: {key} must be true or false")
    return value


def _texts(given: dict[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = given.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise TargetError(f"{where}: {key} must be a list of texts")
    return tuple(value)


def signing_key(secret: str) -> bytes:
    """The bytes that sign: of a secret with the mark of Standard Webhooks what its base64 holds, else the text."""
    if secret.startswith("whsec_"):
        try:
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except ValueError:
            return secret.encode()
    return secret.encode()
