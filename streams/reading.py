"""Read a topic as it is now, from its oldest record to its end, for commands that look and go."""

from collections.abc import Iterator
from typing import Any


def until_end(consumer: Any, topic: str, partitions: int, timeout_s: float) -> Iterator[tuple[int, Any]]:
    """(partition, message) up to the ends as they are now, a partition's in their order; raises ``TopicError``."""
    from kafka import TopicPartition

    from streams.topics import TopicError

    owned = [TopicPartition(topic, partition) for partition in range(partitions)]
    consumer.assign(owned)
    ends = consumer.end_offsets(owned)
    consumer.seek_to_beginning(*owned)
    while any(consumer.position(one) < ends[one] for one in owned):
        found = consumer.poll(timeout_ms=int(timeout_s * 1000))
        if not found:
            raise TopicError(f"topic {topic} gave nothing more for {timeout_s:g} s: is the broker well?")
        for one, messages in found.items():
            yield from ((one.partition, message) for message in messages if message.offset < ends[one])


def latest(bootstrap: str, topic: str, timeout_s: float = 30.0, **client: Any) -> dict[bytes, bytes | None]:
    """The last committed value of each key of a compacted topic.

    ``client`` holds further settings of KafkaConsumer. Raises ``TopicError`` in one sentence.
    """
    from kafka import KafkaConsumer, errors

    from streams.topics import TopicError, describe

    found = describe(bootstrap, [topic], **client).get(topic)
    if found is None:
        raise TopicError(f"topic {topic} does not exist at {bootstrap}: run `whaleline topics apply`")
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap.split(","),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **client,
    )
    try:
        messages = until_end(consumer, topic, found.partitions, timeout_s)
        return {message.key: message.value for _, message in messages if message.key is not None}
    except errors.KafkaError as error:
        raise TopicError(f"topic {topic} could not be read to its end: {error}") from error
    finally:
        consumer.close()
