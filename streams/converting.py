"""One row of a company's table becomes the fields of one event, or a sentence says why it cannot."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from schemas.codes import Kind
from schemas.events import FIELD, SHAPES, Field, Type
from streams.mapping import KINDS, UNITS, Source, Table, is_moment

BOOLEANS = {"true": True, "yes": True, "y": True, "1": True, "false": False, "no": False, "n": False, "0": False}


class RowError(ValueError):
    """A row that cannot be used: a sentence that names the column, and nothing of the customer."""


@dataclass(slots=True)
class Notes:
    """What was decided on the way, for the summary."""

    twice: int = 0
    """Times in an hour that the clocks went through twice; the first of the two was taken."""


def fields_of(row: Mapping[str, Any], table: Table, notes: Notes) -> tuple[Kind, dict[str, Any]]:
    """The kind and the wire's fields of a row. Raises ``RowError``."""
    word = _raw(row, table.kind)
    if word is None:
        raise RowError(f"column {table.kind.column!r} is empty, so the kind is not known")
    kind = KINDS[word]
    found: dict[str, Any] = {"kind": word}
    for name, source in table.fields.items():
        if name not in SHAPES[kind].allowed:
            continue
        value = _raw(row, source)
        if value is not None:
            found[name] = _converted(FIELD[name], value, source, notes)
    return kind, found


def _raw(row: Mapping[str, Any], source: Source) -> Any:
    """What the row says; None where it says nothing."""
    if source.column is None:
        return source.value
    value = row[source.column]
    if isinstance(value, str):
        value = value.strip()
    if value is None or value == "" or value != value:  # noqa: PLR0124 - a NaN of a data frame is an empty cell
        return None
    if source.values is not None:
        key = str(value)
        if key not in source.values:
            raise RowError(f"column {source.column!r} has a word that the mapping's values do not list")
        return source.values[key]
    return value


def _converted(one: Field, value: Any, source: Source, notes: Notes) -> Any:
    where = f"column {source.column!r}" if source.column is not None else f"value of {one.name}"
    if is_moment(one):
        return _moment(value, source, where, notes)
    if one.type is Type.TEXT:
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if one.type is Type.BOOLEAN:
        if isinstance(value, bool):
            return value
        if str(value).lower() not in BOOLEANS:
            raise RowError(f"{where} is neither yes nor no; list its words under values")
        return BOOLEANS[str(value).lower()]
    if one.type is Type.CODE:
        return str(value).lower()
    number = _number(value, source, where)
    if one.type is Type.RATIO:
        return float(number)
    if one.name.endswith("_cents") and source.unit == "whole":
        number = (number * 100).quantize(Decimal(1))
    elif one.name.endswith("_ms"):
        number = (number * UNITS[source.unit or "ms"]).quantize(Decimal(1))
    if number != number.to_integral_value():
        raise RowError(f"{where} must be a whole number for {one.name}")
    return int(number)


def _number(value: Any, source: Source, where: str) -> Decimal:
    text = str(value)
    if isinstance(value, str):
        other = "," if source.decimal == "." else "."
        text = re.sub(r"[\s\u00a0_']", "", value)
        # A separator of thousands has three digits behind it; whatever else stands there is another mark.
        if other in text and not re.fullmatch(rf"[+-]?\d{{1,3}}(\{other}\d{{3}})+(\{source.decimal}\d*)?", text):
            raise RowError(f"{where} is not written with the decimal mark {source.decimal!r}")
        text = text.replace(other, "").replace(source.decimal, ".")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise RowError(f"{where} is not a number") from None
    if not number.is_finite() or number.adjusted() > 20:
        raise RowError(f"{where} is not a number of a possible size")
    return number


def _moment(value: Any, source: Source, where: str, notes: Notes) -> int:
    if source.format in {"unix_s", "unix_ms"}:
        number = _number(value, source, where) * (1_000 if source.format == "unix_s" else 1)
        return int(number.quantize(Decimal(1)))
    if isinstance(value, datetime):
        found = value
    elif isinstance(value, date):
        found = datetime.combine(value, time())
    else:
        try:
            if source.format == "iso":
                found = datetime.fromisoformat(str(value))
            else:
                found = datetime.strptime(str(value), source.format)  # noqa: DTZ007 - the zone comes below
        except ValueError:
            like = "2025-12-01T08:00:00+01:00" if source.format == "iso" else source.format
            raise RowError(f"{where} is not a time such as {like}") from None
    if found.tzinfo is None:
        if source.zone is None:
            raise RowError(f"{where} has a time without a zone: give the mapping a zone for it")
        found = _placed(found, source.zone, where, notes)
    return round(found.timestamp() * 1_000)


def _placed(local: datetime, zone: ZoneInfo, where: str, notes: Notes) -> datetime:
    """A local time in its zone; one that no clock there ever showed is refused."""
    found = local.replace(tzinfo=zone)
    if found.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local:
        raise RowError(f"{where} has a time that no clock in {zone.key} showed: the hour was skipped that night")
    if found.utcoffset() != found.replace(fold=1).utcoffset():
        notes.twice += 1
    return found
