"""What the post office counts, for Prometheus; a target is named as its file names it."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge


class DeliveryMetrics:
    """The counters and gauges of ``whaleline notify run``, in the registry that is given."""

    def __init__(self, registry: CollectorRegistry, targets: Iterable[str]) -> None:
        self.deliveries = Counter(
            "whaleline_deliveries_total",
            "Alerts by what became of them at a target; failed ones are brought again.",
            ["target", "outcome"],
            registry=registry,
        )
        self.fuse_open = Gauge(
            "whaleline_delivery_fuse_open", "1 while a target is left alone.", ["target"], registry=registry
        )
        for target in targets:
            self.fuse_open.labels(target)
            for outcome in ("delivered", "failed", "refused"):
                self.deliveries.labels(target, outcome)
