"""A producer at a steady rate and a reader of its alerts, in one process beside the worker that is measured.

``python -m tests.bench.pace BROKER PREFIX RATE SECONDS`` prints what it saw as one JSON line. One event in
``ALERT_EVERY`` is a rude call to somebody new, of whom the floor must hear at once; between its send and the
alert in the hands of a reader of committed records lies the whole way.
"""

import json
import sys
import threading
import time

import msgpack
import numpy as np
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.codec import encode
from streams.intake import ledger_partition
from tests.bench.load import REASONS

ALERT_EVERY = 50
CUSTOMERS = 10_000
PARTITIONS = 4
WARM_S = 4.0
BURST_S = 0.005
PATIENCE_S = 20.0


def main(broker: str, prefix: str, rate: int, seconds: float) -> dict[str, float]:
    """Send and listen; milliseconds by percentile, and how many alerts were waited for in vain."""
    sent: dict[str, float] = {}
    heard: dict[str, float] = {}
    news, over = threading.Event(), threading.Event()
    listener = threading.Thread(target=_listen, args=(broker, f"{prefix}alerts", heard, news, over))
    listener.start()
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 1, "queue.buffering.max.messages": 1_000_000})
    rng = np.random.default_rng(3)
    number = 0
    begun = time.perf_counter()
    while (now := time.perf_counter() - begun) < seconds + WARM_S:
        due = int(now * rate)
        while number < due:
            _send(producer, prefix, number, rng, sent)
            number += 1
        producer.poll(BURST_S)
    producer.flush(30)
    wanted = {one for one, at in sent.items() if at - begun > WARM_S}
    end = time.perf_counter() + PATIENCE_S
    while not wanted <= heard.keys() and (left := end - time.perf_counter()) > 0:
        news.wait(left)
        news.clear()
    over.set()
    listener.join()
    waits = np.array([1e3 * (heard[one] - sent[one]) for one in wanted & heard.keys()] or [float("nan")])
    p50, p90, p99 = np.percentile(waits, [50, 90, 99])
    return {
        "rate": rate, "rate_done": number / (seconds + WARM_S), "alerts": len(waits),
        "missing": len(wanted - heard.keys()), "p50_ms": p50, "p90_ms": p90, "p99_ms": p99, "max_ms": waits.max(),
    }  # fmt: skip


def _send(producer: Producer, prefix: str, number: int, rng: np.random.Generator, sent: dict[str, float]) -> None:
    fields = {"ts_ms": time.time_ns() // 1_000_000, "event_id": f"e{number}"}
    topic = "support-calls"
    if number % ALERT_EVERY == 0:
        customer = f"r{number}"
        fields |= {"kind": "rude_call", "observer": "qa", "handle_ms": 60_000, "agent_id": f"a{number}"}
        sent[customer] = time.perf_counter()
    else:
        customer = f"c{int(rng.integers(CUSTOMERS)):07d}"
        if rng.random() < 0.3:
            topic, fields = "purchases", fields | {"kind": "purchase", "amount_cents": 5_000}
        else:
            fields |= {
                "kind": "call_closed",
                "handle_ms": 200_000,
                "reason": REASONS[number % 6],
                "resolved": True,
            }
    value = encode({**fields, "customer_id": customer})
    producer.produce(prefix + topic, value, customer.encode(), ledger_partition(customer, PARTITIONS))


def _listen(
    broker: str, topic: str, heard: dict[str, float], news: threading.Event, over: threading.Event
) -> None:
    """Note when each customer was first told of, until it is over."""
    reader = Consumer(
        {
            "bootstrap.servers": broker, "group.id": f"{topic}-pace", "isolation.level": "read_committed",
            "enable.auto.commit": False, "fetch.wait.max.ms": 5, "auto.offset.reset": "earliest",
        }
    )  # fmt: skip
    partitions = reader.list_topics(topic, 10).topics[topic].partitions
    reader.assign([TopicPartition(topic, one, 0) for one in partitions])
    while not over.is_set():
        for message in reader.consume(1_000, 0.02):
            if message.error() is None:
                body = msgpack.unpackb(message.value())
                heard.setdefault(body["customer_id"], time.perf_counter())
                news.set()
    reader.close()


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))))
