"""Which topics whaleline lives on, and how they are made, checked and recognised.

Nothing here changes or deletes a topic that exists: a difference is told in words and left
to a person. Trouble with the broker is one sentence: ``BrokerUnreachable`` or ``TopicError``.
"""

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

from kafka import KafkaAdminClient, errors
from kafka.admin import ConfigResource, ConfigResourceType

from streams.greeting import greet

HOUR_MS = 3_600_000
RETENTION_MS = 30 * 24 * HOUR_MS
ACTIONS_RETENTION_MS = 400 * 24 * HOUR_MS  # longer than anything that is put off, and a year of labels
MAX_RECORD_BYTES = 2 * 1024 * 1024  # a block of many events is one record; Kafka's own limit is 1 MiB
SEGMENT_MS = 24 * HOUR_MS
FORGETTING_MS = 7 * 24 * HOUR_MS  # what was taken back is compacted away by then
COMPACTION_LAG_MS = HOUR_MS  # a reader an hour late still finds every version of a row
TIMEOUT_S = 10.0
BEFORE = "shadow-"
"""Stands before the live names in those of a shadow's topics."""
# Stands for the UUIDs of a broker that has none; a constant, so that every worker derives the same.
NAMESPACE = uuid.UUID("7b0f5c0e-6f0a-5f8e-9a55-3d1c2b7e9a41")

_LEGAL_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
# With another value of these a worker would lose or reorder data, so it must not start.
_VITAL = {"cleanup.policy", "message.timestamp.type", "max.message.bytes"}
_AT_LEAST = {"max.message.bytes", "min.insync.replicas"}


class TopicError(RuntimeError):
    """A topic cannot be made or read; the message is one sentence for the user."""


class BrokerUnreachable(TopicError):
    """No broker answered in time; the message is one sentence for the user."""


class BrokerRefuses(TopicError):
    """Broker and settings do not agree who is who; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class TopicNames:
    """The name of each topic; two of them may not be the same. Raises TopicError."""

    support_calls: str = "support-calls"
    purchases: str = "purchases"
    ledger: str = "whaleline-ledger"
    customers: str = "whaleline-customers"
    alerts: str = "alerts"
    dead_letters: str = "whaleline-dead-letters"
    holds: str = "holds"
    insights: str = "insights"
    alerts_held: str = "alerts-held"
    incidents: str = "incidents"
    desk_actions: str = "desk-actions"
    deliveries: str = "deliveries"
    erasures: str = "erasures"

    def __post_init__(self) -> None:
        roles: dict[str, str] = {}
        for role, name in asdict(self).items():
            if not _LEGAL_NAME.fullmatch(name) or name in {".", ".."}:
                raise TopicError(f"{name!r} cannot name a topic: use letters, digits, '.', '_' and '-'")
            if roles.setdefault(name, role) != role:
                raise TopicError(f"{roles[name]} and {role} both name {name!r}: each needs its own topic")


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """A topic as it should be: an empty ``config`` is content with the broker's defaults.

    ``fixed`` where another partition count would bring a customer's events to the wrong judge.
    """

    name: str
    partitions: int
    config: dict[str, str]
    purpose: str
    fixed: bool = False
    replication: int = 1


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """A topic as it is. ``id_from_broker`` is False where ``topic_id`` is only derived from the name."""

    name: str
    topic_id: uuid.UUID
    partitions: int
    id_from_broker: bool = True


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about one topic that is not as planned. A ``fatal`` one must stop a worker."""

    topic: str
    kind: Literal["missing", "partitions", "config", "unread"]
    sentence: str
    fatal: bool


@dataclass(frozen=True, slots=True)
class Change:
    """What ``apply`` did about a topic, and what it found and left as it was."""

    topic: str
    kind: Literal["created", "unchanged", "differs"]
    sentence: str
    findings: tuple[Finding, ...] = ()


def plan(names: TopicNames, ledger_partitions: int, source_partitions: int, replication: int) -> list[TopicPlan]:
    """Say which topics whaleline needs, sources first.

    Customers, alerts and dead letters have the ledger's partition count, because one ledger
    partition's judge writes to its own partition of each in one transaction: one that dies in
    the middle then holds up the readers of that partition, not of all. From three replicas on,
    our topics want all but one in sync, without which an acknowledged write may still be lost
    with one machine.
    """
    assert min(ledger_partitions, source_partitions, replication) > 0
    safe = {"min.insync.replicas": str(replication - 1)} if replication >= 3 else {}
    by_day = {"segment.ms": str(SEGMENT_MS)}  # what is old is deleted by whole segments
    forgets = {"max.compaction.lag.ms": str(FORGETTING_MS)}
    kept = {"cleanup.policy": "delete", "retention.ms": str(RETENTION_MS), **by_day, **safe}
    # Kept by age, and each record under a key of its own, so that an erasure can take one away.
    said = {**kept, "cleanup.policy": "compact,delete", "retention.ms": str(ACTIONS_RETENTION_MS), **forgets}
    large = {"max.message.bytes": str(MAX_RECORD_BYTES)}
    ledger = {**kept, **large, "message.timestamp.type": "LogAppendTime"}
    latest = {"cleanup.policy": "compact", "min.compaction.lag.ms": str(COMPACTION_LAG_MS), **forgets}
    latest |= {**by_day, **large, **safe}
    rows: tuple[tuple[str, int, dict[str, str], str, bool], ...] = (
        (names.support_calls, source_partitions, {}, "support calls as they come in", False),
        (names.purchases, source_partitions, {}, "purchases as they come in", False),
        (names.ledger, ledger_partitions, ledger, "accepted events in the order they are judged", True),
        (names.customers, ledger_partitions, latest, "the latest state of each customer", True),
        (names.alerts, ledger_partitions, kept, "alerts raised and cleared", True),
        (names.holds, ledger_partitions, latest, "who must be left in peace, and why", True),
        (names.insights, ledger_partitions, latest, "the whale curve and the problems behind it", True),
        (names.alerts_held, ledger_partitions, kept, "alerts of a wave, held until a person lets them go", True),
        (names.incidents, ledger_partitions, latest, "which waves of alerts are held, and why", True),
        (names.desk_actions, ledger_partitions, said, "what people do about alerts", True),
        (names.deliveries, 1, latest, "which alerts other systems have been told of", False),
        (names.erasures, ledger_partitions, said, "which customers were erased, by a keyed hash", True),
        (names.dead_letters, ledger_partitions, {**kept, **large}, "events not accepted, with the reason", True),
    )
    return [TopicPlan(*row, replication) for row in rows]


def apply(bootstrap: str, plans: Sequence[TopicPlan], timeout_s: float = TIMEOUT_S, **client: Any) -> list[Change]:
    """Create the missing topics; return one Change for each plan, in its order.

    A topic that exists is never altered: how it differs stands in its Change. When this
    returns, each new topic has a leader for all its partitions. A refused topic raises
    TopicError; those made before it stay, so applying again is safe.

    timeout_s  for the first contact, and again for each request
    client     further settings of KafkaAdminClient, such as ``security_protocol``;
               ``api_version`` for a broker that cannot tell its own (the embedded one)
    """
    with connected(bootstrap, timeout_s, client) as admin:
        present = _describe(admin, [wanted.name for wanted in plans])
        created = _create(admin, [wanted for wanted in plans if wanted.name not in present], timeout_s)
        findings = compare(admin, [wanted for wanted in plans if wanted.name not in created])
    return [_change(wanted, wanted.name in created, findings) for wanted in plans]


def check(
    bootstrap: str, plans: Sequence[TopicPlan], timeout_s: float = TIMEOUT_S, **client: Any
) -> list[Finding]:
    """Say what is not as planned, worst first; nothing if a worker may start without a word.

    Missing topics are fatal: a consumer of a topic that appears later may sit without
    partitions for as long as it lives. Other arguments as in ``apply``.
    """
    with connected(bootstrap, timeout_s, client) as admin:
        return sorted(compare(admin, plans), key=lambda finding: not finding.fatal)


def describe(
    bootstrap: str, names: Iterable[str], timeout_s: float = TIMEOUT_S, **client: Any
) -> dict[str, TopicInfo]:
    """Give identity and partition count of those of ``names`` that exist; the rest are absent.

    The identity is the broker's topic UUID (Kafka 2.8 and later), by which a topic that was
    deleted and made again is seen to be another. A broker without UUIDs, such as the
    embedded one, gets ``uuid5(NAMESPACE, name)``: the same in every process, but it cannot
    tell a recreated topic from the old one. Other arguments as in ``apply``.
    """
    with connected(bootstrap, timeout_s, client) as admin:
        return _describe(admin, list(names))


def agree(bootstrap: str, topic: str, partitions: int, timeout_s: float = TIMEOUT_S, **client: Any) -> None:
    """Raise ``TopicError`` where a topic has other partitions than the settings say: some would be missed."""
    found = describe(bootstrap, [topic], timeout_s, **client).get(topic)
    if found is None or found.partitions != partitions:
        there = "does not exist" if found is None else f"has {found.partitions} partitions"
        raise TopicError(f"topic {topic} {there} where the settings say {partitions}: use the workers' settings")


def reach(bootstrap: str, timeout_s: float = TIMEOUT_S, **client: Any) -> None:
    """Return if a broker answers and believes us; arguments and errors as in ``apply``."""
    _addresses(bootstrap, timeout_s, client)


def _addresses(bootstrap: str, timeout_s: float, client: Mapping[str, Any]) -> list[str]:
    """Split ``HOST:PORT,...`` and leave out the first ones if they do not answer."""
    addresses, reasons = [address.strip() for address in bootstrap.split(",")], []
    for place, address in enumerate(addresses):
        host, _, port = address.rpartition(":")
        if not (host and port.isdecimal() and 0 < int(port) < 65536):
            raise TopicError(f"{address!r} is not the HOST:PORT of a Kafka broker")
        try:
            fault = greet(host.strip("[]"), int(port), timeout_s, client)
        except TimeoutError:
            reasons.append(f"{address}: no answer within {timeout_s:g} s")
            continue
        except OSError as error:
            reasons.append(f"{address}: {error.strerror or error}")
            continue
        if fault:
            raise BrokerRefuses(f"the broker at {address} {fault}")
        return addresses[place:]
    raise BrokerUnreachable(f"no Kafka broker can be reached ({', '.join(reasons)})")


@contextmanager
def connected(bootstrap: str, timeout_s: float, client: Mapping[str, Any]) -> Iterator[KafkaAdminClient]:
    """Yield a connected admin client and close it; its errors come out as our two."""
    nets: list[Any] = []

    def remember(**options: Any) -> Any:
        # The admin client starts a thread before it connects and forgets it when that fails.
        nets.append(KafkaAdminClient.DEFAULT_CONFIG["kafka_client"](**options))
        return nets[-1]

    given = {"bootstrap_servers": _addresses(bootstrap, timeout_s, client), "kafka_client": remember, **client}
    waits = dict.fromkeys(("request_timeout_ms", "bootstrap_timeout_ms"), int(timeout_s * 1000))
    try:
        with KafkaAdminClient(**waits, **given) as admin:
            yield admin
    except (errors.KafkaTimeoutError, errors.KafkaConnectionError) as error:
        hint = ": does it want a password?" if client.get("security_protocol") == "SSL" else ""
        raise BrokerUnreachable(f"no Kafka broker answered at {bootstrap} within {timeout_s:g} s{hint}") from error
    except errors.KafkaError as error:
        raise TopicError(f"the broker at {bootstrap} could not do what was asked: {error}") from error
    finally:
        for net in nets:
            net.close()


def _describe(admin: KafkaAdminClient, names: Sequence[str]) -> dict[str, TopicInfo]:
    found: dict[str, TopicInfo] = {}
    for topic in admin.describe_topics(list(names)) if names else []:
        name, code, given = topic["name"], topic["error_code"], topic.get("topic_id")
        if code == errors.UnknownTopicOrPartitionError.errno:
            continue
        if code:
            raise TopicError(f"topic {name} cannot be read: {errors.for_code(code).__name__}")
        topic_id = uuid.UUID(str(given)) if given else uuid.uuid5(NAMESPACE, name)
        found[name] = TopicInfo(name, topic_id, len(topic["partitions"]), bool(given))
    return found


def _create(admin: KafkaAdminClient, plans: Sequence[TopicPlan], timeout_s: float) -> set[str]:
    """Make the topics and wait for their leaders; return the names that this call made."""
    if not plans:
        return set()
    timeout_ms = int(timeout_s * 1000)
    wanted = {one.name: {"num_partitions": one.partitions, "configs": one.config} for one in plans}
    for one in plans:
        wanted[one.name]["replication_factor"] = one.replication
    try:
        answers = admin.create_topics(wanted, timeout_ms, raise_errors=False)["topics"]
    except errors.UnknownBrokerIdError as error:  # the embedded broker names a controller it lacks
        raise TopicError(f"this broker makes no topics: start it with {', '.join(wanted)}") from error
    # Someone who applied the same plan a moment earlier has done our work.
    fine = {0, errors.TopicAlreadyExistsError.errno}
    refused = [f"{one['name']} ({one['error_message']})" for one in answers if one["error_code"] not in fine]
    if refused:
        raise TopicError(f"the broker refused to make {', '.join(refused)}")
    admin.wait_for_topics(list(wanted), timeout_ms)
    return {one["name"] for one in answers if one["error_code"] == 0}


def compare(admin: KafkaAdminClient, plans: Sequence[TopicPlan]) -> list[Finding]:
    """List every difference between the plans and the broker, in the plans' order."""
    present = _describe(admin, [wanted.name for wanted in plans])
    # Brokers from before topic ids are not asked; the embedded one would hang up.
    telling = [name for name, info in present.items() if info.id_from_broker]
    configs = _configs(admin, [wanted for wanted in plans if wanted.config and wanted.name in telling])
    findings: list[Finding] = []
    for wanted in plans:
        name, info = wanted.name, present.get(wanted.name)
        if info is None:
            text = f"topic {name} ({wanted.purpose}) does not exist: run `whaleline topics apply`"
            findings.append(Finding(name, "missing", text, fatal=True))
            continue
        if info.partitions != wanted.partitions:
            text = f"topic {name} has {info.partitions} partitions where the plan says {wanted.partitions}"
            findings.append(Finding(name, "partitions", text, fatal=wanted.fixed))
        findings.extend(_config_findings(wanted, configs.get(name, {})))
    return findings


def _config_findings(wanted: TopicPlan, actual: Mapping[str, str]) -> Iterator[Finding]:
    unread = [setting for setting in wanted.config if setting not in actual]
    if unread:
        text = f"topic {wanted.name} could not be checked: the broker does not tell its {', '.join(unread)}"
        yield Finding(wanted.name, "unread", text, fatal=False)
    for setting, value in wanted.config.items():
        given = actual.get(setting, value)
        if given == value or (setting in _AT_LEAST and int(given) >= int(value)):
            continue
        text = f"topic {wanted.name} has {setting}={given} where the plan says {value}"
        yield Finding(wanted.name, "config", text, fatal=setting in _VITAL)


def _configs(admin: KafkaAdminClient, plans: Sequence[TopicPlan]) -> dict[str, dict[str, str]]:
    """Read the planned settings as the broker has them; those it does not tell are absent."""
    asked = [ConfigResource(ConfigResourceType.TOPIC, wanted.name, list(wanted.config)) for wanted in plans]
    told = admin.describe_configs(asked, config_filter="all")["topic"] if asked else {}
    return {name: {key: str(given["value"]) for key, given in told[name].items()} for name in told}


def _change(wanted: TopicPlan, created: bool, findings: Sequence[Finding]) -> Change:
    if created:
        shape = f"{wanted.partitions} partitions, {wanted.replication} replicas"
        return Change(wanted.name, "created", f"created {wanted.name} ({shape}): {wanted.purpose}")
    about = tuple(finding for finding in findings if finding.topic == wanted.name)
    differences = [finding.sentence for finding in about if finding.kind != "unread"]
    if differences:
        return Change(wanted.name, "differs", "; ".join(differences) + "; left as it is", about)
    return Change(wanted.name, "unchanged", f"topic {wanted.name} is there already", about)
