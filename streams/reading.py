"""Read a topic as it is now, from its oldest record to its end, for commands that look and go."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


def until_end(
    consumer: Any, topic: str, partitions: Iterable[int], timeout_s: float,
    starts: Mapping[int, int] | None = None, last: int | None = None,
) -> Iterator[tuple[int, Any]]:  # fmt: skip
    """(partition, message) up to the ends as they are now, a partition's in their order; raises ``TopicError``.

    ``starts`` says where to begin in some partitions, instead of with the oldest record; ``last`` says how many
    offsets before the end to begin in each.
    """
    from kafka import TopicPartition

    from streams.topics import TopicError

    owned = [TopicPartition(topic, partition) for partition in partitions]
    consumer.assign(owned)
    ends = consumer.end_offsets(owned)
    consumer.seek_to_beginning(*owned)
    oldest = consumer.beginning_offsets(owned)
    for one in owned:
        start = (starts or {}).get(one.partition, 0) if last is None else ends[one] - last
        if start > oldest[one]:
            consumer.seek(one, start)
    while any(consumer.position(one) < ends[one] for one in owned):
        found = consumer.poll(timeout_ms=int(timeout_s * 1000))
        if not found:
            raise TopicError(f"topic {topic} gave nothing more for {timeout_s:g} s: is the broker well?")
        for one, messages in found.items():
            yield from ((one.partition, message) for message in messages if message.offset < ends[one])


@contextmanager
def reading(
    bootstrap: str, topic: str, timeout_s: float = 30.0, only: int | None = None,
    starts: Mapping[int, int] | None = None, last: int | None = None, **client: Any,
) -> Iterator[tuple[int, Iterator[tuple[int, Any]]]]:  # fmt: skip
    """How many partitions a topic of ours has, and its committed messages as ``until_end`` gives them.

    ``only`` is the one partition to read, if not all are wanted; ``starts`` and ``last`` say where to begin.
    ``client`` holds further settings of KafkaConsumer. Raises ``TopicError`` in one sentence.
    """
    # Imported here: who only reads a recording needs no Kafka.
    from kafka import KafkaConsumer, errors

    from streams.topics import BEFORE, TopicError, describe

    found = describe(bootstrap, [topic], **client).get(topic)
    if found is None:
        command = "shadow topics" if topic.startswith(BEFORE) else "topics apply"
        raise TopicError(f"topic {topic} does not exist at {bootstrap}: run `whaleline {command}`")
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap.split(","),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **client,
    )
    try:
        wanted = range(found.partitions) if only is None else [only]
        yield found.partitions, until_end(consumer, topic, wanted, timeout_s, starts, last)
    except errors.KafkaError as error:
        raise TopicError(f"topic {topic} could not be read to its end: {error}") from error
    finally:
        consumer.close()


def latest(bootstrap: str, topic: str, timeout_s: float = 30.0, **client: Any) -> dict[bytes, bytes | None]:
    """The last committed value of each key of a compacted topic; arguments and errors as in ``reading``."""
    with reading(bootstrap, topic, timeout_s, **client) as (_, messages):
        return {message.key: message.value for _, message in messages if message.key is not None}
