"""What a worker counts, for Prometheus; no label ever names a customer, an event or an alert.

All label values come from closed lists (streams, outcomes, reason codes, alert kinds, partition numbers),
so the number of series does not grow with the base.
"""

import logging
from importlib.metadata import PackageNotFoundError, version
from wsgiref.simple_server import WSGIServer

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, start_http_server

prometheus_client.disable_created_metrics()

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Metrics:
    """The counters, gauges and histograms of one worker, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter, gauge, histogram = self._counter, self._gauge, self._histogram
        self.events = counter("events_total", "Source records read, by what became of them.", "stream", "outcome")
        self.dead_letters = counter("dead_letters_total", "Payloads refused, by reason.", "stream", "reason")
        self.rekeyed = counter("rekeyed_total", "Events whose record key was not their customer.")
        self.blocks = counter("ledger_blocks_total", "Records written to the ledger.")
        self.write_seconds = histogram(
            "ledger_write_seconds", "Writing one batch to the ledger until acknowledged."
        )
        self.applied = counter("judged_events_total", "Ledger events judged, by what became of them.", "outcome")
        self.alerts = counter("alerts_total", "Alerts published, by kind.", "kind")
        self.held = counter("alerts_held_total", "Alerts that an incident took in, by kind.", "kind")
        self.incidents = gauge("incidents_open", "Incidents that nobody has released.")
        self.waiting = gauge("alerts_waiting", "Alerts that wait an hour before they go out.")
        self.rows = counter("rows_published_total", "Changelog records published with a position.")
        self.publications = counter("publications_total", "Transactions committed.")
        self.publish_seconds = histogram("publish_seconds", "One publication, from its begin to its commit.")
        self.restore_seconds = histogram("restore_seconds", "Taking over one ledger partition.")
        self.customers = gauge("customers", "Customers in the partitions this worker judges.")
        self.ready = gauge("judge_ready_partitions", "Ledger partitions this worker owns and judges.")
        self.owned = gauge("judge_owned_partitions", "Ledger partitions this worker owns or is taking over.")
        self.lag = gauge("ledger_lag_records", "Ledger records not yet judged, over this worker's partitions.")
        build = Info("whaleline_build", "Version of this worker.", registry=self.registry)
        build.info({"version": _version()})

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(f"whaleline_{name}", words, labels, registry=self.registry)

    def _gauge(self, name: str, words: str) -> Gauge:
        return Gauge(f"whaleline_{name}", words, registry=self.registry)

    def _histogram(self, name: str, words: str) -> Histogram:
        return Histogram(f"whaleline_{name}", words, registry=self.registry, buckets=SECONDS)

    def serve(self, bind: str, port: int) -> WSGIServer | None:
        """Answer scrapes on ``bind``:``port`` from a thread of its own; port 0 serves nothing."""
        if not port:
            return None
        server, _ = start_http_server(port, addr=bind, registry=self.registry)
        logging.getLogger("whaleline").info("metrics at http://%s:%d/metrics", bind, port)
        return server


def _version() -> str:
    try:
        return version("whaleline")
    except PackageNotFoundError:
        return "unknown"
