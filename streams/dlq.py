"""Dead letters, for a person: which there are, what one holds, and its way back to where it came from.

Nothing here changes a dead letter: what is sent back is a record of its source again, is checked again, and
becomes an event or another dead letter.
"""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import aiokafka
import msgpack
from aiokafka.errors import KafkaError

from streams.config import Config
from streams.connection import aiokafka_of
from streams.reading import reading
from streams.topics import TopicError, describe

SHOWN_BYTES = 4_096
ROW = 16


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. ``place`` names it: topic id, partition and offset of the refused record."""

    place: str
    at_ms: int
    reason: str
    detail: str
    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    whole_bytes: int

    @property
    def cut(self) -> bool:
        """Whether only the beginning of the record was kept."""
        return self.whole_bytes > len(self.value)

    def as_map(self) -> dict[str, Any]:
        """What may be listed: everything but what it says."""
        return {
            "place": self.place, "at_ms": self.at_ms, "reason": self.reason, "detail": self.detail,
            "topic": self.topic, "partition": self.partition, "offset": self.offset, "bytes": self.whole_bytes,
        }  # fmt: skip


def read(config: Config, **client: Any) -> list[Letter]:
    """Every dead letter, oldest first, a repeated one once. Raises ``TopicError`` with one sentence."""
    found: dict[str, Letter] = {}
    with reading(config.broker, config.topics.dead_letters, **client) as (_, messages):
        for _, message in messages:
            letter = _letter(message)
            if letter is not None:
                found.setdefault(letter.place, letter)
    names = config.topics
    known = {str(one.topic_id): name for name, one in describe(
        config.broker, [names.support_calls, names.purchases], **client).items()}  # fmt: skip
    # What the judge refuses knows its topic by id only.
    told = (_named(one, known) for one in found.values())
    return sorted(told, key=lambda one: (one.at_ms, one.topic, one.partition, one.offset))


def _letter(message: Any) -> Letter | None:
    """The dead letter of a message; None for a record that is none of ours."""
    headers = dict(message.headers or ())
    try:
        return Letter(
            message.key.decode(), int(message.timestamp), headers["reason"].decode(), headers["detail"].decode(),
            headers["source-topic"].decode(), int(headers["source-partition"]), int(headers["source-offset"]),
            headers["source-key"], message.value or b"", int(headers["value-bytes"]),
        )  # fmt: skip
    except (KeyError, AttributeError, ValueError):
        return None


def _named(one: Letter, known: dict[str, str]) -> Letter:
    return one if one.topic else replace(one, topic=known.get(one.place.split(":")[0], ""))


def chosen(
    letters: Iterable[Letter], places: Sequence[str] = (), reason: str | None = None, topic: str | None = None
) -> list[Letter]:
    """Those that are named, or that have this reason and come from this topic; raises ``TopicError``."""
    letters = list(letters)
    missing = set(places) - {one.place for one in letters}
    if missing:
        raise TopicError(
            f"there is no dead letter {sorted(missing)[0]}: `whaleline dlq list` shows those there are"
        )
    return [
        one
        for one in letters
        if (not places or one.place in places) and reason in (None, one.reason) and topic in (None, one.topic)
    ]


def readable(value: bytes) -> str:
    """What the bytes say: JSON where they are JSON or msgpack, else a dump of the first few thousand."""
    for decode in (json.loads, msgpack.unpackb):
        try:
            said = decode(value)
            if isinstance(said, dict):
                return json.dumps(said, indent=1, ensure_ascii=False, default=repr)
        except Exception:
            continue
    rows = range(0, min(len(value), SHOWN_BYTES), ROW)
    lines = [f"{at:06x}  {value[at : at + ROW].hex(' '):<{3 * ROW}} {_text(value[at : at + ROW])}" for at in rows]
    more = len(value) - SHOWN_BYTES
    return "\n".join([*lines, f"and {more} bytes more"] if more > 0 else lines)


def _text(some: bytes) -> str:
    return "".join(chr(one) if 32 <= one < 127 else "." for one in some)


def send_back(config: Config, letters: Sequence[Letter]) -> int:
    """Produce each once more where it came from, with its key and to its partition; how many.

    Raises ``TopicError`` with one sentence, before anything is sent, for one that cannot go back.
    """
    for one in letters:
        if one.cut:
            raise TopicError(f"{one.place} was cut to {len(one.value)} of {one.whole_bytes} bytes: send it anew")
        if one.topic not in (config.topics.support_calls, config.topics.purchases):
            raise TopicError(
                f"{one.place} comes from {one.topic or 'a topic that is gone'}, which is no source here"
            )
    asyncio.run(_send(config, letters))
    return len(letters)


async def _send(config: Config, letters: Sequence[Letter]) -> None:
    producer = aiokafka.AIOKafkaProducer(**aiokafka_of(config), enable_idempotence=True, acks="all")
    try:
        await producer.start()
        try:
            for one in letters:
                await producer.send_and_wait(one.topic, one.value, key=one.key or None, partition=one.partition)
        finally:
            await producer.stop()
    except KafkaError as error:
        raise TopicError(f"a source did not take a record back: {type(error).__name__}") from error
