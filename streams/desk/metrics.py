"""What a desk counts, for Prometheus; no label ever names a customer, a person, an alert or a floor."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from streams.desk.action import VERBS
from streams.desk.cards import ASLEEP, DONE, LIVE
from streams.metrics import DELAY_SECONDS, SECONDS

OUTCOMES = ("taken", "refused", "unavailable")


class DeskMetrics:
    """The counters, gauges and histograms of one desk, in the registry that is given."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.cards = Gauge(
            "whaleline_desk_cards",
            "Cards by their state; every replica says the same.",
            ["state"],
            registry=registry,
        )
        self.viewers = Gauge("whaleline_desk_viewers", "Pages that follow this desk.", registry=registry)
        self.actions = Counter(
            "whaleline_desk_actions_total",
            "Actions asked of this desk, by what became of them.",
            ["verb", "outcome"],
            registry=registry,
        )
        self.action_seconds = Histogram(
            "whaleline_desk_action_seconds",
            "From asking for an action until it was durable and read back.",
            registry=registry,
            buckets=SECONDS,
        )
        self.shown_seconds = Histogram(
            "whaleline_desk_shown_seconds",
            "From the time on an alert's record until this desk has told its viewers.",
            registry=registry,
            buckets=DELAY_SECONDS,
        )
        self.behind = Gauge(
            "whaleline_desk_behind_records",
            "Records that are there and not read.",
            registry=registry,
        )
        self.unread = Gauge(
            "whaleline_desk_unread_records",
            "Records that could not be read and were passed over.",
            registry=registry,
        )
        self.away = Gauge("whaleline_desk_kafka_away", "1 while Kafka does not answer.", registry=registry)
        for state in (*LIVE, *ASLEEP, *DONE):
            self.cards.labels(state)
        for verb in VERBS:
            for outcome in OUTCOMES:
                self.actions.labels(verb, outcome)
