"""A second policy judged live beside the first: on the same ledger, with topics and a group of its own.

A shadow is a worker that takes nothing in: its judge reads the live ledger under the shadow's policy, and
publishes to topics named as the live ones with ``shadow-`` before them. Alert ids are those that the live judge
would give. It begins where the live judge stands: its first state is a copy of the live one.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgpack

from schemas.codes import Change
from streams.config import Config
from streams.connection import client_of
from streams.memory import Position
from streams.outbox import NONCE_KEY, Outbox, Publication
from streams.pipeline import ROW_KEY
from streams.reading import reading
from streams.shadowed import KEY, Begun
from streams.topics import BEFORE

log = logging.getLogger("whaleline")

OWN = ("customers", "alerts", "holds", "insights", "alerts_held", "incidents", "dead_letters", "erasures")
"""The topics that a shadow writes; all others are the live ones."""

COPY_BYTES = 8 << 20
"""What one transaction copies, so that none takes too long."""


def shadow_of(config: Config, policy: str) -> Config:
    """The configuration of a shadow beside this one, under the policy in a file."""
    named = {role: BEFORE + getattr(config.topics, role) for role in OWN}
    return replace(
        config,
        app_id=BEFORE + config.app_id,
        topics=replace(config.topics, **named),
        policy=policy,
        instance_id=BEFORE + config.instance_id if config.instance_id else "",
        shadow_of=config,
    )


async def copy(config: Config, partition: int, outbox: Outbox) -> int:
    """Give a shadow the live judge's state of a partition; return how many records that is, 0 where there is none.

    The position comes last and is what makes the copy whole: one that was cut short is made again.
    """
    live = config.shadow_of
    assert live is not None
    records = await asyncio.to_thread(latest_state, live, partition)
    position = records.pop(Position.KEY, None)
    if position is None:
        return 0
    # A copy that was cut short may hold somebody whom the live judge has forgotten since.
    left = await asyncio.to_thread(latest_state, config, partition)
    gone = [(key, None) for key in left if key[:1] == ROW_KEY and key not in records]
    for some in _cut([*gone, *records.items()]):
        await outbox.publish(Publication(some))
    await outbox.publish(Publication([(Position.KEY, position)]))
    return len(records) + 1


def latest_state(config: Config, partition: int) -> dict[bytes, bytes]:
    """The last committed value of each key of a customers partition, in the order of their records."""
    found: dict[bytes, bytes] = {}
    topic = config.topics.customers
    with reading(config.broker, topic, only=partition, **client_of(config)) as (_, messages):
        for _, message in messages:
            if message.key is None or message.key == NONCE_KEY:
                continue
            found.pop(message.key, None)
            if message.value is not None:
                found[message.key] = message.value
    return found


def _cut(records: Iterable[tuple[bytes, bytes | None]]) -> Iterable[list[tuple[bytes, bytes | None]]]:
    some: list[tuple[bytes, bytes | None]] = []
    size = 0
    for key, value in records:
        some.append((key, value))
        size += len(key) + len(value or b"")
        if size >= COPY_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


@dataclass(frozen=True, slots=True)
class Beside:
    """Of one kind of alert, who was entered by which of the two."""

    kind: str
    both: tuple[str, ...]
    only_live: tuple[str, ...]
    only_shadow: tuple[str, ...]


def beside(config: Config, since_ms: int | None) -> list[Beside]:
    """Who was entered since then, live and by the shadow of this configuration; raises ``TopicError``.

    None is since the shadow began with its policy: of what was before, it said nothing.
    """
    shadow = shadow_of(config, "")
    begun = _begun(config, shadow.topics.insights) if since_ms is None else {}
    live, other = (
        _entered(config, name, begun, since_ms or 0) for name in (config.topics.alerts, shadow.topics.alerts)
    )
    found = []
    for kind in sorted({kind for kind, _ in live | other}):
        mine, theirs = ({one for was, one in entered if was == kind} for entered in (live, other))
        found.append(
            Beside(kind, *(tuple(sorted(some)) for some in (mine & theirs, mine - theirs, theirs - mine)))
        )
    return found


def _begun(config: Config, insights: str) -> dict[int, int]:
    """Since when the shadow judges each partition by its policy, as it tells."""
    found = {}
    with reading(config.broker, insights, **client_of(config)) as (_, messages):
        for partition, message in messages:
            if message.key == KEY and message.value:
                found[partition] = Begun.of(message.value).since_ms
    return found


def _entered(config: Config, topic: str, begun: Mapping[int, int], since_ms: int) -> set[tuple[str, str]]:
    found = set()
    with reading(config.broker, topic, **client_of(config)) as (_, messages):
        for partition, message in messages:
            told: dict[str, Any] = msgpack.unpackb(message.value)
            if told["ts_ms"] >= begun.get(partition, since_ms) and told["kind"].endswith(
                f"_{Change.ENTERED.name.lower()}"
            ):
                found.add((told["kind"].removesuffix("_entered"), told["customer_id"]))
    return found
