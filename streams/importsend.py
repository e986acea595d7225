"""Imported events are sent to the source topics, in the order of time, each to its customer's partition."""

import asyncio
from collections.abc import Callable, Sequence

import aiokafka
from aiokafka.errors import KafkaError

from schemas.codec import encode
from streams.canary import started
from streams.config import Config
from streams.connection import aiokafka_of, client_of
from streams.importing import ImportingError, Made
from streams.topics import reach

AT_ONCE = 1_000
"""Events that are under way before the next wait."""


def send(config: Config, events: Sequence[Made], progress: Callable[[float], None]) -> int:
    """Send all events and wait until each is durable; return how many were.

    Raises ``TopicError`` before anything is sent, and ``ImportingError`` where the broker stops taking them.
    Sending again is safe: an event that is there already has the same id, and counts once while the judge
    remembers it.
    """
    reach(config.broker, **client_of(config))
    return asyncio.run(_send(config, events, progress))


async def _send(config: Config, events: Sequence[Made], progress: Callable[[float], None]) -> int:
    done = 0
    sending = aiokafka.AIOKafkaProducer(**aiokafka_of(config), acks="all", enable_idempotence=True, linger_ms=5)
    try:
        async with started(sending) as producer:
            for at in range(0, len(events), AT_ONCE):
                part = events[at : at + AT_ONCE]
                waiting = [await producer.send(*_record(config, one)) for one in part]
                await asyncio.gather(*waiting)
                done += len(part)
                progress(done / len(events))
    except (KafkaError, OSError) as error:
        raise ImportingError(
            f"{config.broker} took {done} of {len(events)} events and no more ({type(error).__name__}): "
            "send all again when it is back"
        ) from error
    return done


def _record(config: Config, one: Made) -> tuple[str, bytes, bytes]:
    topic = config.topics.purchases if one.purchases else config.topics.support_calls
    return topic, encode(one.fields), one.fields["customer_id"].encode()
