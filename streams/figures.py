"""The gauges of a worker, set once a second: what it has, how far behind it is, and how its customers stand.

Counting happens here and not in a scrape, so that a scrape costs the same whatever the size of the base, and on
the event loop, so that nothing changes under it.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from faust.types import TP
from prometheus_client import Gauge

from schemas.alerts import INCIDENT_KINDS
from schemas.codes import ALERT_NAMES, STATE_NAMES, Reason
from streams.census import Census
from streams.judge import Judge
from streams.metrics import Metrics
from streams.pipeline import Pipeline
from streams.transport import Consumer

log = logging.getLogger("whaleline")

EVERY_S = 1.0
REASONS = tuple(reason.name.lower() for reason in Reason)


class Figures:
    """One worker's gauges; lives on the event loop. ``settled`` says whether it ever had an assignment."""

    def __init__(self, metrics: Metrics, judge: Judge) -> None:
        self.settled = False
        self._metrics, self._judge = metrics, judge
        self._census = Census()
        self._consumer: Consumer | None = None
        self._mine: frozenset[TP] = frozenset()
        self._sources: frozenset[TP] = frozenset()
        self._told: dict[Gauge, set[str]] = {}
        self._failed = False

    def assigned(
        self, consumer: Consumer, mine: Iterable[TP], sources: Iterable[TP], partitions: Mapping[str, int]
    ) -> None:
        """Exactly these partitions are ours now, ``sources`` among them; ``partitions`` of each topic in all."""
        self.settled = True
        self._consumer, self._mine, self._sources = consumer, frozenset(mine), frozenset(sources)
        self._metrics.assignments.inc()
        for topic, count in partitions.items():
            self._metrics.topic_partitions.labels(topic).set(count)
            self._metrics.know(topic, REASONS)

    def turn(self) -> None:
        """Set every gauge; a fault of ours in here is told once, and ends nothing."""
        try:
            self._tell()
        except Exception as error:
            if not self._failed:
                log.error("the gauges could not be set: %s", type(error).__name__)
            self._failed = True

    def _tell(self) -> None:
        metrics = self._metrics
        ready = self._judge.ready()
        self._set(metrics.assigned, Counter(tp.topic for tp in self._mine))
        metrics.ready.set(len(ready))
        self._set(metrics.lag, {str(partition): self._judge.lag(partition) for partition in ready})
        self._set(metrics.source_lag, self._source_lag())
        metrics.customers.set(sum(len(one.arena) for one in ready.values()))
        metrics.waiting.set(sum(one.waiting for one in ready.values()))
        metrics.in_incidents.set(sum(one.held for one in ready.values()))
        kinds = Counter(incident.kind for one in ready.values() for incident in one.incidents())
        for kind in INCIDENT_KINDS:
            metrics.incidents.labels(kind).set(kinds[kind])
        self._tell_of_the_base(ready)

    def _set(self, gauge: Gauge, values: Mapping[str, float]) -> None:
        """Give the gauge exactly these label values: one that is not ours any more says nothing."""
        for gone in self._told.get(gauge, set()) - values.keys():
            gauge.remove(gone)
        for label, value in values.items():
            gauge.labels(label).set(value)
        self._told[gauge] = set(values)

    def _source_lag(self) -> dict[str, float]:
        consumer = self._consumer
        out: dict[str, float] = {}
        for tp in self._sources if consumer is not None else ():
            end = consumer.thread.end(tp)  # type: ignore[union-attr]
            if end is not None:
                done = consumer.durable.get(tp, end.position)  # type: ignore[union-attr]
                out[tp.topic] = out.get(tp.topic, 0) + max(end.end - done, 0)
        return out

    def _tell_of_the_base(self, ready: Mapping[int, Pipeline]) -> None:
        metrics = self._metrics
        self._census.turn(ready)
        count = self._census.of_all()
        for machine, states in STATE_NAMES.items():
            for at, state in enumerate(states):
                kind = ALERT_NAMES.get(machine, "hold")
                metrics.in_state.labels(kind, state).set(int(count.states[machine, at]))
        for fault, cents in count.caused().items():
            metrics.caused_cents.labels(fault).set(cents)
        metrics.violations.set(count.violations)
        deciles = {str(at): float(cents) for at, cents in enumerate(count.deciles(), 1)}
        self._set(metrics.decile_cents, deciles)
        curve = count.curve_of()
        metrics.net_cents.labels("all").set(curve.net_cents)
        metrics.net_cents.labels("faultless").set(int(count.faultless[1].sum()))
        metrics.loss_cents.set(curve.loss_cents)
        metrics.whale_customers.labels("above_zero").set(curve.above_zero)
        metrics.whale_customers.labels("below_zero").set(curve.below_zero)


def ready_to_work(app: Any) -> str | None:
    """Why this worker is not ready, in a few words; None when it has its partitions and has restored them."""
    consumer = getattr(app, "_consumer", None)
    if consumer is None or not app.figures.settled:
        return "waiting for an assignment"
    if consumer.unsettled_since is not None:
        return "an assignment is being settled"
    owned = list(app.judge.owned.values())
    behind = sum(not one.ready for one in owned)
    return f"{behind} of {len(owned)} ledger partitions are not restored yet" if behind else None
