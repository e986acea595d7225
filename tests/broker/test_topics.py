"""Topics on a real broker: made once, never altered, recognised by their UUID."""

import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from streams.embedded import KAFKA_PYTHON_API_VERSION, EmbeddedBroker
from streams.topics import (
    NAMESPACE,
    BrokerUnreachable,
    TopicError,
    TopicNames,
    TopicPlan,
    apply,
    check,
    describe,
    plan,
)

DAY_MS = 86_400_000


def fresh_names() -> TopicNames:
    tail = uuid.uuid4().hex[:8]
    return TopicNames(
        *(f"{role}-{tail}" for role in ("calls", "buys", "ledger", "customers", "alerts", "dead", "holds")),
        *(
            f"{role}-{tail}"
            for role in ("insights", "alerts-held", "incidents", "desk-actions", "deliveries", "erasures")
        ),
    )


def settings_of(bootstrap: str, topic: str) -> dict[str, str]:
    """Read a topic's own settings without the module under test."""
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap)) as admin:
        asked = [ConfigResource(ConfigResourceType.TOPIC, topic)]
        return {name: given["value"] for name, given in admin.describe_configs(asked)["topic"][topic].items()}


def make(bootstrap: str, topic: str, partitions: int, **configs: str) -> None:
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap)) as admin:
        wanted = {"num_partitions": partitions, "replication_factor": 1}
        dotted = {name.replace("_", "."): value for name, value in configs.items()}
        admin.create_topics({topic: {**wanted, "configs": dotted}}, wait_for_metadata=True)


# ---------------------------------------------------------------- the plan


def test_the_plan_says_what_each_topic_must_be():
    by_name = {one.name: one for one in plan(TopicNames(), 8, 3, 1)}
    assert {name: one.partitions for name, one in by_name.items()} == {
        "support-calls": 3,
        "purchases": 3,
        "whaleline-ledger": 8,
        "whaleline-customers": 8,
        "alerts": 8,
        "holds": 8,
        "insights": 8,
        "alerts-held": 8,
        "incidents": 8,
        "desk-actions": 8,
        "deliveries": 1,
        "erasures": 8,
        "whaleline-dead-letters": 8,
    }
    two_mib = str(2 * 1024 * 1024)
    by_day = {"segment.ms": str(DAY_MS)}
    month = {"cleanup.policy": "delete", "retention.ms": str(30 * DAY_MS), **by_day}
    large = {"max.message.bytes": two_mib}
    forgets = {"max.compaction.lag.ms": str(7 * DAY_MS)}
    latest = {"cleanup.policy": "compact", "min.compaction.lag.ms": "3600000", **forgets, **by_day, **large}
    said = {"cleanup.policy": "compact,delete", "retention.ms": str(400 * DAY_MS), **by_day, **forgets}
    assert {name: one.config for name, one in by_name.items()} == {
        "support-calls": {},
        "purchases": {},
        "whaleline-ledger": {**month, **large, "message.timestamp.type": "LogAppendTime"},
        "whaleline-customers": latest,
        "alerts": month,
        "holds": latest,
        "insights": latest,
        "alerts-held": month,
        "incidents": latest,
        "desk-actions": said,
        "deliveries": latest,
        "erasures": said,
        "whaleline-dead-letters": {**month, **large},
    }


@pytest.mark.parametrize(("replicas", "in_sync"), [(1, None), (2, None), (3, "2"), (5, "4")])
def test_with_three_replicas_an_acknowledged_write_survives_one_machine(replicas, in_sync):
    ours = [one for one in plan(TopicNames(), 4, 4, replicas) if one.config]
    assert len(ours) == 11
    assert {one.config.get("min.insync.replicas") for one in ours} == {in_sync}
    assert {one.replication for one in ours} == {replicas}


@pytest.mark.parametrize("name", ["", "with space", "käse", "a/b", ".", "x" * 250])
def test_an_impossible_name_is_refused_before_any_broker_sees_it(name):
    with pytest.raises(TopicError, match="cannot name a topic"):
        TopicNames(alerts=name)


def test_two_roles_cannot_share_a_topic():
    with pytest.raises(TopicError, match="ledger and alerts both name 'one'"):
        TopicNames(ledger="one", alerts="one")


# ---------------------------------------------------------------- on a real broker


def test_applying_twice_makes_everything_once(kafka_broker):
    plans = plan(fresh_names(), 4, 2, 1)
    before = check(kafka_broker, plans)
    assert [(found.topic, found.kind, found.fatal) for found in before] == [
        (one.name, "missing", True) for one in plans
    ]
    assert all("whaleline topics apply" in found.sentence for found in before)

    first = apply(kafka_broker, plans)
    assert [(change.topic, change.kind) for change in first] == [(one.name, "created") for one in plans]
    assert check(kafka_broker, plans) == []
    for one in plans:
        assert settings_of(kafka_broker, one.name) == one.config

    ids = describe(kafka_broker, [one.name for one in plans])
    assert [change.kind for change in apply(kafka_broker, plans)] == ["unchanged"] * len(plans)
    assert describe(kafka_broker, [one.name for one in plans]) == ids


def test_only_the_missing_topic_is_made(kafka_broker):
    plans = plan(fresh_names(), 2, 2, 1)
    apply(kafka_broker, plans[1:])
    assert [change.kind for change in apply(kafka_broker, plans)] == ["created"] + ["unchanged"] * (len(plans) - 1)


def test_a_topic_that_differs_is_told_and_left_as_it_is(kafka_broker):
    plans = plan(fresh_names(), 4, 2, 1)
    calls, ledger, customers = plans[0], plans[2], plans[3]
    make(kafka_broker, calls.name, 5)
    make(kafka_broker, ledger.name, 3, cleanup_policy="compact", retention_ms="1000")
    make(kafka_broker, customers.name, 4, **{**dotless(customers), "max_message_bytes": str(8 * 1024 * 1024)})
    asked = [calls, ledger, customers]
    as_found = {one.name: settings_of(kafka_broker, one.name) for one in asked}

    changes = {change.topic: change for change in apply(kafka_broker, asked)}
    assert {name: change.kind for name, change in changes.items()} == {
        calls.name: "differs",
        ledger.name: "differs",
        customers.name: "unchanged",  # room for larger records than planned is no harm
    }
    told = changes[ledger.name].sentence
    assert "has 3 partitions where the plan says 4" in told
    assert "cleanup.policy=compact where the plan says delete" in told
    assert told.endswith("left as it is")
    assert {one.name: settings_of(kafka_broker, one.name) for one in asked} == as_found

    findings = check(kafka_broker, asked)
    assert [found.fatal for found in findings] == sorted((found.fatal for found in findings), reverse=True)
    assert {(found.topic, found.kind) for found in findings if found.fatal} == {
        (ledger.name, "partitions"),
        (ledger.name, "config"),
    }
    gentle = [found.sentence for found in findings if not found.fatal]
    assert any("retention.ms=1000 where" in sentence for sentence in gentle)
    assert any(calls.name in sentence and "5 partitions" in sentence for sentence in gentle)


def dotless(one: TopicPlan) -> dict[str, str]:
    return {name.replace(".", "_"): value for name, value in one.config.items()}


def test_a_recreated_topic_is_another_topic(kafka_broker):
    name = f"again-{uuid.uuid4().hex[:8]}"
    make(kafka_broker, name, 2)
    first = describe(kafka_broker, [name, "was-never-made"])
    assert list(first) == [name]
    assert first[name].partitions == 2
    assert first[name].id_from_broker
    with closing(KafkaAdminClient(bootstrap_servers=kafka_broker)) as admin:
        admin.delete_topics([name])
    make(kafka_broker, name, 2)
    assert describe(kafka_broker, [name])[name].topic_id != first[name].topic_id


def test_asking_about_a_topic_does_not_make_it(kafka_broker):
    name = f"ghost-{uuid.uuid4().hex[:8]}"
    assert describe(kafka_broker, [name]) == {}
    assert describe(kafka_broker, [name]) == {}
    assert describe(kafka_broker, []) == {}


def test_a_refused_topic_is_one_sentence_and_the_others_stand(kafka_broker):
    good, bad = (
        replace(one, replication=count) for one, count in zip(plan(fresh_names(), 2, 2, 1), (1, 99), strict=False)
    )
    with pytest.raises(TopicError, match=rf"refused to make {bad.name} \(.*replication factor") as refusal:
        apply(kafka_broker, [good, bad])
    assert "\n" not in str(refusal.value)
    assert list(describe(kafka_broker, [good.name, bad.name])) == [good.name]


def test_two_people_may_apply_at_once(kafka_broker):
    plans = plan(fresh_names(), 2, 2, 1)
    outcomes: list[list[str]] = []
    people = [
        threading.Thread(target=lambda: outcomes.append([change.kind for change in apply(kafka_broker, plans)]))
        for _ in range(3)
    ]
    for person in people:
        person.start()
    for person in people:
        person.join()
    made = [sum(kinds[place] == "created" for kinds in outcomes) for place in range(len(plans))]
    assert made == [1] * len(plans)
    assert check(kafka_broker, plans) == []


# ---------------------------------------------------------------- no broker, or half a one


@pytest.fixture
def silent_port() -> Iterator[str]:
    """An address where connections are accepted and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def test_a_silent_address_is_one_sentence_and_leaves_no_thread(silent_port):
    before = threading.active_count()
    with pytest.raises(BrokerUnreachable, match=rf"can be reached \({silent_port}: no answer within 0.5 s\)"):
        describe(silent_port, ["any"], timeout_s=0.5)
    assert threading.active_count() == before


def test_a_closed_port_is_told_at_once_with_its_reason():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(BrokerUnreachable, match=rf"can be reached \({address}: Connection refused\)"):
        check(address, plan(TopicNames(), 2, 2, 1), timeout_s=600)


@pytest.mark.parametrize("address", ["localhost", "localhost:kafka", ":9092", "127.0.0.1:70000", ""])
def test_an_address_that_is_none_is_named(address):
    with pytest.raises(TopicError, match=f"'{address}' is not the HOST:PORT"):
        describe(address, ["any"])


def test_the_first_of_several_addresses_may_be_down(kafka_broker):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        down = f"127.0.0.1:{listener.getsockname()[1]}"
    assert describe(f"{down}, {kafka_broker}", [f"ghost-{uuid.uuid4().hex[:8]}"]) == {}


def test_the_embedded_broker_can_be_checked_and_has_derived_ids():
    plans = plan(TopicNames(), 4, 2, 1)
    wanted = {one.name: one.partitions for one in plans}
    with EmbeddedBroker(wanted) as broker:
        found = describe(broker.bootstrap, wanted, api_version=KAFKA_PYTHON_API_VERSION)
        assert {name: info.partitions for name, info in found.items()} == wanted
        assert {name: info.topic_id for name, info in found.items()} == {
            name: uuid.uuid5(NAMESPACE, name) for name in wanted
        }
        assert not any(info.id_from_broker for info in found.values())
        findings = check(broker.bootstrap, plans, api_version=KAFKA_PYTHON_API_VERSION)
        assert {(found.kind, found.fatal) for found in findings} == {("unread", False)}
        changes = apply(broker.bootstrap, plans, api_version=KAFKA_PYTHON_API_VERSION)
        assert {change.kind for change in changes} == {"unchanged"}


def test_the_embedded_broker_makes_no_topics_and_says_so():
    with (
        EmbeddedBroker({"other": 1}) as broker,
        pytest.raises(TopicError, match="makes no topics: start it with support-calls"),
    ):
        apply(broker.bootstrap, plan(TopicNames(), 2, 2, 1), api_version=KAFKA_PYTHON_API_VERSION)
