"""A mapping file: which columns of a company's tables are which fields of our events.

It is TOML: a table for each file to read, in it the file, the kind, and for each field where it comes from. All
that can be wrong without looking at a row is found when it is read, and told in one sentence.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from schemas.codes import FIRST_PURCHASE_KIND, Kind
from schemas.events import COMMON, FIELD, SHAPES, TS_MIN_MS, Field, Type

KINDS = {kind.name.lower(): kind for kind in Kind if kind is not Kind.PROGRESS}
TABLE_KEYS = ("file", "kind", "delimiter", "encoding", "zone", "fields")
SOURCE_KEYS = ("column", "value", "unit", "values", "format", "zone", "decimal")
UNITS = {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "days": 86_400_000}
FORMATS = ("iso", "unix_s", "unix_ms")


class MappingError(ValueError):
    """A mapping that cannot be used; the message is one sentence that names file and place."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where one field comes from: a column, or the same ``value`` for every row.

    values   what the words of the column mean; a word that is not listed is refused
    unit     of a time that lasts: ``ms``, ``s``, ``min``, ``h``, ``days``; of money: ``cents`` or ``whole``
    format   of a moment: ``iso``, ``unix_s``, ``unix_ms``, or a pattern such as ``%d.%m.%Y %H:%M``
    zone     of a moment that says none
    """

    column: str | None = None
    value: Any = None
    unit: str | None = None
    values: Mapping[str, Any] | None = None
    format: str = "iso"
    zone: ZoneInfo | None = None
    decimal: str = "."


@dataclass(frozen=True, slots=True)
class Table:
    """One file to read: its name in the mapping, where it lies, how it is written, and its fields."""

    name: str
    file: Path
    kind: Source
    fields: dict[str, Source]
    delimiter: str = ","
    encoding: str = "utf-8-sig"

    @property
    def columns(self) -> set[str]:
        """Every column that is asked for."""
        sources = (self.kind, *self.fields.values())
        return {one.column for one in sources if one.column is not None}


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole mapping file."""

    path: Path
    tables: list[Table] = field(default_factory=list)


def read_mapping(path: Path) -> Plan:
    """Read a mapping file; files in it lie beside it. Raises ``MappingError``."""
    try:
        sections = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MappingError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise MappingError(f"{path}: not valid TOML: {error}") from None
    if not sections:
        raise MappingError(f"{path}: it names no table; begin with one such as [calls]")
    return Plan(path, [_table(path, name, said) for name, said in sections.items()])


def is_moment(one: Field) -> bool:
    """Whether a field is a point in time and not how long something took."""
    return one.type is Type.INTEGER and one.name.endswith("_ms") and one.low == TS_MIN_MS


def _table(path: Path, name: str, said: Any) -> Table:
    place = f"{path}: [{name}]"
    if not isinstance(said, dict):
        raise MappingError(f"{path}: {name} must be a table such as [calls]")
    _known(said, TABLE_KEYS, place)
    for key in ("file", "kind", "fields"):
        if key not in said:
            raise MappingError(f"{place} lacks {key}")
    for key in ("file", "delimiter", "encoding", "zone"):
        if not isinstance(said.get(key, ""), str):
            raise MappingError(f"{place} {key} must be text")
    if len(said.get("delimiter", ",")) != 1:
        raise MappingError(f"{place} delimiter must be one character")
    if not isinstance(said["fields"], dict):
        raise MappingError(f"{place} fields must be a table, [{name}.fields]")
    zone = _zone(said["zone"], place) if "zone" in said else None
    kind = _kind(said["kind"], place)
    fields = {key: _source(key, value, f"{place} fields.{key}", zone) for key, value in said["fields"].items()}
    _whole(kind, fields, place)
    file = path.parent / said["file"]
    return Table(name, file, kind, fields, said.get("delimiter", ","), said.get("encoding", "utf-8-sig"))


def _known(said: Mapping[str, Any], allowed: tuple[str, ...], place: str) -> None:
    for key in said:
        if key not in allowed:
            raise MappingError(f"{place} has an unknown key {key!r}{_near(key, allowed)}")


def _near(name: str, allowed: Any) -> str:
    found = get_close_matches(name, list(allowed), 1)
    return f"; did you mean {found[0]!r}?" if found else f"; there are {', '.join(sorted(allowed))}"


def _zone(name: Any, place: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError, TypeError):
        raise MappingError(f"{place} zone {name!r} is no time zone such as 'Europe/Berlin' or 'UTC'") from None


def _kind(said: Any, place: str) -> Source:
    """A kind is one word for all rows, or a column whose words are listed."""
    if isinstance(said, str):
        found = Source(value=said)
        words = [said]
    elif isinstance(said, dict) and isinstance(said.get("column"), str) and isinstance(said.get("values"), dict):
        _known(said, ("column", "values"), f"{place} kind")
        found = Source(column=said["column"], values=said["values"])
        words = list(said["values"].values())
    else:
        raise MappingError(
            f"{place} kind must be a kind, or a column and its values: "
            '{ column = "type", values = { call = "call_closed" } }'
        )
    for word in words:
        if word not in KINDS:
            raise MappingError(f"{place} kind {word!r} is no kind{_near(str(word), KINDS)}")
    return found


def kinds_of(kind: Source) -> list[Kind]:
    """Every kind that a table may hold."""
    return [KINDS[word] for word in (kind.values.values() if kind.values is not None else [kind.value])]


def _source(name: str, said: Any, place: str, zone: ZoneInfo | None) -> Source:
    if name not in FIELD or name == "kind":
        raise MappingError(f"{place} is no field of an event{_near(name, FIELD)}")
    one = FIELD[name]
    if isinstance(said, str):
        return Source(column=said, zone=zone)
    if not isinstance(said, dict) or ("column" in said) == ("value" in said):
        raise MappingError(f"{place} must be a column's name, or a table with either column or value")
    _known(said, SOURCE_KEYS, place)
    if "values" in said and not isinstance(said["values"], dict):
        raise MappingError(f"{place} values must be a table such as {{ yes = true, no = false }}")
    for key in ("column", "unit", "format", "zone", "decimal"):
        if not isinstance(said.get(key, ""), str):
            raise MappingError(f"{place} {key} must be text")
    if ("format" in said or "zone" in said) and not is_moment(one):
        raise MappingError(f"{place} is no moment: format and zone do not belong there")
    if "format" in said and said["format"] not in FORMATS and "%" not in said["format"]:
        raise MappingError(f"{place} format must be {', '.join(FORMATS)} or a pattern such as '%d.%m.%Y %H:%M'")
    units = ("cents", "whole") if name.endswith("_cents") else tuple(UNITS) if name.endswith("_ms") else ()
    if "unit" in said and (said["unit"] not in units or is_moment(one)):
        allowed = f"must be one of {', '.join(units)}" if units and not is_moment(one) else "does not belong there"
        raise MappingError(f"{place} unit {said['unit']!r} {allowed}")
    if said.get("decimal", ".") not in {".", ","}:
        raise MappingError(f"{place} decimal must be '.' or ','")
    known = {key: value for key, value in said.items() if key != "zone"}
    return Source(**known, zone=_zone(said["zone"], place) if "zone" in said else zone)


def _whole(kind: Source, fields: Mapping[str, Source], place: str) -> None:
    """Every kind of a table has the fields that it needs, and no field is of no use to any of them."""
    kinds = kinds_of(kind)
    if len({one >= FIRST_PURCHASE_KIND for one in kinds}) > 1:
        raise MappingError(f"{place} mixes purchases with support events: make two tables of the one file")
    for one in kinds:
        for name in (*COMMON, *SHAPES[one].needs):
            if name not in fields and name not in {"kind", "event_id"}:
                raise MappingError(f"{place} {one.name.lower()} needs the field {name}, which is not mapped")
    for name in fields:
        if all(name not in SHAPES[one].allowed for one in kinds):
            names = ", ".join(one.name.lower() for one in kinds)
            raise MappingError(f"{place} fields.{name} belongs to no {names}")
