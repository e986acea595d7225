"""How clients reach Kafka: in the clear only by name, from files alone, and by one place."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import faust
import pytest
from aiokafka.helpers import create_ssl_context

from streams.config import Config, ConfigError, load
from streams.connection import aiokafka_of, client_of, faust_of, librdkafka_of
from tests.broker.kafka import Unavailable
from tests.broker.secure import Authority
from tests.conftest import leave_out
from tests.streams.test_cli import whaleline

ROOT = Path(__file__).resolve().parents[2]
SECRET = "tr0ub4dor&3"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    try:
        return Authority(tmp_path_factory.mktemp("authority"))
    except Unavailable as reason:
        leave_out(str(reason))


@pytest.fixture
def settings(authority: Authority, tmp_path: Path) -> dict[str, str]:
    """All there is to set, and usable."""
    cert, key = authority.issue("me")
    password = tmp_path / "password"
    password.write_text(f"{SECRET}\n", encoding="utf-8")
    return {
        "WHALELINE_BROKER": "kafka:9093",
        "WHALELINE_KAFKA_SECURITY": "sasl_ssl",
        "WHALELINE_KAFKA_CA_FILE": str(authority.ca),
        "WHALELINE_KAFKA_CERT_FILE": str(cert),
        "WHALELINE_KAFKA_KEY_FILE": str(key),
        "WHALELINE_KAFKA_SASL_USERNAME": "worker",
        "WHALELINE_KAFKA_SASL_PASSWORD_FILE": str(password),
    }


@pytest.mark.parametrize("broker", ["127.0.0.1:9092", "localhost:1", "[::1]:9092", "127.0.0.2:1,localhost:2"])
def test_this_machine_is_reached_in_the_clear(broker: str) -> None:
    config = load(None, {"WHALELINE_BROKER": broker})
    assert aiokafka_of(config) == {"bootstrap_servers": broker.split(",")}
    assert client_of(config) == {}
    assert faust_of(config) == {"broker": ";".join(f"kafka://{one}" for one in broker.split(","))}
    assert librdkafka_of(config) == {"bootstrap.servers": broker}


@pytest.mark.parametrize("broker", ["kafka:9092", "10.0.0.1:9092", "localhost:1,kafka:2", "[fe80::1]:9"])
@pytest.mark.parametrize("of", [aiokafka_of, client_of, faust_of, librdkafka_of])
def test_another_machine_is_not_unless_it_is_said_by_name(broker: str, of: object) -> None:
    assert callable(of)
    with pytest.raises(ConfigError, match=r'is another machine: set kafka_security to "sasl_ssl"'):
        of(load(None, {"WHALELINE_BROKER": broker}))
    assert of(load(None, {"WHALELINE_BROKER": broker, "WHALELINE_KAFKA_SECURITY": "plaintext"})) is not None


def test_every_library_is_told_the_same(settings: dict[str, str]) -> None:
    config = load(None, settings)
    asynchronous = aiokafka_of(config)
    assert asynchronous["sasl_plain_password"] == SECRET
    assert (
        client_of(config).items() >= {"sasl_mechanism": "SCRAM-SHA-512", "sasl_plain_username": "worker"}.items()
    )
    credentials = faust_of(config)["broker_credentials"]
    assert isinstance(credentials, faust.SASLCredentials)
    assert (credentials.username, credentials.password) == ("worker", SECRET)
    assert credentials.protocol.value == asynchronous["security_protocol"] == "SASL_SSL"
    assert librdkafka_of(config)["sasl.password"] == SECRET
    for context in (asynchronous["ssl_context"], credentials.ssl_context):
        assert context.check_hostname
        assert context.verify_mode == create_ssl_context().verify_mode.CERT_REQUIRED
        assert [one["subject"] for one in context.get_ca_certs()] == [((("commonName", "tests authority"),),)]


def test_no_password_is_shown(settings: dict[str, str]) -> None:
    config = load(None, settings)
    assert SECRET not in repr(config)
    shown = whaleline("config", "show", **settings).output
    assert SECRET not in shown
    assert settings["WHALELINE_KAFKA_SASL_PASSWORD_FILE"] in shown


# What is changed about the usable settings -> what the sentence says. FOLDER stands for a folder of files.
MISTAKES = {
    "kafka_security = auto": "kafka_ca_file is of no use",
    "kafka_security = plaintext": "kafka_ca_file is of no use",
    "kafka_security = ssl": "kafka_sasl_username is of no use",
    "kafka_security = tls": '"auto" or "plaintext" or "ssl" or "sasl_ssl"',
    "kafka_sasl_mechanism = MD5": '"SCRAM-SHA-512"',
    "kafka_sasl_username = ": "needs both kafka_sasl_username and kafka_sasl_password_file",
    "kafka_sasl_password_file = ": "needs both",
    "kafka_key_file = ": "go together",
    "kafka_ca_file = FOLDER/none": "cannot be read: No such file",
    "kafka_ca_file = FOLDER": "cannot be read: Is a directory",
    "kafka_ca_file = FOLDER/words": "holds no certificate",
    "kafka_ca_file = FOLDER/bytes": "is no text",
    "kafka_cert_file = FOLDER/none": "cannot be read: No such file",
    "kafka_cert_file = FOLDER/words": "no certificate and its key",
    "kafka_key_file = FOLDER/other": "no certificate and its key",
    "kafka_key_file = FOLDER/locked": "locked with a password",
    "kafka_sasl_password_file = FOLDER/none": "cannot be read",
    "kafka_sasl_password_file = FOLDER/empty": "the password alone",
    "kafka_sasl_password_file = FOLDER/words": "the password alone",
}


@pytest.mark.parametrize("changed", MISTAKES)
def test_a_mistake_is_a_sentence_that_names_the_setting(
    changed: str, settings: dict[str, str], authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "words").write_text("no\ncertificate\n", encoding="utf-8")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    _, other = authority.issue("other")
    (tmp_path / "other").write_bytes(other.read_bytes())
    (tmp_path / "locked").write_bytes(authority.lock(other).read_bytes())
    key, value = changed.replace("FOLDER", str(tmp_path)).split(" = ")
    with pytest.raises(ConfigError, match=re.escape(MISTAKES[changed])) as told:
        aiokafka_of(load(None, {**settings, f"WHALELINE_{key.upper()}": value}))
    assert key.split("_")[1] in str(told.value).lower()
    assert "\n" not in str(told.value)


def test_no_client_is_made_past_the_one_place() -> None:
    """Each takes its arguments from ``streams.connection``, by two stars."""
    kinds = {"AIOKafkaProducer", "AIOKafkaConsumer", "KafkaConsumer", "KafkaAdminClient"}
    seen = 0
    for path in sorted((ROOT / "streams").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "bootstrap_servers" in text:
            assert path.stem in {"connection", "topics", "reading"}, path
        for call in ast.walk(ast.parse(text)):
            if isinstance(call, ast.Call) and _name(call.func) in kinds:
                seen += 1
                assert any(one.arg is None for one in call.keywords), f"{path}:{call.lineno}"
    assert seen >= 12
    assert "aiokafka_of(config)" in (ROOT / "streams" / "judge.py").read_text(encoding="utf-8")


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def test_the_broker_in_memory_is_told_which_version_it_is() -> None:
    assert set(client_of(Config(embedded_broker=True))) == {"api_version"}
