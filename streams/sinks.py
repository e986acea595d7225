"""Where a replay's results go: a line of JSON each, or a row of Parquet if the file's name asks for it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self, get_type_hints

import numpy as np
from numpy.typing import NDArray

from schemas.alerts import Alert
from schemas.codes import STATE_NAMES
from schemas.state import CUSTOMER, NEVER
from streams import parquet
from streams.arena import as_dict
from streams.ledgerfile import whole_file
from streams.pipeline import Pipeline

AT_ONCE = 8_192
"""Rows written together."""


class Alerts(Protocol):
    """Takes alerts one by one."""

    def put(self, told: dict[str, Any]) -> None:
        """Write one, given as its map."""


class States(Protocol):
    """Takes customers' rows, many at a time."""

    def put(self, customers: list[str], rows: NDArray[Any]) -> None:
        """Write them."""


@contextmanager
def alerts_to(path: Path) -> Iterator[Alerts]:
    """A sink for alerts; the file appears only when complete. Raises ``FileError``."""
    if not parquet.is_parquet(path):
        with whole_file(path) as out:
            yield _AlertLines(out)
        return
    pyarrow = parquet.arrow(path)
    with parquet.writing(path, _alert_schema(pyarrow)) as writer:
        table = _AlertTable(pyarrow, writer)
        yield table
        table.flush()


@contextmanager
def states_to(path: Path) -> Iterator[States]:
    """A sink for rows; the file appears only when complete. Raises ``FileError``."""
    if not parquet.is_parquet(path):
        with whole_file(path) as out:
            yield _StateLines(out)
        return
    pyarrow = parquet.arrow(path)
    with parquet.writing(path, _state_schema(pyarrow)) as writer:
        yield _StateTable(pyarrow, writer)


class Standing(NamedTuple):
    """How the customers of a partition stand: the 90-day risk as the day began, the state of each machine."""

    customers: list[str]
    risk_ppm: NDArray[np.int32]
    states: NDArray[np.uint8]

    @classmethod
    def of(cls, pipeline: Pipeline) -> Self:
        """As they stand now."""
        arena = pipeline.arena
        rows = arena.rows[: len(arena)]
        slots = np.flatnonzero(rows["day"] != NEVER)
        customers = [arena.customer(slot).decode() for slot in slots.tolist()]
        return cls(customers, rows["risk_day_start_ppm"][slots], rows["state"][slots])


class Daily(Protocol):
    """Takes what a midnight left behind."""

    def put(self, day: int, standing: Standing) -> None:
        """Write how every customer of a partition stands."""


@contextmanager
def daily_to(path: Path) -> Iterator[Daily]:
    """A sink for midnights, Parquet; the file appears only when complete. Raises ``FileError``."""
    pyarrow = parquet.arrow(path)
    with parquet.writing(path, _daily_schema(pyarrow)) as writer:
        yield _DailyTable(pyarrow, writer)


class _AlertLines:
    def __init__(self, out: Any) -> None:
        self._out = out

    def put(self, told: dict[str, Any]) -> None:
        self._out.write(json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


class _StateLines:
    def __init__(self, out: Any) -> None:
        self._out = out

    def put(self, customers: list[str], rows: NDArray[Any]) -> None:
        for at, customer in enumerate(customers):
            told = {"customer_id": customer, **as_dict(rows[at : at + 1])}
            self._out.write(json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


# What is more than one number, text or truth (evidence, steps, actions) stands in its column as JSON.
_PLAIN = {int: "int64", str: "string", bool: "bool_"}


def _plain(hint: Any) -> str | None:
    """The Arrow type of a field of an alert; None for what becomes JSON."""
    for kind in (bool, int, str):
        if hint in (kind, kind | None):
            return _PLAIN[kind]
    return None


_ALERT_KINDS = {name: _plain(get_type_hints(Alert)[name]) for name in (one.name for one in fields(Alert))}


def _alert_schema(pyarrow: Any) -> Any:
    return pyarrow.schema([(name, getattr(pyarrow, kind or "string")()) for name, kind in _ALERT_KINDS.items()])


class _AlertTable:
    def __init__(self, pyarrow: Any, writer: Any) -> None:
        self._pyarrow, self._writer = pyarrow, writer
        self._waiting: list[dict[str, Any]] = []

    def put(self, told: dict[str, Any]) -> None:
        told = dict(told)
        for name, kind in _ALERT_KINDS.items():
            if kind is None and told[name] is not None:
                told[name] = json.dumps(told[name], ensure_ascii=False, separators=(",", ":"))
        self._waiting.append(told)
        if len(self._waiting) >= AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        schema = _alert_schema(self._pyarrow)
        self._writer.write_table(self._pyarrow.Table.from_pylist(self._waiting, schema=schema))
        self._waiting = []


_NUMBERS = [name for name in CUSTOMER.names or () if name != "spare"]


def _state_schema(pyarrow: Any) -> Any:
    shapes = {name: CUSTOMER[name] for name in _NUMBERS}
    columns = [("customer_id", pyarrow.string())]
    for name, kind in shapes.items():
        arrow = pyarrow.from_numpy_dtype(kind.base)
        for size in reversed(kind.shape):
            arrow = pyarrow.list_(arrow, size)
        columns.append((name, arrow))
    return pyarrow.schema(columns)


class _StateTable:
    def __init__(self, pyarrow: Any, writer: Any) -> None:
        self._pyarrow, self._writer = pyarrow, writer
        self._schema = _state_schema(pyarrow)

    def put(self, customers: list[str], rows: NDArray[Any]) -> None:
        columns = [self._pyarrow.array(customers)]
        for name in _NUMBERS:
            column = self._pyarrow.array(rows[name].reshape(-1))
            for size in reversed(CUSTOMER[name].shape):
                column = self._pyarrow.FixedSizeListArray.from_arrays(column, size)
            columns.append(column)
        self._writer.write_table(self._pyarrow.table(columns, schema=self._schema))


def _daily_schema(pyarrow: Any) -> Any:
    word = pyarrow.dictionary(pyarrow.int8(), pyarrow.string())
    machines = [(machine.name.lower(), word) for machine in STATE_NAMES]
    return pyarrow.schema(
        [("day", pyarrow.date32()), ("customer_id", pyarrow.string()), ("risk_ppm", pyarrow.int32()), *machines]
    )


class _DailyTable:
    """A row for each customer and midnight: the 90-day risk, and where each machine stands."""

    def __init__(self, pyarrow: Any, writer: Any) -> None:
        self._pyarrow, self._writer = pyarrow, writer
        self._schema = _daily_schema(pyarrow)

    def put(self, day: int, standing: Standing) -> None:
        arrow = self._pyarrow
        if not standing.customers:
            return
        columns = [
            arrow.array(np.full(len(standing.customers), day, np.int32)).cast(arrow.date32()),
            arrow.array(standing.customers),
            arrow.array(standing.risk_ppm),
        ]
        for machine, names in STATE_NAMES.items():
            numbers = arrow.array(standing.states[:, machine].astype(np.int8))
            columns.append(arrow.DictionaryArray.from_arrays(numbers, list(names)))
        self._writer.write_table(arrow.table(columns, schema=self._schema))
