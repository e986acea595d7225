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
from streams.reading import reading
from streams.topics import TopicError, describe

AT_ONCE = 1_000
"""Events that are under way before the next wait."""


def send(config: Config, events: Sequence[Made], progress: Callable[[float], None], *, late: bool = False) -> int:
    """Send all events and wait until each is durable; return how many were.

    ``late``: although workers have written into the ledger, so that time has come to the present. Raises
    ``TopicError`` before anything is sent, and ``ImportingError`` where it is late, or the broker stops taking
    them. Sending again is safe: an event that is there already has the same id, and counts once while the judge
    remembers it.
    """
    names = (config.topics.support_calls, config.topics.purchases)
    there = describe(config.broker, names, **client_of(config))
    for name in names:
        if name not in there:
            raise TopicError(f"topic {name} does not exist at {config.broker}: run `whaleline topics apply`")
    if not late and _begun(config):
        raise ImportingError(
            f"workers judge at {config.broker} already, so time is past what is imported: it would count, but be "
            "concluded only now, as news; import before the first worker starts, or name --late if it is meant"
        )
    return asyncio.run(_send(config, events, progress))


def _begun(config: Config) -> bool:
    """Whether something stands in the ledger; False where we may not look, as somebody who only sends events."""
    try:
        with reading(config.broker, config.topics.ledger, last=1, **client_of(config)) as (_, messages):
            return next(messages, None) is not None
    except TopicError:
        return False


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
