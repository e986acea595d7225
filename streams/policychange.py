"""A change of policy as a decision: what differs, what is in force, the entry in the ledger that changes it."""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgpack

from schemas.block import policy_entry
from schemas.policy import Policy, default_toml, parse
from streams.config import Config
from streams.memory import Position
from streams.reading import reading
from streams.retire import write
from streams.topics import TopicError, agree

LOOKS = (1_000, 100_000, None)
"""How far from the end of a changelog its last position is looked for, None from its beginning."""


class Changed(NamedTuple):
    """One setting that differs; None where a list or table has no such entry."""

    key: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.key}: {_told(self.before)} -> {_told(self.after)}"


def _told(value: Any) -> str:
    return "(none)" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def changed(before: Policy, after: Policy) -> list[Changed]:
    """What differs between two policies, defaults filled in, by name; the version is no setting."""
    one, other = dict(_settings(before)), dict(_settings(after))
    return [
        Changed(key, one.get(key), other.get(key))
        for key in dict.fromkeys((*one, *other))
        if one.get(key) != other.get(key)
    ]


def _settings(policy: Policy) -> Iterator[tuple[str, Any]]:
    default, own = tomllib.loads(default_toml()), tomllib.loads(policy.toml)
    for key, value in _leaves(_over(default, own)):
        if key != "policy.version":
            yield key, value


def _over(default: Any, own: Any) -> Any:
    """A policy states what differs from the defaults, table by table."""
    if not (isinstance(default, dict) and isinstance(own, dict)):
        return own
    return {**default, **{key: _over(default.get(key), value) for key, value in own.items()}}


def _leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def in_force(config: Config, **client: Any) -> Policy | None:
    """The newest policy that a judge of this deployment has published under; None before the first publication.

    Raises ``TopicError``.
    """
    agree(config.broker, config.topics.ledger, config.ledger_partitions, **client)
    found = None
    for partition in range(config.ledger_partitions):
        toml = _last_policy(config, partition, client)
        one = None if toml is None else parse(toml, "the policy in force")
        if one is not None and (found is None or one.version > found.version):
            found = one
    return found


def _last_policy(config: Config, partition: int, client: Mapping[str, Any]) -> str | None:
    """The policy of a partition's last position, which is the last record of its last publication."""
    for look in LOOKS:
        toml = None
        with reading(config.broker, config.topics.customers, only=partition, last=look, **client) as (_, messages):
            for _, message in messages:
                if message.key == Position.KEY and message.value is not None:
                    toml = msgpack.unpackb(message.value)["policy"]
        if toml is not None:
            return str(toml)
    return None


def check(policy: Policy, before: Policy | None) -> None:
    """Raise ``TopicError`` where a policy would not count."""
    if before is not None and policy.version <= before.version:
        raise TopicError(
            f"version {policy.version} would be ignored, because version {before.version} is in force: raise "
            "[policy] version"
        )


async def push(config: Config, policy: Policy, author: str, reason: str) -> None:
    """Write a policy into every ledger partition. Raises ``TopicError``."""
    entry = policy_entry(policy.toml, policy.version, author, reason)
    await write(config, entry, range(config.ledger_partitions))
