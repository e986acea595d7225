"""Fixtures that any test may ask for: a real Kafka, and names in it that no other test uses."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.broker.kafka import Kafka, Unavailable, answers, fetch_jars, find_java

if TYPE_CHECKING:
    from typing import NoReturn

# How long an example takes says how busy the machine is, not whether a law holds.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

BROKER_FIXTURES = {"kafka_broker", "kafka_jars", "kafka_of_its_own"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that asks for a broker, so that ``-m "not broker"`` leaves exactly those out."""
    for item in items:
        if BROKER_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.broker)


class FileByFile(LoadScopeScheduling):
    """Where tests run in several processes, those of a file stay in one, and all that share the broker in one."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "broker" if _shares_the_broker(self.config.rootpath / file) else file


@cache
def _shares_the_broker(file: Path) -> bool:
    """Whether tests of this file ask for the session's Kafka; those with one of their own need not wait for it."""
    return "kafka_broker" in file.read_text(encoding="utf-8")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One process more than there are cores: tests with a broker wait as long as they work."""
    return (os.cpu_count() or 1) + 1


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileByFile:
    return FileByFile(config, log)


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[str]:
    """``host:port`` of the session's Kafka; WHALELINE_TEST_BROKER=HOST:PORT names one already there."""
    given = os.environ.get("WHALELINE_TEST_BROKER")
    if given:
        host, _, port = given.rpartition(":")
        if not (host and port.isdigit() and answers(host, int(port))):
            pytest.fail(f"WHALELINE_TEST_BROKER={given} is not the HOST:PORT of a Kafka broker that answers.")
        yield given
        return
    with Kafka(_jars()) as kafka:
        yield kafka.bootstrap


@pytest.fixture(scope="session")
def kafka_jars() -> Path:
    """The folder with Kafka's jars; whoever asks for it can start a ``Kafka`` here."""
    return _jars()


@pytest.fixture
def kafka_of_its_own(kafka_jars: Path) -> Iterator[Kafka]:
    """A running Kafka for one test only, to stop, kill and restart."""
    with Kafka(kafka_jars) as kafka:
        yield kafka


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest) -> str:
    """A prefix for topics, groups and transactional ids that no other test and no other run uses."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:40]
    return f"{name}-{uuid.uuid4().hex[:12]}-"


def _jars() -> Path:
    try:
        find_java()
        return fetch_jars()
    except Unavailable as reason:
        leave_out(f"{reason} Or name a running broker: WHALELINE_TEST_BROKER=HOST:PORT.")


def leave_out(reason: str) -> NoReturn:
    """Leave a test out where something is missing; where nothing may be (``.ci/run``), fail it."""
    if os.environ.get("WHALELINE_REQUIRE_BROKER") == "1":
        pytest.fail(f"WHALELINE_REQUIRE_BROKER=1, but something is missing. {reason}")
    pytest.skip(reason)
