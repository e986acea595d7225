"""What a desk reads of others, looked at before it is believed: a record that is odd must never stop a desk.

An alert is read ten times as fast as by ``Alert.of``: a desk reads a month of them when it starts.
"""

from dataclasses import fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from schemas.alerts import KINDS, Alert, Evidence, Gesture, Hold, Incident, Step


class Odd(ValueError):
    """A record is not of the shape that this version reads."""


def _names(shape: type[Any]) -> tuple[str, ...]:
    return tuple(one.name for one in fields(shape))


_ALERT, _EVIDENCE, _GESTURE, _STEP = _names(Alert), _names(Evidence), _names(Gesture), _names(Step)
_KNOWN = frozenset(KINDS)


def alert_of(sent: dict[str, Any]) -> Alert:
    """The alert of a map from the topic, equal to that of ``Alert.of``; raises what a broken map leads to."""
    found = {name: sent[name] for name in _ALERT if name in sent}
    for name in ("actions", "action_cents", "action_minutes", "clears_when"):
        found[name] = tuple(found[name])
    found["evidence"] = tuple(_evidence(one) for one in found["evidence"])
    found["clear_path"] = tuple(
        tuple(_sound(Step(**{name: step[name] for name in _STEP if name in step})) for step in way)
        for way in found["clear_path"]
    )
    gesture = found["gesture"]
    if gesture is not None:
        found["gesture"] = _sound(Gesture(**{name: gesture[name] for name in _GESTURE if name in gesture}))
    alert: Alert = _sound(Alert(**found))
    if alert.kind not in _KNOWN or len(alert.clear_path) != len(alert.clears_when):
        raise Odd("an alert is of a kind that this version does not know")
    if not len(alert.actions) == len(alert.action_cents) == len(alert.action_minutes):
        raise Odd("an alert's actions and their prices differ in number")
    return alert


def _evidence(sent: dict[str, Any]) -> Any:
    one = {name: sent[name] for name in _EVIDENCE if name in sent}
    one["event_digests"] = tuple(one["event_digests"])
    return _sound(Evidence(**one))


def hold_of(sent: dict[str, Any]) -> Hold:
    """The hold of a map from the topic; raises what a broken map leads to."""
    found = {name: sent[name] for name in _names(Hold)}
    for name in ("reasons", "purposes"):
        found[name] = tuple(found[name])
    hold: Hold = _sound(Hold(**found))
    return hold


def incident_of(sent: dict[str, Any]) -> Incident:
    """The incident of a map from the topic; raises what a broken map leads to."""
    incident: Incident = _sound(Incident.of(sent))
    return incident


def _sound(value: Any) -> Any:
    """The value, once each of its fields has been seen to be of its type."""
    shape: Any = type(value)
    for name, kinds, inner in _types_of(shape):
        found = getattr(value, name)
        if type(found) not in kinds or (inner and any(type(one) not in inner for one in found)):
            raise Odd(f"{name} of a record is not of its type")
    return value


@cache
def _types_of(shape: Any) -> tuple[tuple[str, frozenset[Any], frozenset[Any] | None], ...]:
    """Each field's name, the types it may have, and those of what it holds."""
    out = []
    for name, hint in get_type_hints(shape).items():
        inner = _plain(get_args(hint)[0]) if get_origin(hint) is tuple else None
        out.append((name, _plain(hint), inner))
    return tuple(out)


def _plain(hint: Any) -> frozenset[Any]:
    if get_origin(hint) is UnionType:
        return frozenset().union(*(_plain(one) for one in get_args(hint)))
    if get_origin(hint) is tuple:
        return frozenset({tuple})
    if hint is float:
        return frozenset({float, int})
    return frozenset({NoneType if hint is None else hint})
