"""What a worker tells Prometheus: true, complete, documented, cheap, and never of one customer."""

from __future__ import annotations

import re
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from faust.types import TP
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.registry import CollectorRegistry

from schemas.alerts import KINDS
from schemas.codes import ALERT_NAMES, STATE_NAMES, Channel, Fault, Machine
from schemas.policy import parse
from streams import census
from streams.canary import CanaryMetrics
from streams.census import Census
from streams.desk.metrics import DeskMetrics
from streams.figures import Figures, ready_to_work
from streams.health import Health
from streams.metrics import Metrics, kind_and_change
from streams.notify.metrics import DeliveryMetrics
from streams.outbox import Publication
from streams.pipeline import Pipeline
from tests.broker.kafka import free_port
from tests.driver import PURCHASES, Driver

OPERATIONS = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
CUSTOMERS = 100_000
MOST_SERIES = 2_000
SCRAPE_S = 0.05


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"whaleline_{name}", labels)


@dataclass
class StubJudge:
    """Owns the partitions it is given, all of them restored, with as much lag as the partition's number."""

    pipelines: dict[int, Pipeline] = field(default_factory=dict)

    def ready(self) -> dict[int, Pipeline]:
        return self.pipelines

    def lag(self, partition: int) -> int:
        return partition


def listened(driver: Driver) -> Metrics:
    """The metrics of a worker that judged and published all that the driver did, 40 ms after each append."""
    metrics = Metrics()
    for outcome in driver.outcomes:
        assert outcome.append_ms is not None
        metrics.judged(outcome, 0.001, outcome.append_ms + 40)
        metrics.published(
            Publication([], outcome.alerts, held=outcome.held), [outcome], "ledger", 0.01, outcome.append_ms + 40
        )
    return metrics


def figures_of(metrics: Metrics, pipelines: list[Pipeline]) -> Figures:
    return Figures(metrics, StubJudge(dict(enumerate(pipelines))))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def told() -> Driver:
    """A customer whom we failed, and one who is left in peace."""
    driver = Driver()
    driver.support("rude_call", "C1", observer="qa", handle_ms=60_000)
    driver.support("call_closed", "C2", handle_ms=600_000)
    driver.support("chat", "C2", handle_ms=60_000)
    driver.wait(days=40)
    return driver


def test_alerts_and_transitions_are_counted_as_the_driver_has_them(told: Driver) -> None:
    metrics = listened(told)
    counted = Counter(one.kind for one in told.alerts)
    assert counted["service_failure_entered"] == 1
    for kind in KINDS:
        name, change = kind_and_change(kind)
        assert value(metrics, "alerts_total", kind=name, change=change) == counted[kind], kind
    moved = {"kind": "service_failure", "before": "served", "after": "failed"}
    assert value(metrics, "state_transitions_total", **moved) == 1
    assert value(metrics, "holds_total", change="placed") == sum(one.held for one in told.holds) > 0
    assert value(metrics, "alert_seconds_sum", kind="service_failure") == pytest.approx(
        0.04 * sum(one.kind.startswith("service_failure") for one in told.alerts)
    )
    assert value(metrics, "judged_events_total", outcome="applied") == 3


def test_an_alerts_latency_names_the_alert_as_exemplar(told: Driver) -> None:
    registry = listened(told).registry
    asked = {"PATH_INFO": "/metrics", "REQUEST_METHOD": "GET", "HTTP_ACCEPT": "application/openmetrics-text"}
    text = b"".join(Health(registry)(asked, lambda status, headers: None)).decode()
    families = {one.name: one for one in text_string_to_metric_families(text)}
    shown = {
        one.exemplar.labels["alert_id"] for one in families["whaleline_alert_seconds"].samples if one.exemplar
    }
    assert shown
    assert shown <= {one.alert_id for one in told.alerts}


def test_contacts_cost_by_channel_what_the_policy_says() -> None:
    """By voice where a call does not say; a stated cost replaces the price; nothing else is a contact."""
    driver, rule = Driver(), parse("").record[0]
    driver.support("call_closed", handle_ms=90_000)
    driver.support("call_closed", handle_ms=60_000, channel="chat")
    driver.support("chat", cost_cents=77)
    driver.support("email")
    driver.support("self_service")
    driver.support("rude_call", observer="qa", handle_ms=60_000)
    driver.buys("purchase", amount_cents=5_000)
    spent: Counter[Channel] = Counter()
    for outcome in driver.outcomes:
        spent.update(outcome.contact_cents)
    assert spent == {
        Channel.VOICE: rule["cost_voice_fixed_cents"] + round(1.5 * rule["cost_voice_cents_per_minute"]),
        Channel.CHAT: rule["cost_chat_fixed_cents"] + rule["cost_chat_cents_per_minute"] + 77,
        Channel.EMAIL: rule["cost_email_cents"],
        Channel.SELF_SERVICE: rule["cost_self_service_cents"],
    }


@pytest.fixture(scope="module")
def base() -> Driver:
    """A hundred thousand customers in sixteen partitions, a few of whom call too often."""
    driver = Driver(partitions=16, source_partitions=4)
    for number in range(CUSTOMERS):
        driver.send(PURCHASES, "purchase", f"C{number}", amount_cents=1_000 + number % 977)
    for number in range(0, CUSTOMERS, 100):
        driver.send("support-calls", "rude_call", f"C{number}", observer="qa", handle_ms=1_200_000)
    driver.run()
    driver.wait(days=1)
    return driver


def test_the_census_counts_what_one_look_at_all_rows_counts(base: Driver) -> None:
    """Slice by slice, in as many turns as the rows need and no more rows a turn than it says."""
    count, turning = Census(), 0
    while len(count._whole) < 16:
        count.turn(dict(enumerate(base.pipelines)))
        turning += 1
    assert turning >= CUSTOMERS / census.AT_ONCE
    found = count.of_all()
    rows = np.concatenate([one.arena.rows[: len(one.arena)] for one in base.pipelines])
    for machine in Machine:
        states = [int((rows["state"][:, machine] == at).sum()) for at in range(len(STATE_NAMES[machine]))]
        assert found.states[machine, : len(states)].tolist() == states
    assert found.states[Machine.SERVICE, 1] > 0
    assert found.caused() == {one.name.lower(): int(rows["life_cost_cents"][:, one].sum()) for one in Fault}
    assert sum(found.deciles()) == pytest.approx(found.curve_of().net_cents, abs=10)
    assert found.deciles() == sorted(found.deciles(), reverse=True)
    assert found.curve_of().customers == CUSTOMERS


def test_a_scrape_of_a_large_base_is_small_and_quick(base: Driver) -> None:
    """Fewer than 2,000 series and 50 ms, over HTTP, after a hundred thousand customers."""
    metrics = listened(base)
    figures = figures_of(metrics, base.pipelines)
    figures.assigned(SimpleNamespace(), [TP("ledger", at) for at in range(16)], [], {"ledger": 16})  # type: ignore[arg-type]
    for _ in range(CUSTOMERS // census.AT_ONCE + 2):
        figures.turn()
    assert value(metrics, "customers") == CUSTOMERS
    assert value(metrics, "customers_in_state", kind="churn_risk", state="calm") > CUSTOMERS / 2  # type: ignore[operator]
    port = free_port()
    server = Health(metrics.registry).serve("127.0.0.1", port)
    assert server is not None
    try:
        took = []
        for _ in range(5):
            begun = time.perf_counter()
            text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
            took.append(time.perf_counter() - begun)
    finally:
        server.shutdown()
        server.server_close()
    series = [line for line in text.splitlines() if not line.startswith("#")]
    assert 300 < len(series) < MOST_SERIES
    assert min(took) < SCRAPE_S
    assert not re.search(r"C\d{2,}", text), "no customer is named"


def test_what_is_said_of_a_partition_ends_with_it(told: Driver) -> None:
    metrics = Metrics()
    judge = StubJudge({0: told.pipelines[0], 7: Pipeline("other", 7, 8)})
    figures = Figures(metrics, judge)  # type: ignore[arg-type]
    figures.assigned(SimpleNamespace(), [TP("ledger", 0), TP("ledger", 7)], [], {"ledger": 8})  # type: ignore[arg-type]
    figures.turn()
    figures.turn()
    assert value(metrics, "ledger_lag_records", partition="7") == 7
    assert value(metrics, "partitions_assigned", topic="ledger") == 2
    assert value(metrics, "customers_in_state", kind="service_failure", state="served") == 2
    del judge.pipelines[0]
    figures.assigned(SimpleNamespace(), [TP("ledger", 7)], [], {"ledger": 8})  # type: ignore[arg-type]
    figures.turn()
    assert value(metrics, "ledger_lag_records", partition="0") is None
    assert value(metrics, "ledger_lag_records", partition="7") == 7
    assert value(metrics, "customers_in_state", kind="service_failure", state="served") == 0
    judge.pipelines.clear()
    figures.assigned(SimpleNamespace(), [], [], {"ledger": 8})  # type: ignore[arg-type]
    figures.turn()
    assert value(metrics, "ledger_lag_records", partition="7") is None
    assert value(metrics, "partitions_assigned", topic="ledger") is None
    metrics.restoring(3, 10, 1.5)
    assert value(metrics, "restore_left_records", partition="3") == 10
    metrics.restored(3, None)
    assert value(metrics, "restore_left_records", partition="3") is None
    assert value(metrics, "restore_seconds_count") == 0


def documented() -> dict[str, set[str]]:
    """Names and labels as docs/operations.md lists them."""
    rows = re.findall(r"^\| `(whaleline_\w+)` \| ([\w, ]*)\|", OPERATIONS.read_text(encoding="utf-8"), re.M)
    return {name: set(filter(None, labels.replace(" ", "").split(","))) for name, labels in rows}


def exposed(registry: CollectorRegistry) -> dict[str, set[str]]:
    """Names and labels of every metric of a registry."""
    found = {}
    for collector in set(registry._collector_to_names):
        for family in collector.describe() if hasattr(collector, "describe") else ():
            suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
            found[family.name + suffix] = set(getattr(collector, "_labelnames", ()))
    return found


def of_a_shadow() -> dict[str, set[str]]:
    """Names and labels of the metrics that only a shadow's worker has."""
    copied = {name.replace("whaleline_", "whaleline_shadow_") for name in exposed(Metrics().registry)}
    theirs = exposed(Metrics(of_shadow=True).registry)
    return {name: labels for name, labels in theirs.items() if name not in copied}


def test_what_adds_up_live_workers_never_counts_a_shadow() -> None:
    live, shadow = exposed(Metrics().registry), exposed(Metrics(of_shadow=True).registry)
    own = {name.replace("whaleline_", "whaleline_shadow_") for name in live if name.startswith("whaleline_")}
    assert len(own) > 30
    assert own < shadow.keys()
    assert {name for name in live.keys() & shadow.keys() if not name.startswith("process_")} == set()
    assert of_a_shadow()


def test_the_documentation_lists_every_metric_and_its_labels() -> None:
    ours = {name: labels for name, labels in exposed(Metrics().registry).items() if name.startswith("whaleline_")}
    canary = CollectorRegistry()
    CanaryMetrics(canary)
    DeskMetrics(canary)
    DeliveryMetrics(canary, [])
    ours |= exposed(canary) | of_a_shadow()
    ours["whaleline_build_info"] = {"version", "layout", "python"}
    assert len(ours) > 35
    assert documented() == ours


def test_names_and_units_are_as_prometheus_wants_them() -> None:
    for name, labels in exposed(Metrics().registry).items():
        assert re.fullmatch(r"(whaleline|process)_[a-z_]+", name)
        assert not re.search(r"_(ms|minutes|dollars|percent|ppm)(_|$)", name), name
        assert not labels & {"customer", "customer_id", "event_id", "alert_id", "le"}, name


@pytest.fixture
def answers() -> Any:
    health, port = Health(CollectorRegistry()), free_port()
    server = health.serve("127.0.0.1", port)
    assert server is not None

    def ask(path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode().strip()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode().strip()

    yield health, ask
    server.shutdown()
    server.server_close()


def test_probes_say_what_is_wrong(answers: Any) -> None:
    health, ask = answers
    assert ask("/livez") == (200, "ok")
    assert ask("/readyz") == (503, "the worker is starting")
    assert ask("/elsewhere")[0] == 404
    health.alive, health.ready = (lambda: "The event loop has stood still for 30 s."), lambda: None
    assert ask("/livez") == (503, "The event loop has stood still for 30 s.")
    assert ask("/readyz") == (200, "ok")


@pytest.mark.parametrize(
    ("consumer", "settled", "ready", "said"),
    [
        (None, False, [], "waiting for an assignment"),
        (SimpleNamespace(unsettled_since=None), False, [], "waiting for an assignment"),
        (SimpleNamespace(unsettled_since=1.0), True, [True], "an assignment is being settled"),
        (
            SimpleNamespace(unsettled_since=None),
            True,
            [True, False],
            "1 of 2 ledger partitions are not restored yet",
        ),
        (SimpleNamespace(unsettled_since=None), True, [True, True], None),
        (SimpleNamespace(unsettled_since=None), True, [], None),
    ],
)
def test_ready_is_assigned_and_restored(consumer: Any, settled: bool, ready: list[bool], said: str | None) -> None:
    owned = {at: SimpleNamespace(ready=one) for at, one in enumerate(ready)}
    app = SimpleNamespace(
        _consumer=consumer, figures=SimpleNamespace(settled=settled), judge=SimpleNamespace(owned=owned)
    )
    found = ready_to_work(app)
    assert found is None if said is None else found is not None and found.startswith(said)


def test_every_kind_has_its_words() -> None:
    assert {kind_and_change(kind)[0] for kind in KINDS} == set(ALERT_NAMES.values())
