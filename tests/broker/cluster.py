"""One Kafka broker or several on loopback, as one cluster; each can be killed and come back alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from tests.broker.kafka import HOST, Kafka, cluster_id, free_port

REPLICATED = """\
node.id={node}
controller.quorum.voters={voters}
offsets.topic.replication.factor={copies}
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={least}
share.coordinator.state.topic.replication.factor={copies}
share.coordinator.state.topic.min.isr={least}
broker.session.timeout.ms=3000
controller.quorum.election.timeout.ms=500
controller.quorum.fetch.timeout.ms=1000
"""


class Cluster:
    """``nodes`` many brokers, all started; ``bootstrap`` names every one. Use it as a context manager."""

    def __init__(self, nodes: int, libs: Path | None = None) -> None:
        ports: list[int] = []
        for _ in range(nodes):
            ports.append(free_port(*ports))
        voters = ",".join(f"{at + 1}@{HOST}:{port}" for at, port in enumerate(ports))
        name, copies = cluster_id(), min(3, nodes)
        self.nodes = [
            Kafka(
                libs,
                controller_port=port,
                cluster=name,
                more=REPLICATED.format(node=at + 1, voters=voters, copies=copies, least=max(1, copies - 1)),
            )
            for at, port in enumerate(ports)
        ]
        self.bootstrap = ",".join(one.bootstrap for one in self.nodes)

    def __enter__(self) -> Self:
        try:
            # Together: one of several answers only once most of them are there.
            with ThreadPoolExecutor(len(self.nodes)) as pool:
                list(pool.map(Kafka.start, self.nodes))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every broker and delete its data."""
        for one in self.nodes:
            one.close()
