"""Who may do what on Kafka: for each kind of process what it touches and no more, and what of that is missing.

Kafka gives Describe with Read and with Write, so it stands here only where nothing else does.
"""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kafka import errors

from streams.topics import BEFORE, TopicNames

PRINCIPAL = "User:whaleline-{}"
"""The user of a kind of process, as brokers know it by its password; by a certificate ``User:CN=whaleline-{}``."""
NOBODY = "rights"
"""Stands for a partition's number in a transactional id that nobody uses."""


@dataclass(frozen=True, slots=True)
class Right:
    """What one may do with a topic, a group, a transactional id or the cluster; ``prefixed`` means a beginning."""

    kind: str
    name: str
    operations: tuple[str, ...]
    prefixed: bool = False

    def words(self, operation: str) -> str:
        """One of the operations, for a person."""
        return f"{operation} on {self.kind} {self.name}{'*' if self.prefixed else ''}"


def rights(names: TopicNames, app_id: str) -> dict[str, tuple[Right, ...]]:
    """The rights of each kind of process: worker, desk, notify, canary, feed, operator, scaler.

    ``feed`` is whoever sends events, ``operator`` whoever gives the commands that look after a deployment,
    ``scaler`` whatever starts workers by lag.
    """
    group = Right("group", app_id, ("Read",))
    judges = Right("transactional-id", f"{app_id}-judge-", ("Write",), prefixed=True)
    sources, ours = (names.support_calls, names.purchases), (names.ledger, names.customers)
    said = (names.alerts, names.alerts_held, names.incidents, names.holds, names.insights, names.erasures)
    by_hand = (names.desk_actions, names.deliveries)
    every = (*sources, *ours, *said, names.dead_letters, *by_hand)
    # A worker asks for its topics' settings before it starts.
    worker = {
        **_each(sources, "Read", "DescribeConfigs"),
        **_each(ours, "Read", "Write", "DescribeConfigs"),
        **_each((*said, names.dead_letters), "Write", "DescribeConfigs"),
        # It adds nothing to what people did, but lets Kafka forget there what an erasure took away.
        names.desk_actions: ("Write", "DescribeConfigs"),
        names.deliveries: ("Describe", "DescribeConfigs"),
    }
    desk = {
        **_each((*said, names.customers), "Read"),
        **_each((BEFORE + names.alerts, BEFORE + names.insights), "Read"),
        names.desk_actions: ("Read", "Write"),
        **_each((names.ledger, names.support_calls), "Write"),
    }
    operator = {
        **_each(every, "Read", "Create", "DescribeConfigs"),
        **_each((*sources, names.ledger, names.desk_actions), "Read", "Write", "Create", "DescribeConfigs"),
    }
    look = (
        Right("group", app_id, ("Describe",)),
        Right("transactional-id", f"{app_id}-judge-", ("Describe",), prefixed=True),
        Right("cluster", "kafka-cluster", ("Describe", "DescribeConfigs")),
    )
    return {
        "worker": (*_of_topics(worker), group, judges),
        "desk": _of_topics(desk),
        "notify": _of_topics({names.alerts: ("Read",), names.deliveries: ("Read", "Write")}),
        "canary": _of_topics({names.support_calls: ("Write",), names.insights: ("Read",)}),
        "feed": _of_topics(_each(sources, "Write")),
        "operator": (*_of_topics(operator), *look),
        "scaler": (Right("topic", names.ledger, ("Describe",)), look[0]),
    }


def shadow_rights(live: TopicNames, own: TopicNames, app_id: str) -> tuple[Right, ...]:
    """The rights of a shadow: it reads the ledger and the live state, and writes to topics of its own."""
    mine = {name for role, name in asdict(own).items() if name != getattr(live, role)}
    topics = {
        **_each((live.support_calls, live.purchases), "Describe"),
        **_each((live.ledger, live.customers, live.alerts), "Read"),
        **_each(sorted(mine), "Write", "DescribeConfigs"),
        **_each((own.customers, own.alerts, own.insights), "Read", "Write", "DescribeConfigs"),
    }
    group = Right("group", app_id, ("Read",))
    return (*_of_topics(topics), group, Right("transactional-id", f"{app_id}-judge-", ("Write",), prefixed=True))


def _each(topics: Iterable[str], *operations: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(topics, operations)


def _of_topics(given: Mapping[str, tuple[str, ...]]) -> tuple[Right, ...]:
    return tuple(Right("topic", topic, operations) for topic, operations in given.items())


def commands(names: TopicNames, app_id: str, principal: str = PRINCIPAL, only: str | None = None) -> list[str]:
    """A line for Kafka's own tool for each right; where the brokers are is left to be added behind each."""
    lines = []
    for process, granted in rights(names, app_id).items():
        for one in granted if only in (None, process) else ():
            words = ["kafka-acls.sh", "--add", "--allow-principal", principal.replace("{}", process)]
            words += [word for operation in one.operations for word in ("--operation", operation)]
            words += ["--cluster"] if one.kind == "cluster" else [f"--{one.kind}", one.name]
            words += ["--resource-pattern-type", "prefixed"] if one.prefixed else []
            lines.append(shlex.join(words))
    return lines


def missing(ask: Any, wanted: Iterable[Right]) -> list[str]:
    """Which of the rights the user who asks has not, in words; ``ask`` is a connected admin client.

    What cannot be asked, as of a topic that is not there, is not missing. Of a group or a transactional id only
    whether it may be looked at can be asked; the right to read or write it brings that with it.
    """
    wanted = list(wanted)
    given = _given(ask, [one.name for one in wanted if one.kind == "topic"])
    found = []
    for one in wanted:
        if one.kind == "topic":
            found += [
                one.words(what) for what in one.operations if _code(what) not in given.get(one.name, {_code(what)})
            ]
        elif _hidden(ask, one):
            found.append(one.words(one.operations[0]))
    return found


def _given(ask: Any, topics: list[str]) -> dict[str, frozenset[str]]:
    """What may be done with each topic of which the brokers tell it."""
    found = {}
    for one in ask.describe_topics(topics) if topics else ():
        operations = frozenset(one.get("authorized_operations") or ())
        if operations or one["error_code"] == errors.TopicAuthorizationFailedError.errno:
            found[one["name"]] = operations
    return found


def _hidden(ask: Any, right: Right) -> bool:
    """Whether a group or a transactional id is kept from who asks."""
    try:
        if right.kind == "group":
            ask.list_group_offsets(right.name)
        elif right.kind == "transactional-id":
            ask.describe_transactions([right.name + NOBODY])
    except (errors.GroupAuthorizationFailedError, errors.TransactionalIdAuthorizationFailedError):
        return True
    except errors.BrokerResponseError:
        return False  # nobody has this id, or its coordinator is not there yet
    return False


def _code(operation: str) -> str:
    """As kafka-python writes it: ``DescribeConfigs`` is DESCRIBE_CONFIGS."""
    return "".join(f"_{one}" if one.isupper() else one for one in operation).lstrip("_").upper()
