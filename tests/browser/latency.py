"""How long an alert takes from Kafka to the eye: a real broker, open alerts, many viewers, and one real Chromium.

    python -m tests.browser.latency --open 10000 --viewers 200

The clock starts when the broker has acknowledged the alert, from when on it can be read. It ends, for a viewer,
when the bytes with its card have come; for the browser, when the row stands in the page. Exit code 1: too slow.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
from confluent_kafka import Producer

from streams.intake import ledger_partition
from streams.topics import apply
from tests.broker.kafka import Kafka, fetch_jars
from tests.browser.chromium import Pages, chromium
from tests.browser.world import crowd, raised
from tests.desks import DeskProcess, Stage

P50_MS, P99_MS, STATE_P99_MS = 50, 200, 20
WATCH = """() => { window.seen = {}; new MutationObserver(() => {
    for (const one of document.querySelectorAll('[data-customer^="bench-"]'))
        window.seen[one.dataset.customer] ??= Date.now();
}).observe(document.body, { subtree: true, childList: true }); }"""


def environment(broker: str, prefix: str) -> dict[str, str]:
    return {
        "WHALELINE_BROKER": broker,
        "WHALELINE_TOPICS_PREFIX": prefix,
        "WHALELINE_LEDGER_PARTITIONS": "4",
        "WHALELINE_SOURCE_PARTITIONS": "2",
    }


def follow(url: str, viewers: int, count: int, ready: Any, out: Any) -> None:
    """In a process of its own: so many viewers, who note when each alert's card came."""

    async def one(session: aiohttp.ClientSession, came: dict[str, list[float]]) -> None:
        async with session.get(f"{url}/v1/stream?role=agent") as answer:
            rest, left = b"", count
            async for chunk in answer.content.iter_any():
                now, rest = time.time(), rest + chunk
                if not ready.is_set():
                    came["ready"].append(now)
                *lines, rest = rest.split(b"\n\n")
                for line in lines:
                    for part in line.split(b'"customer":"bench-')[1:]:
                        came.setdefault(part[:6].decode(), []).append(now)
                        left -= 1
                if left <= 0:
                    return

    async def all_of_them() -> dict[str, list[float]]:
        came: dict[str, list[float]] = {"ready": []}
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout()
        ) as session:
            tasks = [asyncio.create_task(one(session, came)) for _ in range(viewers)]
            while len(came["ready"]) < viewers:  # noqa: ASYNC110 - each viewer says so by its first bytes
                await asyncio.sleep(0.05)
            ready.set()
            await asyncio.gather(*tasks)
        return came

    out.put(asyncio.run(all_of_them()))


def publish(broker: str, topic: str, count: int, per_s: float) -> dict[str, float]:
    """Publish alerts at a pace; when each was acknowledged."""
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 0, "acks": "all", "enable.idempotence": True})
    readable: dict[str, float] = {}
    like = next(one for one in raised() if one.moment == "rude_call")
    begun = time.time()
    for number in range(count):
        while time.time() < begun + number / per_s:
            producer.poll(0.001)
        customer = f"bench-{number:06d}"
        alert = replace(like, customer_id=customer, alert_id=f"d{number:031x}", owner=f"floor-{number % 40}")

        def acknowledged(_error: Any, _message: Any, name: str = customer) -> None:
            readable[name] = time.time()

        at = ledger_partition(customer, 4)
        producer.produce(topic, alert.to_msgpack(), customer.encode(), at, on_delivery=acknowledged)
        producer.poll(0)
    producer.flush(30)
    return readable


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def told(what: str, values: Sequence[float], p50: float, p99: float) -> bool:
    """Say the figures; whether they are within the bounds."""
    low, high = quantile(values, 0.5), quantile(values, 0.99)
    print(
        f"{what}: {len(values)} seen, p50 {low:.0f} ms, p99 {high:.0f} ms (bounds {p50:g} and {p99:g})", flush=True
    )
    return low <= p50 and high <= p99


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--open", type=int, default=10_000, help="open alerts beforehand")
    parser.add_argument("--viewers", type=int, default=200)
    parser.add_argument("--alerts", type=int, default=400)
    parser.add_argument("--rate", type=float, default=10.0, help="alerts a second")
    given = parser.parse_args()
    with Kafka(fetch_jars()) as kafka, tempfile.TemporaryDirectory() as folder:
        stage = Stage(environment(kafka.bootstrap, "bench-"))
        apply(kafka.bootstrap, stage.config.plan())
        stage.alerts(*crowd(given.open))
        begun = time.time()
        with DeskProcess(stage.environment, Path(folder) / "desk.log") as desk, chromium() as browser:
            desk.ready()
            print(f"{given.open} open alerts: ready {time.time() - begun:.1f} s after the start", flush=True)
            return measure(given, stage, desk, Pages(browser))


def measure(given: argparse.Namespace, stage: Stage, desk: DeskProcess, pages: Pages) -> int:
    page = pages.open(desk.url)
    page.mouse.move(2, 2)
    page.evaluate(WATCH)
    spawn = multiprocessing.get_context("spawn")
    ready, out = spawn.Event(), spawn.Queue()
    viewers = spawn.Process(target=follow, args=(desk.url, given.viewers, given.alerts, ready, out), daemon=True)
    viewers.start()
    assert ready.wait(120)
    readable = publish(stage.config.broker, stage.config.topics.alerts, given.alerts, given.rate)
    came = out.get(timeout=120)
    page.wait_for_function(f"Object.keys(window.seen).length >= {given.alerts}", timeout=60_000)
    seen = page.evaluate("window.seen")
    pages.close()
    asked = []
    for number in range(500):
        began = time.perf_counter()
        desk.get(f"/v1/customer?customer=c-{number % given.open:05d}")
        asked.append((time.perf_counter() - began) * 1_000)
    waits = [
        (at - readable[f"bench-{name}"]) * 1_000 for name, times in came.items() if name != "ready" for at in times
    ]
    fine = [
        told(f"{given.viewers} viewers", waits, P50_MS, P99_MS),
        told("in the browser", [at - readable[name] * 1_000 for name, at in seen.items()], P50_MS, P99_MS),
        told("a customer by the API", asked, STATE_P99_MS, STATE_P99_MS),
    ]
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())
