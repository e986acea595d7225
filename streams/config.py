"""How this deployment is set up: a TOML file, overruled by ``WHALELINE_*`` in the environment.

Every setting has a default, and a name that is the same in both places: ``metrics_port`` in the file is
``WHALELINE_METRICS_PORT`` in the environment, ``[topics] prefix`` is ``WHALELINE_TOPICS_PREFIX``.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from streams.accepted import Span, parse
from streams.topics import TopicError, TopicNames, TopicPlan, plan

ENVIRONMENT = "WHALELINE_"
DEFAULT = "default"


class ConfigError(ValueError):
    """A setting that cannot be used; one sentence with its place, key, value and what is allowed."""


class Rule(NamedTuple):
    """What a setting may be: how to read its text or TOML value, and that in words."""

    read: Callable[[Any], Any]
    allowed: str


class Shown(NamedTuple):
    """One setting as it is in force, and where it came from."""

    key: str
    value: str
    origin: str


def _whole(low: int, high: int) -> Rule:
    def read(value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value.strip()):
            value = int(value)
        if type(value) is not int or not low <= value <= high:
            raise ValueError
        return value

    return Rule(read, f"a whole number from {low} to {high}")


def _words(*allowed: str) -> Rule:
    def read(value: Any) -> str:
        if value not in allowed:
            raise ValueError
        return str(value)

    return Rule(read, " or ".join(f'"{one}"' for one in allowed))


def _text(pattern: str, allowed: str) -> Rule:
    def read(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise ValueError
        return value

    return Rule(read, allowed)


def _switch() -> Rule:
    words = {"true": True, "false": False, "1": True, "0": False}

    def read(value: Any) -> bool:
        if isinstance(value, str):
            value = words.get(value.strip().lower())
        if not isinstance(value, bool):
            raise ValueError
        return value

    return Rule(read, "true or false")


def _spans() -> Rule:
    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError
        return ", ".join(map(str, parse(value)))

    return Rule(read, "TOPIC/PARTITION:FIRST-LAST or TOPIC/PARTITION:OFFSET, several with commas between")


def _brokers() -> Rule:
    one = r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})"

    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError
        parts = [part.strip() for part in value.split(",")]
        for part in parts:
            found = re.fullmatch(one, part)
            if found is None or not 0 < int(found[2]) < 65536:
                raise ValueError
        return ",".join(parts)

    return Rule(read, "HOST:PORT, or several of them with commas between")


_NAME = r"[A-Za-z0-9._-]{1,100}"

_FILE = _text(r"[^\0\n]{0,1000}", "the path of a file, or empty for none")

RULES: dict[str, Rule] = {
    "broker": _brokers(),
    "kafka_security": _words("auto", "plaintext", "ssl", "sasl_ssl"),
    "kafka_ca_file": _FILE,
    "kafka_cert_file": _FILE,
    "kafka_key_file": _FILE,
    "kafka_sasl_mechanism": _words("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"),
    "kafka_sasl_username": _text(r"[^\0\n]{0,255}", "at most 255 characters on one line"),
    "kafka_sasl_password_file": _FILE,
    "app_id": _text(_NAME, "1 to 100 letters, digits, '.', '_' or '-'"),
    "ledger_partitions": _whole(1, 1024),
    "source_partitions": _whole(1, 1024),
    "replication": _whole(1, 9),
    "source_clock": _words("wall", "source"),
    "currency": _text(r"[A-Z]{3}", 'three capital letters, as in "USD"'),
    "policy": _text(r"[^\0\n]{0,1000}", "the path of a file, or empty for the default policy"),
    "publish_interval_ms": _whole(5, 60_000),
    "publish_interval_lag_ms": _whole(5, 60_000),
    "session_timeout_s": _whole(2, 300),
    "standby": _switch(),
    "instance_id": _text(r"[A-Za-z0-9._-]{0,100}", "at most 100 letters, digits, '.', '_' or '-'"),
    "grace_ms": _whole(0, 86_400_000),
    "linger_ms": _whole(0, 1_000),
    "refused_percent": _whole(0, 100),
    "max_customers": _whole(1, 1_000_000_000),
    "accept_lost": _spans(),
    "metrics_port": _whole(0, 65_535),
    "metrics_bind": _text(r"[0-9A-Za-z.:_-]{1,255}", "an address of this machine"),
    "desk_bind": _text(r"[0-9A-Za-z.:_-]{1,255}", "an address of this machine"),
    "desk_port": _whole(0, 65_535),
    "desk_access": _text(r"[^\0\n]{0,1000}", "the path of a file, or empty for this machine alone"),
    "desk_budget": _whole(1, 500),
    "erasure_key": _text(r"[^\0\n]{0,1000}", "the path of a file, or empty where nobody is ever erased"),
    "log_style": _words("auto", "lines", "json"),
    "embedded_broker": _switch(),
}
TOPIC_RULE = _text(_NAME, "1 to 100 letters, digits, '.', '_' or '-'")
PREFIX_RULE = _text(r"[A-Za-z0-9._-]{0,100}", "at most 100 letters, digits, '.', '_' or '-'")


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting of a worker. Made by ``load``; a plain call takes defaults and checks nothing."""

    broker: str = "127.0.0.1:9092"
    kafka_security: str = "auto"
    kafka_ca_file: str = ""
    kafka_cert_file: str = ""
    kafka_key_file: str = ""
    kafka_sasl_mechanism: str = "SCRAM-SHA-512"
    kafka_sasl_username: str = ""
    kafka_sasl_password_file: str = ""
    app_id: str = "whaleline"
    topics: TopicNames = field(default_factory=TopicNames)
    ledger_partitions: int = 16
    source_partitions: int = 8
    replication: int = 1
    source_clock: str = "wall"
    currency: str = "USD"
    policy: str = ""
    publish_interval_ms: int = 100
    publish_interval_lag_ms: int = 1_000
    session_timeout_s: int = 10
    standby: bool = False
    instance_id: str = ""
    grace_ms: int = 5_000
    linger_ms: int = 5
    refused_percent: int = 1
    max_customers: int = 10_000_000
    accept_lost: str = ""
    metrics_port: int = 0
    metrics_bind: str = "127.0.0.1"
    desk_bind: str = "127.0.0.1"
    desk_port: int = 8080
    desk_access: str = ""
    desk_budget: int = 30
    erasure_key: str = ""
    log_style: str = "auto"
    embedded_broker: bool = False
    origins: Mapping[str, str] = field(default_factory=dict)
    shadow_of: "Config | None" = None
    """The live deployment, of a shadow's configuration (``streams.shadow``); no setting says it."""

    def show(self) -> list[Shown]:
        """Every setting in force, with the file or environment variable that set it."""
        shown = [Shown(key, str(getattr(self, key)), self.origins.get(key, DEFAULT)) for key in RULES]
        for one in fields(TopicNames):
            key = f"topics.{one.name}"
            origin = self.origins.get(key) or self.origins.get("topics.prefix", DEFAULT)
            shown.append(Shown(key, getattr(self.topics, one.name), origin))
        return shown

    def accepted(self) -> tuple[Span, ...]:
        """Which records a person has let go."""
        return parse(self.accept_lost)

    def plan(self) -> list[TopicPlan]:
        """The topics this deployment lives on; of a shadow, those it writes."""
        every = plan(self.topics, self.ledger_partitions, self.source_partitions, self.replication)
        theirs = () if self.shadow_of is None else self.shadow_of.plan()
        return [one for one in every if one not in theirs]


def load(path: str | Path | None, environment: Mapping[str, str]) -> Config:
    """Read the settings: defaults, then the file (if one is named), then the environment.

    Raises ``ConfigError`` for a file that cannot be read, for a key of the file that is not known and for a
    value that is not allowed. Unknown variables of the environment are not ours to judge: container
    platforms put some of their own behind the same prefix.
    """
    place = str(path) if path is not None else ""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    topics: dict[str, str] = {}
    for key, value in _file(place).items():
        if key == "topics":
            _file_topics(value, place, topics, origins)
        elif key in RULES:
            values[key], origins[key] = _read(RULES[key], key, value, place), place
        else:
            raise ConfigError(f"{place}: {key} is not known; allowed are {', '.join([*RULES, '[topics]'])}")
    for key, rule in RULES.items():
        variable = ENVIRONMENT + key.upper()
        if variable in environment:
            values[key] = _read(rule, variable, environment[variable], "environment")
            origins[key] = variable
    for key in ("prefix", *(one.name for one in fields(TopicNames))):
        variable = f"{ENVIRONMENT}TOPICS_{key.upper()}"
        if variable in environment:
            topics[key] = _read(_topic_rule(key), variable, environment[variable], "environment")
            origins[f"topics.{key}"] = variable
    config = Config(**values, topics=_names(topics, place), origins=origins)
    _check_together(config)
    return config


def _file(place: str) -> dict[str, Any]:
    if not place:
        return {}
    try:
        with Path(place).open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{place}: the file cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{place}: not valid TOML: {error}") from None


def _file_topics(table: Any, place: str, topics: dict[str, str], origins: dict[str, str]) -> None:
    if not isinstance(table, dict):
        raise ConfigError(f"{place}: topics = {table!r} must be a table of names")
    known = ["prefix", *(one.name for one in fields(TopicNames))]
    for key, value in table.items():
        if key not in known:
            raise ConfigError(f"{place}: [topics] {key} is not known; allowed are {', '.join(known)}")
        topics[key] = _read(_topic_rule(key), f"[topics] {key}", value, place)
        origins[f"topics.{key}"] = place


def _topic_rule(key: str) -> Rule:
    return PREFIX_RULE if key == "prefix" else TOPIC_RULE


def _read(rule: Rule, key: str, value: Any, place: str) -> Any:
    try:
        return rule.read(value)
    except ValueError:
        raise ConfigError(f"{place}: {key} = {value!r} must be {rule.allowed}") from None


def _names(given: Mapping[str, str], place: str) -> TopicNames:
    """The topics' names, each with the prefix before it."""
    prefix = given.get("prefix", "")
    plain = {one.name: given.get(one.name, str(one.default)) for one in fields(TopicNames)}
    try:
        return TopicNames(**{role: prefix + name for role, name in plain.items()})
    except TopicError as error:
        raise ConfigError(f"{place or 'environment'}: [topics] {error}") from None


def _check_together(config: Config) -> None:
    if config.publish_interval_lag_ms < config.publish_interval_ms:
        raise ConfigError(
            f"{config.origins.get('publish_interval_lag_ms', DEFAULT)}: publish_interval_lag_ms = "
            f"{config.publish_interval_lag_ms} must not be below publish_interval_ms = "
            f"{config.publish_interval_ms}"
        )
    for fault in _security_faults(config):
        raise ConfigError(fault)


def _security_faults(config: Config) -> Iterator[str]:
    """What of the security settings does not go together."""
    security = f'kafka_security = "{config.kafka_security}"'
    files = [key for key in ("kafka_ca_file", "kafka_cert_file", "kafka_key_file") if getattr(config, key)]
    words = [key for key in ("kafka_sasl_username", "kafka_sasl_password_file") if getattr(config, key)]
    if config.kafka_security in ("auto", "plaintext") and (files or words):
        yield f'{[*files, *words][0]} is of no use with {security}: set that to "sasl_ssl" or "ssl"'
    if config.kafka_security == "ssl" and words:
        yield f'{words[0]} is of no use with {security}: set that to "sasl_ssl"'
    if config.kafka_security == "sasl_ssl" and len(words) < 2:
        yield f"{security} needs both kafka_sasl_username and kafka_sasl_password_file"
    if bool(config.kafka_cert_file) != bool(config.kafka_key_file):
        yield "kafka_cert_file and kafka_key_file go together: name both or neither"
