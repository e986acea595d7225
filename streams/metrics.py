"""What a worker counts, for Prometheus; no label ever names a customer, an event or an alert.

All label values come from closed lists (topics, outcomes, reason codes, alert kinds, states, partition numbers),
so the number of series does not grow with the base. docs/operations.md lists every metric.
"""

import logging
import platform
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

from schemas.alerts import KINDS
from schemas.codes import ALERT_NAMES
from schemas.state import LAYOUT
from streams.accepted import Span
from streams.outbox import Publication
from streams.outcome import Outcome

log = logging.getLogger("whaleline")

prometheus_client.disable_created_metrics()

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
DELAY_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
"""Edges at 5 s and 30 s, the thresholds of the objectives in deploy/prometheus/rules.yml."""
RESTORE_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)


class Metrics:
    """The counters, gauges and histograms of one worker, in a registry of their own.

    Those of a shadow's worker have other names: whatever adds up the live workers' must not count customers twice.
    """

    def __init__(self, *, of_shadow: bool = False) -> None:
        self.registry = CollectorRegistry()
        self._prefix = "whaleline_shadow_" if of_shadow else "whaleline_"
        ProcessCollector(registry=self.registry)
        build = Info(f"{self._prefix}build", "Version of this worker.", registry=self.registry)
        build.info({"version": _version(), "layout": str(LAYOUT), "python": platform.python_version()})
        self._of_the_way_in()
        self._of_the_engine()
        self._of_the_judgement()
        self._of_the_base()
        if of_shadow:
            self._of_a_shadow()
        for kind, change in map(kind_and_change, KINDS):
            self.alerts.labels(kind, change)
            self.held.labels(kind, change)
        for kind in ALERT_NAMES.values():
            self.alert_seconds.labels(kind)
        for outcome in ("applied", "redelivered", "repeated", "future", "erased"):
            self.applied.labels(outcome)
        for change in ("placed", "lifted"):
            self.holds.labels(change)

    def _of_the_way_in(self) -> None:
        counter, gauge = self._counter, self._gauge
        self.events = counter("events_total", "Source records, by what became of them.", "topic", "outcome")
        self.dead_letters = counter("dead_letters_total", "Payloads refused, by reason.", "topic", "reason")
        self.rekeyed = counter("rekeyed_total", "Events whose record key was not their customer.")
        self.let_go = counter("let_go_records_total", "Records that a person let go (accept_lost).", "topic")
        self.blocks = counter("ledger_blocks_total", "Records written to the ledger.")
        self.write_seconds = self._histogram(
            "ledger_write_seconds", "Writing one batch to the ledger until acknowledged."
        )
        self.source_lag = gauge(
            "source_lag_records", "Source records not yet durable in the ledger, over this worker's.", "topic"
        )

    def _of_the_engine(self) -> None:
        counter, gauge, histogram = self._counter, self._gauge, self._histogram
        self.topic_partitions = gauge("topic_partitions", "Partitions that a topic has.", "topic")
        self.assigned = gauge("partitions_assigned", "Partitions of a topic that this worker has.", "topic")
        self.ready = gauge("partitions_ready", "Ledger partitions that this worker has restored and judges.")
        self.assignments = counter("assignments_total", "Assignments of partitions that were settled.")
        self.applied = counter("judged_events_total", "Ledger events judged, by what became of them.", "outcome")
        self.judge_seconds = histogram("judge_seconds", "Judging one ledger record.")
        self.lag = gauge("ledger_lag_records", "Ledger records not yet judged.", "partition")
        self.delay_seconds = histogram(
            "ledger_delay_seconds", "From a record's append to the ledger until it is judged.", DELAY_SECONDS
        )
        self.publications = counter("publications_total", "Transactions committed.")
        self.rows = counter("changelog_records_total", "Changelog records published with a position.")
        self.publish_seconds = histogram("publish_seconds", "One publication, from its begin to its commit.")
        self.restore_seconds = histogram(
            "restore_seconds", "Taking over one ledger partition, from fencing to its last row.", RESTORE_SECONDS
        )
        self.restore_left = gauge(
            "restore_left_records", "Changelog offsets still to read of a partition being restored.", "partition"
        )
        self.restore_eta = gauge(
            "restore_eta_seconds", "How long restoring a partition will go on at its pace.", "partition"
        )
        self.standby_left = gauge(
            "standby_left_records", "Changelog offsets still to read of a partition being followed.", "partition"
        )

    def _of_the_judgement(self) -> None:
        counter, gauge = self._counter, self._gauge
        self.alerts = counter("alerts_total", "Alerts published, by kind and change.", "kind", "change")
        self.alert_seconds = Histogram(
            f"{self._prefix}alert_seconds",
            "From the append of the ledger record that led to an alert until the alert is committed.",
            ["kind"],
            registry=self.registry,
            buckets=DELAY_SECONDS,
        )
        self.at_risk = counter("alerts_at_risk_cents_total", "Money at risk in alerts that were entered.", "kind")
        self.transitions = counter(
            "state_transitions_total", "Changes of a customer's state, as concluded.", "kind", "before", "after"
        )
        self.held = counter("alerts_held_total", "Alerts that an incident took in.", "kind", "change")
        self.in_incidents = gauge("alerts_in_incidents", "Alerts that open incidents hold.")
        self.incidents = gauge("incidents_open", "Incidents that nobody has released.", "kind")
        self.waiting = gauge("alerts_waiting", "Alerts that wait an hour before they go out.")
        self.holds = counter("holds_total", "Engagement holds placed and lifted.", "change")
        self.contact_cents = counter(
            "cost_to_serve_cents_total", "What contacts cost by the policy's prices.", "channel"
        )

    def _of_the_base(self) -> None:
        gauge = self._gauge
        self.customers = gauge("customers", "Customers in the partitions this worker judges.")
        self.in_state = gauge("customers_in_state", "Customers by state of a machine.", "kind", "state")
        self.violations = gauge("hold_violations", "Contacts sent to customers whom a hold protected, ever.")
        self.caused_cents = gauge("cost_caused_cents", "What customers have cost, by who caused it.", "fault")
        self.decile_cents = gauge(
            "whale_decile_cents", "Net of the year, by decile of this worker's customers; 1 is the best.", "decile"
        )
        self.net_cents = gauge(
            "whale_net_cents", "Net of the year of all customers; faultless leaves our own faults out.", "curve"
        )
        self.loss_cents = gauge("whale_loss_cents", "What customers below zero take away in the year.")
        self.whale_customers = gauge("whale_customers", "Customers with money in the year.", "side")

    def _of_a_shadow(self) -> None:
        gauge = self._gauge
        self.shadow_entered = gauge(
            "entered_customers", "Customers entered by both policies, or by one alone.", "kind", "entered"
        )
        self.shadow_differs = gauge(
            "differing_customers", "Customers in another state than under the live policy.", "kind"
        )
        self.shadow_alerts = gauge(
            "compared_alerts", "Alerts that ask for something, since the shadow's policy began.", "policy"
        )

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(f"{self._prefix}{name}", words, labels, registry=self.registry)

    def _gauge(self, name: str, words: str, *labels: str) -> Gauge:
        return Gauge(f"{self._prefix}{name}", words, labels, registry=self.registry)

    def _histogram(self, name: str, words: str, buckets: Sequence[float] = SECONDS) -> Histogram:
        return Histogram(f"{self._prefix}{name}", words, registry=self.registry, buckets=buckets)

    # ---------------------------------------------------------------- what the judge says

    def know(self, topic: str, reasons: Iterable[str]) -> None:
        """Begin the counters of a topic at 0: a rate over one that appears with its first event misses it."""
        for outcome in ("read", "refused"):
            self.events.labels(topic, outcome)
        for reason in reasons:
            self.dead_letters.labels(topic, reason)

    def restoring(self, partition: int, left: int, eta_s: float) -> None:
        """Tell how far taking over a ledger partition is."""
        self.restore_left.labels(str(partition)).set(left)
        self.restore_eta.labels(str(partition)).set(eta_s)

    def restored(self, partition: int, seconds: float | None) -> None:
        """A partition is taken over, after so many seconds, or (None) was taken away before that."""
        if seconds is not None:
            self.restore_seconds.observe(seconds)
        for gauge in (self.restore_left, self.restore_eta):
            with suppress(KeyError):
                gauge.remove(str(partition))

    def standing_by(self, partition: int, left: int | None) -> None:
        """Tell how far behind a followed partition is; None: it is not followed any more."""
        if left is not None:
            self.standby_left.labels(str(partition)).set(left)
            return
        with suppress(KeyError):
            self.standby_left.remove(str(partition))

    def lost(self, span: Span) -> None:
        """Count and tell what is passed over because a person let it go."""
        self.let_go.labels(span.topic).inc(span.last - span.first + 1)
        log.warning("%s is passed over: it was let go (accept_lost)", span)

    def judged(self, outcome: Outcome, seconds: float, now_ms: int) -> None:
        """Count what one ledger record led to; ``seconds`` is how long that took."""
        self.judge_seconds.observe(seconds)
        if outcome.append_ms is not None:
            self.delay_seconds.observe(max(now_ms - outcome.append_ms, 0) / 1_000)
        for name, count in (
            ("applied", outcome.applied),
            ("redelivered", outcome.skipped),
            ("repeated", outcome.duplicates),
            ("future", len(outcome.refused)),
            ("erased", outcome.erased),
        ):
            if count:
                self.applied.labels(name).inc(count)
        for alert in outcome.produced:
            self.transitions.labels(kind_and_change(alert.kind)[0], alert.state_before, alert.state_after).inc()
        for hold in outcome.holds:
            self.holds.labels("placed" if hold.held else "lifted").inc()
        for channel, cents in outcome.contact_cents.items():
            self.contact_cents.labels(channel.name.lower()).inc(cents)

    def published(
        self, what: Publication, outcomes: Iterable[Outcome], topic: str, seconds: float, now_ms: int
    ) -> None:
        """Count one publication, which is committed now; ``topic`` is the ledger's, of what the judge refused."""
        self.publish_seconds.observe(seconds)
        self.publications.inc()
        self.rows.inc(len(what.records))
        for outcome in outcomes:
            for alert in outcome.alerts:
                kind, change = kind_and_change(alert.kind)
                self.alerts.labels(kind, change).inc()
                if change == "entered":
                    self.at_risk.labels(kind).inc(max(alert.at_risk_cents, 0))
                if outcome.append_ms is not None:
                    late_s = max(now_ms - outcome.append_ms, 0) / 1_000
                    self.alert_seconds.labels(kind).observe(late_s, {"alert_id": alert.alert_id})
        for alert in what.held:
            self.held.labels(*kind_and_change(alert.kind)).inc()
        for letter in what.refused:
            self.dead_letters.labels(topic, letter.reason).inc()


def kind_and_change(kind: str) -> tuple[str, str]:
    """``churn_risk_entered`` as ``churn_risk`` and ``entered``."""
    name, _, change = kind.rpartition("_")
    return name, change


def _version() -> str:
    try:
        return version("whaleline")
    except PackageNotFoundError:
        return "unknown"
