"""What people do on the desk, as it stands on the desk-actions topic: who, what, about which alert, and why.

An action names the newest alert of the customer that the person saw, so that its meaning depends on no clock and
on no order between topics. Its id is the caller's: the same id is the same action, however often it is sent.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import msgpack

from schemas.codes import ALERT_NAMES, Cause

VERSION = 1
DAY_MS = 86_400_000
MOST_SNOOZE_MS = 180 * DAY_MS
"""A snooze or an override that ends later than this is one that nobody looks at again."""

VERBS = {
    "acknowledge": "agent",
    "assign": "agent",
    "snooze": "agent",
    "disagree": "agent",
    "resolve": "agent",
    "undo": "agent",
    "override": "manager",
    "cause": "manager",
    "release": "manager",
}
"""What may be done, and the least role that may do it."""

WITH_REASON = frozenset({"snooze", "disagree", "override", "release"})
WITH_END = frozenset({"snooze", "override"})
FOR_GOOD = frozenset({"undo", "cause", "release"})
"""What no undo takes back: it stands in the ledger already, or is an undo."""

ROLES = ("viewer", "agent", "manager", "admin")
CAUSES = tuple(one.name.lower() for one in Cause)
MACHINES = tuple(ALERT_NAMES.values())

_ID = re.compile(r"[A-Za-z0-9_-]{8,48}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
REASON_MOST, TEXT_MOST = 500, 64


class ActionError(ValueError):
    """An action that cannot be taken; one sentence for the person."""


@dataclass(frozen=True, slots=True)
class Action:
    """One action. ``expects`` is the owner that the person saw: an assignment loses to one that came first."""

    action_id: str
    verb: str
    author: str
    role: str
    ts_ms: int
    customer_id: str | None = None
    alert_id: str | None = None
    reason: str | None = None
    owner: str | None = None
    expects: str | None = None
    until_ms: int | None = None
    machine: str | None = None
    case_id: str | None = None
    cause: str | None = None
    incident_id: str | None = None
    undoes: str | None = None

    @property
    def key(self) -> str:
        """Key of its record: whatever is about one customer, or one incident, stays in order."""
        return self.customer_id or self.incident_id or ""

    def as_map(self) -> dict[str, Any]:
        """The action as the map that is sent."""
        return {"version": VERSION, **asdict(self)}

    def to_msgpack(self) -> bytes:
        """The action's bytes on the desk-actions topic."""
        return bytes(msgpack.packb(self.as_map()))

    @classmethod
    def of(cls, value: bytes) -> "Action":
        """The action a record holds; raises ``ActionError`` for any other bytes."""
        try:
            body = msgpack.unpackb(value)
        except (ValueError, msgpack.UnpackException) as error:
            raise ActionError(f"a record is not msgpack: {type(error).__name__}") from None
        if not isinstance(body, dict) or body.pop("version", None) != VERSION:
            raise ActionError(f"a record is not of version {VERSION}: start a newer whaleline")
        return _checked({name: body.get(name) for name in _NAMES})


_NAMES = tuple(one.name for one in fields(Action))
_ASKED = frozenset(_NAMES) - {"author", "role", "ts_ms"}


def asked(body: Any, author: str, role: str, now_ms: int) -> Action:
    """The action that somebody asks for in JSON; raises ``ActionError`` with what to do about it."""
    if not isinstance(body, dict):
        raise ActionError("send one JSON object")
    unknown = sorted(set(body) - _ASKED)
    if unknown:
        raise ActionError(
            f"{unknown[0][:40]!r} is not a field of an action; there are {', '.join(sorted(_ASKED))}"
        )
    given = {name: body.get(name) for name in _NAMES}
    action = _checked({**given, "author": author, "role": role, "ts_ms": now_ms})
    if action.verb in WITH_END:
        _check_end(action.until_ms, now_ms)
    return action


def _check_end(until_ms: int | None, now_ms: int) -> None:
    if until_ms is None or not now_ms < until_ms <= now_ms + MOST_SNOOZE_MS:
        raise ActionError(f"until_ms must lie ahead, by at most {MOST_SNOOZE_MS // DAY_MS} days")


def _checked(given: Mapping[str, Any]) -> Action:
    """An action whose fields have their types and lengths, and that has what its verb needs."""
    verb, action_id = given["verb"], given["action_id"]
    if not isinstance(verb, str) or verb not in VERBS:
        raise ActionError(f"verb must be one of {', '.join(VERBS)}")
    if not isinstance(action_id, str) or not _ID.fullmatch(action_id):
        raise ActionError("action_id must be 8 to 48 letters, digits, '-' or '_', made anew for each action")
    if type(given["ts_ms"]) is not int or given["role"] not in ROLES:
        raise ActionError("an action has a time and a role")
    for name in (
        "author",
        *(one for one in _NAMES if one not in ("verb", "action_id", "ts_ms", "role", "until_ms")),
    ):
        _check_text(name, given[name])
    until_ms = given["until_ms"]
    if until_ms is not None and not (type(until_ms) is int and abs(until_ms) < 2**53):
        raise ActionError("until_ms must be a whole number, ms UTC")
    action = Action(**given)
    for name in _needed(verb):
        if not getattr(action, name):
            raise ActionError(f"{verb} needs {name}")
    if verb == "override" and action.machine not in MACHINES:
        raise ActionError(f"machine must be one of {', '.join(MACHINES)}")
    if verb == "cause" and action.cause not in CAUSES:
        raise ActionError(f"cause must be one of {', '.join(CAUSES)}")
    return action


def _needed(verb: str) -> tuple[str, ...]:
    about = ("incident_id",) if verb == "release" else ("customer_id", "alert_id")
    more = {"override": ("machine",), "cause": ("case_id", "cause"), "undo": ("undoes",)}.get(verb, ())
    why = ("reason",) if verb in WITH_REASON else ()
    end = ("until_ms",) if verb in WITH_END else ()
    return ("author", *about, *more, *why, *end)


def _check_text(name: str, value: Any) -> None:
    """Refuse what is no text, too long, or could disturb a line: control marks, marks that turn text around."""
    if value is None:
        return
    most = REASON_MOST if name == "reason" else TEXT_MOST
    if not isinstance(value, str):
        raise ActionError(f"{name} must be text")
    if len(value.encode("utf-8", "surrogatepass")) > most:
        raise ActionError(f"{name} must have at most {most} bytes")
    if _CONTROL.search(value) or any(0xD800 <= ord(one) <= 0xDFFF for one in value):
        raise ActionError(f"{name} must be plain text in one line")
