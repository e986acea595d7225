"""Writes what Kubernetes needs of things told elsewhere: ``python -m deploy.kubernetes.generate``.

The rules of deploy/prometheus as a PrometheusRule, the topics of ``whaleline topics apply`` and the rights of each
process as resources of Strimzi. A test holds the files to it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from streams.topics import TopicNames, plan

HERE = Path(__file__).parent
RULES = HERE.parent / "prometheus" / "rules.yml"
CLUSTER = {"strimzi.io/cluster": "whaleline"}
NAMES = TopicNames()
APP_ID = "whaleline"
_LINES = (HERE / "base" / "settings.env").read_text(encoding="utf-8").splitlines()
SETTINGS = dict(line.split("=", 1) for line in _LINES)

READ, WRITE, BOTH = ("Read", "Describe"), ("Write", "Describe"), ("Read", "Write", "Describe")
Rights = dict[str, tuple[str, ...]]

WORKER: Rights = {
    NAMES.support_calls: READ,
    NAMES.purchases: READ,
    NAMES.ledger: BOTH,
    NAMES.customers: BOTH,
    NAMES.alerts: WRITE,
    NAMES.alerts_held: WRITE,
    NAMES.incidents: WRITE,
    NAMES.holds: WRITE,
    NAMES.insights: WRITE,
    NAMES.dead_letters: WRITE,
}
"""A worker also asks for its topics' settings before it starts."""

DESK: Rights = {
    NAMES.alerts: READ,
    NAMES.alerts_held: READ,
    NAMES.customers: READ,
    NAMES.holds: READ,
    NAMES.incidents: READ,
    NAMES.insights: READ,
    NAMES.desk_actions: BOTH,
    NAMES.ledger: WRITE,
    NAMES.support_calls: WRITE,
}
NOTIFY: Rights = {NAMES.alerts: READ, NAMES.deliveries: BOTH}
CANARY: Rights = {NAMES.support_calls: WRITE, NAMES.insights: READ}
FEED: Rights = {NAMES.support_calls: WRITE, NAMES.purchases: WRITE}


def _dump(documents: list[dict[str, Any]], about: str) -> str:
    text = yaml.safe_dump_all(documents, sort_keys=False, width=115, allow_unicode=True)
    return f"# {about}\n# Written by python -m deploy.kubernetes.generate; change it there.\n{text}"


def rules() -> str:
    """The PrometheusRule."""
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    resource = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "whaleline"},
        "spec": {"groups": groups},
    }
    return _dump([resource], "deploy/prometheus/rules.yml for Prometheus Operator.")


def topics() -> str:
    """A KafkaTopic for each topic of the plan."""
    asked = ("LEDGER_PARTITIONS", "SOURCE_PARTITIONS", "REPLICATION")
    counts = (int(SETTINGS[f"WHALELINE_{name}"]) for name in asked)
    return _dump(
        [
            {
                "apiVersion": "kafka.strimzi.io/v1beta2",
                "kind": "KafkaTopic",
                "metadata": {"name": one.name, "labels": CLUSTER},
                "spec": {
                    "partitions": one.partitions,
                    "replicas": one.replication,
                    **({"config": dict(one.config)} if one.config else {}),
                },
            }
            for one in plan(NAMES, *counts)
        ],
        "The topics of `whaleline topics apply`, for Strimzi's topic operator.",
    )


def users() -> str:
    """A KafkaUser for each kind of process, with what it needs and no more."""
    group = {"resource": {"type": "group", "name": APP_ID, "patternType": "literal"}, "operations": ["Read"]}
    judge = {
        "resource": {"type": "transactionalId", "name": f"{APP_ID}-judge-", "patternType": "prefix"},
        "operations": ["Describe", "Write"],
    }
    settings = ("DescribeConfigs",)
    worker = {topic: (*rights, *settings) for topic, rights in WORKER.items()}
    everyone = (
        ("worker", worker, [group, judge]),
        ("desk", DESK, []),
        ("notify", NOTIFY, []),
        ("canary", CANARY, []),
        ("feed", FEED, []),
        ("scaler", {NAMES.ledger: ("Describe",)}, [{**group, "operations": ["Describe"]}]),
    )
    return _dump(
        [
            {
                "apiVersion": "kafka.strimzi.io/v1beta2",
                "kind": "KafkaUser",
                "metadata": {"name": f"whaleline-{name}", "labels": CLUSTER},
                "spec": {
                    "authentication": {"type": "tls"},
                    "authorization": {"type": "simple", "acls": [*_of_topics(rights), *more]},
                },
            }
            for name, rights, more in everyone
        ],
        "Who may do what on Kafka, by kind of process; `feed` is for those who send events, `scaler` for KEDA.",
    )


def _of_topics(rights: Rights) -> list[dict[str, Any]]:
    return [
        {
            "resource": {"type": "topic", "name": topic, "patternType": "literal"},
            "operations": list(operations),
        }
        for topic, operations in rights.items()
    ]


FILES = {"monitoring/rules.yaml": rules, "strimzi/topics.yaml": topics, "strimzi/users.yaml": users}


def main() -> None:
    """Write all of them."""
    for name, made in FILES.items():
        (HERE / name).write_text(made(), encoding="utf-8")


if __name__ == "__main__":
    main()
