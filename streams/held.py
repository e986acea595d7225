"""Everything that is held about one customer, gathered from the topics as they are now.

It is what a customer may ask for (GDPR, article 15); ``streams.heldwords`` says it in plain words. Whoever reads
it needs the workers' right to read each topic.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgpack
from numpy.typing import NDArray

from schemas import state
from schemas.alerts import Alert
from schemas.block import Block, decode, is_control
from schemas.insights import WinBack
from streams.config import Config
from streams.desk.action import Action, ActionError
from streams.desk.rows import Rows
from streams.dlq import Letter
from streams.dlq import read as read_letters
from streams.fields import fields_at
from streams.intake import ledger_partition
from streams.keeping import Keeping, keeping
from streams.pipeline import ROW_KEY
from streams.reading import reading
from streams.shelf import Shelf
from streams.topics import agree

ID = "customer_id"
STEPS = 10
"""How many things are looked through, for who shows how far it is."""
Progress = Callable[[int], None]
_BROKEN = (ValueError, KeyError, TypeError, AttributeError, IndexError, msgpack.UnpackException)


@dataclass(slots=True)
class Held:
    """What is held about one customer. ``row`` has shape (); maps are as they stand on their topics."""

    customer_id: str
    partition: int
    row: NDArray[Any] | None = None
    names: dict[int, str] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    alerts_held: list[Alert] = field(default_factory=list)
    alerts_waiting: list[Alert] = field(default_factory=list)
    hold: dict[str, Any] | None = None
    incidents: list[dict[str, Any]] = field(default_factory=list)
    win_back: list[dict[str, Any]] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    dead_letters: list[Letter] = field(default_factory=list)
    keeping: dict[str, Keeping] = field(default_factory=dict)

    @property
    def nothing(self) -> bool:
        """Whether nothing at all is held."""
        lists = (self.events, self.alerts, self.alerts_held, self.alerts_waiting, self.incidents, self.win_back)
        return self.row is None and self.hold is None and not any((*lists, self.actions, self.dead_letters))


def look(config: Config, customer_id: str, progress: Progress = lambda steps: None, **client: Any) -> Held:
    """Look through every topic of ours; raises ``TopicError`` in one sentence.

    ``progress`` hears 1 after each topic. The source topics are not read: they are their producers', and what was
    accepted from them stands in the ledger.
    """
    agree(config.broker, config.topics.ledger, config.ledger_partitions, **client)
    held = Held(customer_id, ledger_partition(customer_id, config.ledger_partitions))
    held.keeping = keeping(config, **client)
    progress(1)
    for role, take in (
        ("customers", _Customers(held)),
        ("ledger", _take_ledger(held)),
        ("alerts", _take_alerts(held.alerts, customer_id)),
        ("alerts_held", _take_alerts(held.alerts_held, customer_id)),
        ("holds", _take_holds(held)),
        ("incidents", _Latest(held.incidents, lambda said: customer_id in said["customers"])),
        ("insights", _take_win_back(held)),
        ("desk_actions", _Actions(held)),
    ):
        topic = getattr(config.topics, role)
        with reading(config.broker, topic, only=held.partition, **client) as (_, messages):
            for _, message in messages:
                take(message)
        if isinstance(take, _Customers | _Latest | _Actions):
            take.end()
        progress(1)
    letters = read_letters(config, **client)
    held.dead_letters = [
        one for one in letters if mentions(one.key, customer_id) or mentions(one.value, customer_id)
    ]
    return held


def mentions(raw: bytes, customer_id: str) -> bool:
    """Whether some bytes speak of this customer: as a field at any depth, or as a word within what is no event."""
    for read in (json.loads, msgpack.unpackb):
        try:
            said = read(raw)
        except Exception:
            continue
        if isinstance(said, dict):
            return _names(said, customer_id)
    word = rb"(?<![A-Za-z0-9_-])" + re.escape(customer_id.encode()) + rb"(?![A-Za-z0-9_-])"
    return re.search(word, raw) is not None


def _names(said: Any, customer_id: str, key: Any = None) -> bool:
    """Whether a value that was sent under a key, or something in it, is this customer's id."""
    if isinstance(said, dict):
        return any(_names(one, customer_id, name) for name, one in said.items())
    if isinstance(said, list):
        return any(_names(one, customer_id, key) for one in said)
    if isinstance(said, bytes):
        return said == customer_id.encode()
    # A number is an id where it is sent as one, which is why it was refused; elsewhere it is an amount.
    sent_as_id = key in (ID, ID.encode()) and type(said) is int
    return str(said) == customer_id if sent_as_id or isinstance(said, str) else False


class _Customers:
    """The row, the names of its digests, and the alerts that wait on the judge's shelf."""

    def __init__(self, held: Held) -> None:
        self._held, self._rows, self._shelf = held, Rows(), Shelf()
        self._key = ROW_KEY + held.customer_id.encode()

    def __call__(self, message: Any) -> None:
        key, value = message.key or b"", message.value
        if key == self._key or key[:1] != ROW_KEY:
            self._rows.take(key, value)
        if key[:1] == Shelf.KEY and value is not None:
            self._shelf.restore(key, value)

    def end(self) -> None:
        self._shelf.rebuild()
        held = self._held
        held.row, held.names = self._rows.row(held.customer_id), self._rows.names
        held.alerts_waiting = [one for one in self._shelf.all() if one.customer_id == held.customer_id]


class _Latest:
    """The last word under each key, where it is about the customer."""

    def __init__(self, into: list[dict[str, Any]], is_about: Callable[[dict[str, Any]], bool]) -> None:
        self._into, self._is_about, self._latest = into, is_about, dict[bytes, bytes | None]()

    def __call__(self, message: Any) -> None:
        self._latest[message.key or b""] = message.value

    def end(self) -> None:
        for value in self._latest.values():
            said = _map(value)
            if said is not None and self._is_about(said):
                self._into.append(said)


def _map(value: bytes | None) -> dict[str, Any] | None:
    try:
        said = msgpack.unpackb(value or b"")
    except _BROKEN:
        return None
    return said if isinstance(said, dict) else None


def _take_ledger(held: Held) -> Callable[[Any], None]:
    def take(message: Any) -> None:
        if message.value is None or is_control(message.value) or held.customer_id.encode() not in message.value:
            return
        block = decode(message.value)
        assert isinstance(block, Block)
        held.events += _events(block, held.customer_id.encode())

    return take


def _events(block: Block, customer: bytes) -> Iterator[dict[str, Any]]:
    column = block.column("customer_id")
    for at in range(block.n):
        if block.text(int(column[at])) == customer:
            yield fields_at(block, at)


def _take_alerts(into: list[Alert], customer_id: str) -> Callable[[Any], None]:
    def take(message: Any) -> None:
        said = _map(message.value)
        if said is not None and said.get("customer_id") == customer_id:
            into.append(Alert.of(said))

    return take


def _take_holds(held: Held) -> Callable[[Any], None]:
    def take(message: Any) -> None:
        if message.key == held.customer_id.encode():
            held.hold = _map(message.value)

    return take


def _take_win_back(held: Held) -> Callable[[Any], None]:
    def take(message: Any) -> None:
        if (message.key or b"").startswith(b"win-back/"):
            prospects = WinBack.read(message.value).prospects if message.value else ()
            held.win_back = [
                {"reasons": list(one.reasons), "product_line": one.product_line, "cents": one.cents}
                for one in prospects
                if one.customer_id == held.customer_id
            ]

    return take


class _Actions:
    """What people did, but for what was taken away again."""

    def __init__(self, held: Held) -> None:
        self._held, self._found = held, dict[bytes, Action]()

    def __call__(self, message: Any) -> None:
        key = message.key or b""
        self._found.pop(key, None)
        with suppress(ActionError):
            action = Action.of(message.value or b"")
            if action.customer_id == self._held.customer_id:
                self._found[key] = action

    def end(self) -> None:
        self._held.actions = list(self._found.values())


def as_map(held: Held) -> dict[str, Any]:
    """Everything as plain values, for a machine: named as on the topics, times in ms UTC, money in cents."""
    from streams.arena import as_dict
    from streams.desk.rows import told

    row = None if held.row is None else held.row.reshape(1)
    return {
        "version": 1,
        "customer_id": held.customer_id,
        "row": None if row is None else {**_plain(as_dict(row)), "layout": state.LAYOUT},
        "row_told": None if row is None else told(row[0], held.names, money=True),
        "events": held.events,
        "alerts": [one.as_map() for one in held.alerts],
        "alerts_held": [one.as_map() for one in held.alerts_held],
        "alerts_waiting": [one.as_map() for one in held.alerts_waiting],
        "hold": held.hold,
        "incidents": held.incidents,
        "win_back": held.win_back,
        "desk_actions": [one.as_map() for one in held.actions],
        "dead_letters": [{**one.as_map(), "value_hex": one.value.hex()} for one in held.dead_letters],
        "kept": {role: one.in_words() for role, one in held.keeping.items()},
    }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """The row's fields but for the room between them."""
    return {name: value for name, value in row.items() if name != "spare"}
