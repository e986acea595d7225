"""Settings: the environment wins over the file, the file over the defaults, and a mistake is one sentence."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from streams.app import create_app, load_policy
from streams.config import DEFAULT, RULES, Config, ConfigError, load
from streams.exits import SENTENCES, Exit
from streams.topics import TopicNames

ROOT = Path(__file__).resolve().parents[2]

GOOD = """
broker = "one:9092, two:9093"
app_id = "acme"
ledger_partitions = 4
source_clock = "source"
embedded_broker = true

[topics]
prefix = "acme-"
alerts = "bells"
"""

# The file's text -> what the one sentence must say beside the file's name.
FILE_MISTAKES = {
    "ledger_partitions = 0": ["ledger_partitions = 0", "a whole number from 1 to 1024"],
    "ledger_partitions = true": ["ledger_partitions = True", "a whole number"],
    "ledger_partitions = 4.0": ["ledger_partitions = 4.0", "a whole number"],
    'broker = "kafka"': ["broker = 'kafka'", "HOST:PORT"],
    'broker = "kafka:0"': ["broker = 'kafka:0'", "HOST:PORT"],
    'source_clock = "sun"': ["source_clock = 'sun'", '"wall" or "source"'],
    'currency = "usd"': ["currency = 'usd'", "three capital letters"],
    'embedded_broker = "maybe"': ["embedded_broker = 'maybe'", "true or false"],
    "metrics_port = 70000": ["metrics_port = 70000", "65535"],
    'app_id = "a b"': ["app_id = 'a b'", "letters, digits"],
    "colour = 1": ["colour is not known", "broker"],
    "topics = 3": ["topics = 3", "table"],
    '[topics]\nalarms = "a"': ["alarms is not known", "alerts"],
    '[topics]\nprefix = "a/"': ["prefix = 'a/'"],
    '[topics]\nalerts = "purchases"': ["purchases", "each needs its own"],
    "publish_interval_lag_ms = 50": ["publish_interval_lag_ms = 50", "publish_interval_ms = 100"],
    "broker =": ["not valid TOML"],
}


def written(folder: Path, text: str) -> Path:
    path = folder / "whaleline.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_said_gives_the_defaults() -> None:
    assert load(None, {}) == Config()
    assert all(one.origin == DEFAULT for one in load(None, {}).show())


def test_the_file_is_heard(tmp_path: Path) -> None:
    config = load(written(tmp_path, GOOD), {})
    assert config.broker == "one:9092,two:9093"
    assert (config.app_id, config.ledger_partitions, config.source_clock) == ("acme", 4, "source")
    assert config.embedded_broker is True
    assert config.topics.alerts == "acme-bells"
    assert config.topics.ledger == "acme-whaleline-ledger"
    assert [one.name for one in config.plan()][:2] == ["acme-support-calls", "acme-purchases"]


def test_the_environment_wins_and_says_so(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    said = {"WHALELINE_LEDGER_PARTITIONS": "8", "WHALELINE_TOPICS_PREFIX": "b-", "WHALELINE_EMBEDDED_BROKER": "0"}
    config = load(path, said)
    assert (config.ledger_partitions, config.topics.alerts, config.embedded_broker) == (8, "b-bells", False)
    origins = {one.key: one.origin for one in config.show()}
    assert origins["ledger_partitions"] == "WHALELINE_LEDGER_PARTITIONS"
    assert origins["app_id"] == str(path)
    assert origins["topics.ledger"] == "WHALELINE_TOPICS_PREFIX"
    assert origins["topics.alerts"] == str(path)
    assert origins["grace_ms"] == DEFAULT


def test_every_setting_is_shown_once() -> None:
    keys = [one.key for one in Config().show()]
    assert len(keys) == len(set(keys)) == len(RULES) + len(fields(TopicNames))


@pytest.mark.parametrize("text", FILE_MISTAKES, ids=FILE_MISTAKES)
def test_a_mistake_in_the_file_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    sentence = str(caught.value)
    assert sentence.startswith(f"{path}: ")
    assert "\n" not in sentence
    assert all(part in sentence for part in FILE_MISTAKES[text]), sentence


@pytest.mark.parametrize("value", ["", "x", "0", "1e3", "99999999999999999999"])
def test_a_mistake_in_the_environment_names_its_variable(value: str) -> None:
    with pytest.raises(ConfigError, match=r"environment: WHALELINE_LEDGER_PARTITIONS = .* whole number"):
        load(None, {"WHALELINE_LEDGER_PARTITIONS": value})


def test_variables_that_a_platform_adds_are_nobodys_mistake() -> None:
    assert load(None, {"WHALELINE_SERVICE_HOST": "10.0.0.1", "WHALELINE_PORT_80_TCP": "x"}) == Config()


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml", {})


def test_a_policy_that_cannot_be_used_is_told_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    with pytest.raises(ConfigError, match="cannot be read"):
        load_policy(Config(policy=str(path)))
    path.write_text("[weather]\nrain = 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"policy\.toml.*not known"):
        load_policy(Config(policy=str(path)))
    assert load_policy(Config()).version == 1


def test_the_app_has_an_empty_customers_table_before_it_owns_anything() -> None:
    app = create_app(Config(app_id="still", ledger_partitions=2))
    assert len(app.customers) == 0
    assert list(app.customers) == []
    with pytest.raises(KeyError):
        app.customers["C1"]
    assert not app.conf.web_enabled
    assert not app.conf.topic_allow_declare
    assert app.conf.processing_guarantee.value == "at_least_once"


def test_every_exit_code_has_its_sentence() -> None:
    assert set(SENTENCES) == set(Exit)
    assert sorted(Exit) == list(range(70, 79))
    assert all(sentence.endswith(".") for sentence in SENTENCES.values())


@pytest.mark.parametrize("code", Exit)
def test_stopping_says_why_and_ends_with_its_code(code: Exit) -> None:
    script = f"from streams.exits import Exit, stop_now; stop_now(Exit({int(code)}), 'Partition 3.')"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.returncode == code
    assert SENTENCES[code] in ended.stderr
    assert ended.stderr.strip().endswith("Partition 3.")
