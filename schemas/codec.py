"""Bytes to events and back. The same bytes always get the same verdict: an ``Event`` or a ``Reject``.

Nothing here looks at a clock, a policy or a topic's history, so a retry repeats the verdict exactly. This is the
law; ``kernels.decode`` reads the plain msgpack events faster, to the same end, and leaves all others to it.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgpack

from schemas.codes import FIRST_PURCHASE_KIND, Answer, Kind, Reason
from schemas.events import FIELD, MAX_BYTES, MAX_FIELDS, NEEDED, PPM, SHAPES, VERSION, Event, Field, Type

MAX_DEPTH = 64
"""How deep JSON may nest; far from Python's own limit, which depends on who calls."""

_JSON_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)

_KINDS = {kind.name.lower(): kind for kind in Kind}
_ALLOWED = {kind: shape.allowed for kind, shape in SHAPES.items()}


@dataclass(frozen=True, slots=True)
class Reject:
    """A payload that is not an event: the reason code and a sentence without any customer's data."""

    reason: Reason
    detail: str


class _Refusal(Exception):
    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reject = Reject(reason, detail)


def decode(raw: bytes | None, *, purchases: bool | None, currency: str = "USD") -> Event | Reject:
    """Read one msgpack or JSON payload of a source topic; a bad one is a ``Reject``, never an exception.

    ``purchases`` says which of the two source topics it came from, None that events of both are welcome. Unknown
    fields are ignored. JSON is told apart from msgpack by its first byte.
    """
    try:
        return _event(_fields(raw), purchases, currency)
    except _Refusal as refusal:
        return refusal.reject


def encode(fields: Mapping[str, Any]) -> bytes:
    """Write one event's fields as msgpack, ``version`` first; the fields are the wire's own names."""
    return bytes(msgpack.packb({"version": VERSION, **fields}))


def fields_of(event: Event) -> dict[str, Any]:
    """The wire's fields of an accepted event, as they would be sent again."""
    out: dict[str, Any] = {}
    for name, number in event.numbers.items():
        one = FIELD[name]
        if one.type is Type.CODE and one.codes is not None:
            out[name] = one.codes(number).name.lower()
        elif one.type is Type.BOOLEAN:
            out[name] = number == Answer.YES
        elif one.type is Type.RATIO:
            out[name] = number / PPM
        else:
            out[name] = number
    return {**out, **event.texts}


def _fields(raw: bytes | None) -> dict[str, Any]:
    if not raw:
        raise _Refusal(Reason.EMPTY, "the record has no value")
    if len(raw) > MAX_BYTES:
        raise _Refusal(Reason.TOO_LARGE, f"the value has {len(raw)} bytes, allowed are {MAX_BYTES}")
    try:
        found = _from_json(raw) if raw[0] in b"{ \t\r\n" else _from_msgpack(raw)
    except _Refusal:
        raise
    except (RecursionError, msgpack.exceptions.StackError):
        raise _Refusal(Reason.TOO_DEEP, "the value is nested too deeply") from None
    except (ValueError, TypeError, OverflowError, msgpack.exceptions.UnpackException) as error:
        raise _Refusal(
            Reason.UNDECODABLE, f"the value is neither msgpack nor JSON: {type(error).__name__}"
        ) from None
    if not isinstance(found, dict):
        raise _Refusal(Reason.NOT_A_MAP, f"the value is a {type(found).__name__}, not a map of fields")
    return found


def _pairs(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    out: dict[Any, Any] = {}
    count = 0
    for count, (name, value) in enumerate(pairs, 1):  # noqa: B007 - the count is read after the loop
        if isinstance(name, dict | list):
            raise _Refusal(Reason.WRONG_TYPE, "a field's name is not text")
        out[name] = value
    if len(out) != count:
        raise _Refusal(Reason.DUPLICATE_FIELD, "a field was sent twice")
    if count > MAX_FIELDS:
        raise _Refusal(Reason.TOO_LARGE, f"the map has {count} fields, allowed are {MAX_FIELDS}")
    return out


def _from_msgpack(raw: bytes) -> Any:
    return msgpack.unpackb(raw, raw=False, strict_map_key=False, object_pairs_hook=_pairs)


def _from_json(raw: bytes) -> Any:
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _depth(raw) > MAX_DEPTH:
        raise _Refusal(Reason.TOO_DEEP, "the value is nested too deeply")
    return json.loads(raw.decode("utf-8"), object_pairs_hook=_pairs, parse_constant=_no_constant)


def _depth(raw: bytes) -> int:
    """How deep JSON nests, told by its brackets outside texts."""
    deepest = depth = 0
    for byte in _JSON_TEXT.sub(b"", raw):
        depth += (byte in b"[{") - (byte in b"]}")
        deepest = max(deepest, depth)
    return deepest


def _no_constant(name: str) -> Any:
    raise _Refusal(Reason.NOT_A_NUMBER, f"{name} is not a number")


def _event(sent: dict[str, Any], purchases: bool | None, currency: str) -> Event:
    version = sent.get("version")
    if type(version) is not int or version != VERSION:
        raise _Refusal(Reason.VERSION, f"field version must be {VERSION}")
    kind = _kind(sent.get("kind"), purchases)
    if sent.get("currency") not in (None, currency):
        raise _Refusal(Reason.CURRENCY, f"field currency is not the deployment's {currency}")
    needed = NEEDED[kind]
    event = Event({}, {})
    for name in _ALLOWED[kind]:
        value = sent.get(name)
        if value is None:
            if name in needed:
                raise _Refusal(Reason.MISSING_FIELD, f"field {name} is missing")
            continue
        one = FIELD[name]
        if one.type is Type.TEXT:
            event.texts[name] = _text(one, value)
        else:
            event.numbers[name] = int(kind) if name == "kind" else _number(one, value)
    _together(kind, event.numbers)
    return event


def _kind(name: Any, purchases: bool | None) -> Kind:
    if name is None:
        raise _Refusal(Reason.MISSING_FIELD, "field kind is missing")
    if not isinstance(name, str) or name not in _KINDS:
        raise _Refusal(Reason.UNKNOWN_KIND, "field kind is not a kind of this version")
    kind = _KINDS[name]
    either = purchases is None or kind is Kind.PROGRESS
    if not either and (kind >= FIRST_PURCHASE_KIND) is not purchases:
        raise _Refusal(Reason.WRONG_TOPIC, f"{name} belongs to the other topic")
    return kind


def _text(one: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise _Refusal(Reason.WRONG_TYPE, f"field {one.name} must be text")
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError:
        raise _Refusal(Reason.WRONG_TYPE, f"field {one.name} is not valid text") from None
    if not one.low <= size <= one.high:
        raise _Refusal(
            Reason.OUT_OF_RANGE, f"field {one.name} must have {one.low} to {one.high} bytes, has {size}"
        )
    if any(character < " " or character == "\x7f" for character in value):
        raise _Refusal(Reason.OUT_OF_RANGE, f"field {one.name} holds a control character")
    return value


def _number(one: Field, value: Any) -> int:
    if one.type is Type.BOOLEAN:
        if not isinstance(value, bool):
            raise _Refusal(Reason.WRONG_TYPE, f"field {one.name} must be true or false")
        return int(Answer.YES if value else Answer.NO)
    if one.type is Type.CODE:
        return _code(one, value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Refusal(Reason.WRONG_TYPE, f"field {one.name} must be a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise _Refusal(Reason.NOT_A_NUMBER, f"field {one.name} is not a finite number")
    if one.type is Type.INTEGER and not isinstance(value, int):
        raise _Refusal(Reason.WRONG_TYPE, f"field {one.name} must be a whole number")
    if not one.low <= value <= one.high or value == one.absent:
        raise _Refusal(Reason.OUT_OF_RANGE, f"field {one.name} must lie between {one.low} and {one.high}")
    return round(value * PPM) if one.type is Type.RATIO else int(value)


def _code(one: Field, value: Any) -> int:
    names = {code.name.lower(): code for code in one.codes or ()}
    if not isinstance(value, str) or value not in names:
        raise _Refusal(Reason.OUT_OF_RANGE, f"field {one.name} must be one of {', '.join(names)}")
    return int(names[value])


def _together(kind: Kind, numbers: dict[str, int]) -> None:
    """What one field alone cannot say."""
    for name, values in SHAPES[kind].only:
        if numbers[name] not in values:
            codes = FIELD[name].codes
            said = " or ".join(codes(one).name.lower() if codes else str(one) for one in values)
            raise _Refusal(Reason.OUT_OF_RANGE, f"field {name} of {kind.name.lower()} must be {said}")
    for name, other in SHAPES[kind].at_most:
        if numbers[name] > numbers[other]:
            raise _Refusal(Reason.OUT_OF_RANGE, f"field {name} must be at most field {other}")
