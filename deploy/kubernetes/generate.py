"""Writes what Kubernetes needs of things told elsewhere: ``python -m deploy.kubernetes.generate``.

The rules of deploy/prometheus as a PrometheusRule, the topics of ``whaleline topics apply`` and the rights of each
process as resources of Strimzi. A test holds the files to it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from streams.rights import Right, commands, rights
from streams.topics import TopicNames, plan

HERE = Path(__file__).parent
RULES = HERE.parent / "prometheus" / "rules.yml"
CLUSTER = {"strimzi.io/cluster": "whaleline"}
NAMES = TopicNames()
APP_ID = "whaleline"
_LINES = (HERE / "base" / "settings.env").read_text(encoding="utf-8").splitlines()
SETTINGS = dict(line.split("=", 1) for line in _LINES)
KINDS = {"transactional-id": "transactionalId"}
"""Strimzi's word where it has another than Kafka's tools."""


ACLS = """\
#!/bin/sh
# Who may do what on Kafka, by kind of process, for clusters without Strimzi:
#   sh deploy/acls/acls.sh --bootstrap-server HOST:PORT --command-config ADMIN.properties
# For other topics or users: whaleline topics rights
# Written by python -m deploy.kubernetes.generate; change it in streams/rights.py.
set -eu"""


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
    return _dump(
        [
            {
                "apiVersion": "kafka.strimzi.io/v1beta2",
                "kind": "KafkaUser",
                "metadata": {"name": f"whaleline-{name}", "labels": CLUSTER},
                "spec": {
                    "authentication": {"type": "tls"},
                    "authorization": {"type": "simple", "acls": [_acl(one) for one in granted]},
                },
            }
            for name, granted in rights(NAMES, APP_ID).items()
        ],
        "Who may do what on Kafka, by kind of process; `feed` is for those who send events, `scaler` for KEDA.",
    )


def _acl(right: Right) -> dict[str, Any]:
    if right.kind == "cluster":
        resource = {"type": "cluster"}
    else:
        pattern = "prefix" if right.prefixed else "literal"
        resource = {"type": KINDS.get(right.kind, right.kind), "name": right.name, "patternType": pattern}
    return {"resource": resource, "operations": list(right.operations)}


def acls() -> str:
    """The same rights as commands."""
    lines = [f'{line} "$@"' for line in commands(NAMES, APP_ID)]
    return "\n".join([ACLS, *lines, ""])


FILES = {
    "monitoring/rules.yaml": rules,
    "strimzi/topics.yaml": topics,
    "strimzi/users.yaml": users,
    "../acls/acls.sh": acls,
}


def main() -> None:
    """Write all of them."""
    for name, made in FILES.items():
        (HERE / name).write_text(made(), encoding="utf-8")


if __name__ == "__main__":
    main()
