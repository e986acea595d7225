"""An alert from its map, ten times as fast as ``Alert.of``: a desk reads a month of them when it starts."""

from dataclasses import fields
from typing import Any

from schemas.alerts import Alert, Evidence, Gesture, Step


def _names(shape: type[Any]) -> tuple[str, ...]:
    return tuple(one.name for one in fields(shape))


_ALERT, _EVIDENCE, _GESTURE, _STEP = _names(Alert), _names(Evidence), _names(Gesture), _names(Step)


def alert_of(sent: dict[str, Any]) -> Alert:
    """The alert of a map from the topic, equal to that of ``Alert.of``; raises what a broken map leads to."""
    found = {name: sent[name] for name in _ALERT if name in sent}
    for name in ("actions", "action_cents", "action_minutes", "clears_when"):
        found[name] = tuple(found[name])
    found["evidence"] = tuple(_evidence(one) for one in found["evidence"])
    found["clear_path"] = tuple(
        tuple(Step(**{name: step[name] for name in _STEP if name in step}) for step in way)
        for way in found["clear_path"]
    )
    gesture = found["gesture"]
    if gesture is not None:
        found["gesture"] = Gesture(**{name: gesture[name] for name in _GESTURE if name in gesture})
    return Alert(**found)


def _evidence(sent: dict[str, Any]) -> Evidence:
    one = {name: sent[name] for name in _EVIDENCE if name in sent}
    one["event_digests"] = tuple(one["event_digests"])
    return Evidence(**one)
