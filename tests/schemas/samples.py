"""Well-formed events made from the tables of ``schemas.events``: one of each kind, and any that could be sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgpack
from hypothesis import strategies as st

from schemas.codec import PPM
from schemas.codes import FIRST_PURCHASE_KIND, Kind
from schemas.events import COMMON, EVERYWHERE, FIELD, SHAPES, TEXT_MAX, TS_MIN_MS, VERSION, Field, Type

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

NOON_MS = 1_700_049_600_000
"""2023-11-15 12:00 UTC."""

LAWFUL_CHARACTERS = st.characters(min_codepoint=32, exclude_categories=["Cs"], exclude_characters="\x7f")


def is_purchase(kind: Kind) -> bool:
    """Which of the two source topics a kind belongs to; progress may stand in either."""
    return kind >= FIRST_PURCHASE_KIND


def allowed(kind: Kind) -> tuple[str, ...]:
    """Every field the kind may carry, each once, in the order in which the tables name them."""
    shape = SHAPES[kind]
    return tuple(dict.fromkeys((*COMMON, *shape.needs, *shape.may, *EVERYWHERE)))


def needed(kind: Kind) -> tuple[str, ...]:
    """The fields without which the kind is refused."""
    return ("ts_ms", "kind") if kind is Kind.PROGRESS else (*COMMON, *SHAPES[kind].needs)


def value_of(name: str) -> Any:
    """One lawful value of a field, as it is sent."""
    one = FIELD[name]
    if one.type is Type.TEXT:
        return f"{name}-1"
    if one.type is Type.BOOLEAN:
        return True
    if one.type is Type.CODE:
        assert one.codes is not None
        return "human" if name == "observer" else next(iter(one.codes)).name.lower()
    if one.type is Type.RATIO:
        return 0.25
    if one.low == TS_MIN_MS:
        return NOON_MS
    return 10 if name == "scale" else min(max(4, one.low), one.high)


def smallest(kind: Kind) -> dict[str, Any]:
    """The kind with nothing but what it needs."""
    return {name: value_of(name) for name in needed(kind)} | {"kind": kind.name.lower()}


def largest(kind: Kind) -> dict[str, Any]:
    """The kind with every field that it may carry."""
    return {name: value_of(name) for name in allowed(kind)} | {"kind": kind.name.lower()}


def as_msgpack(fields: dict[Any, Any]) -> bytes:
    """A producer's msgpack, written without the codec under test."""
    return bytes(msgpack.packb({"version": VERSION, **fields}, unicode_errors="surrogatepass"))


def as_json(fields: dict[Any, Any]) -> bytes:
    """A producer's JSON, written without the codec under test."""
    return json.dumps({"version": VERSION, **fields}).encode()


WRITERS = {"msgpack": as_msgpack, "json": as_json}


def _values(one: Field) -> SearchStrategy[Any]:
    if one.type is Type.TEXT:
        texts = st.text(LAWFUL_CHARACTERS, min_size=1, max_size=TEXT_MAX)
        return texts.filter(lambda text: len(text.encode()) <= TEXT_MAX)
    if one.type is Type.BOOLEAN:
        return st.booleans()
    if one.type is Type.CODE:
        assert one.codes is not None
        return st.sampled_from([code.name.lower() for code in one.codes])
    if one.type is Type.RATIO:
        return st.integers(one.low * PPM, one.high * PPM).map(lambda ppm: ppm / PPM)
    return st.integers(one.low, one.high).filter(lambda number: number != one.absent)


_VALUES = {name: _values(one) for name, one in FIELD.items()}


@st.composite
def sent_events(draw: st.DrawFn, kinds: tuple[Kind, ...] = tuple(SHAPES)) -> dict[str, Any]:
    """The fields of any event that must be accepted, without ``version``."""
    kind = draw(st.sampled_from(kinds))
    optional = [name for name in allowed(kind) if name not in needed(kind)]
    names = (*needed(kind), *draw(st.lists(st.sampled_from(optional), unique=True)))
    fields = {name: draw(_VALUES[name]) for name in names} | {"kind": kind.name.lower()}
    if kind is Kind.ABUSE_FLAG:
        fields["observer"] = "human"
    if kind is Kind.CSAT:
        fields["scale"] = draw(st.sampled_from((5, 10)))
        fields["score"] = draw(st.integers(0, fields["scale"]))
    return fields
