"""How every client of ours reaches Kafka: the one place that reads the certificates and the password.

Three libraries speak to Kafka here, and a fourth in the demo; each is told the same in its own words. Beyond
this machine nothing is sent in the clear unless the settings say so by name. What the files hold is never part of
the settings, shown or logged. They are read for each client anew, so that a later one has what is in them then.
"""

import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NoReturn

from streams.config import Config, ConfigError

MOST_PASSWORD_BYTES = 4_096


def aiokafka_of(config: Config) -> dict[str, Any]:
    """What a client of aiokafka is told of the brokers. Raises ``ConfigError``."""
    return {"bootstrap_servers": config.broker.split(","), **_secured(config)}


def client_of(config: Config) -> dict[str, Any]:
    """What a client of kafka-python is told of the brokers beside their address. Raises ``ConfigError``."""
    if not config.embedded_broker:
        return _secured(config)
    from streams.embedded import KAFKA_PYTHON_API_VERSION

    return {"api_version": KAFKA_PYTHON_API_VERSION, **_secured(config)}


def faust_of(config: Config) -> dict[str, Any]:
    """What Faust is told of the brokers. Raises ``ConfigError``."""
    import faust

    address = {"broker": ";".join(f"kafka://{one}" for one in config.broker.split(","))}
    told = _secured(config)
    if not told:
        return address
    if "sasl_mechanism" not in told:
        return {**address, "broker_credentials": faust.SSLCredentials(told["ssl_context"])}
    credentials = faust.SASLCredentials(
        username=told["sasl_plain_username"],
        password=told["sasl_plain_password"],
        ssl_context=told["ssl_context"],
        mechanism=told["sasl_mechanism"],
    )
    return {**address, "broker_credentials": credentials}


def librdkafka_of(config: Config) -> dict[str, str]:
    """What a client of librdkafka is told of the brokers. Raises ``ConfigError``."""
    told = _secured(config)
    if not told:
        return {"bootstrap.servers": config.broker}
    given = {
        "bootstrap.servers": config.broker,
        "security.protocol": told["security_protocol"],
        "ssl.ca.location": config.kafka_ca_file,
        "ssl.certificate.location": config.kafka_cert_file,
        "ssl.key.location": config.kafka_key_file,
        "sasl.mechanisms": told.get("sasl_mechanism", ""),
        "sasl.username": told.get("sasl_plain_username", ""),
        "sasl.password": told.get("sasl_plain_password", ""),
    }
    return {key: value for key, value in given.items() if value}


def _secured(config: Config) -> dict[str, Any]:
    """The part on security, in the words that aiokafka and kafka-python share."""
    if config.kafka_security == "auto":
        away = [one for one in config.broker.split(",") if not _is_here(one.rpartition(":")[0].strip("[]"))]
        if away:
            raise ConfigError(
                f'broker = {away[0]} is another machine: set kafka_security to "sasl_ssl" or "ssl" and name the '
                'files, or to "plaintext" to send customers\' data in the clear'
            )
    if config.kafka_security in ("auto", "plaintext"):
        return {}
    told: dict[str, Any] = {"security_protocol": config.kafka_security.upper(), "ssl_context": _context(config)}
    if config.kafka_security == "sasl_ssl":
        told["sasl_mechanism"] = config.kafka_sasl_mechanism
        told["sasl_plain_username"] = config.kafka_sasl_username
        told["sasl_plain_password"] = _password(config)
    return told


def _is_here(host: str) -> bool:
    """Whether a name or address is this machine's own, for whatever answers to it."""
    try:
        return host.lower() == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _context(config: Config) -> ssl.SSLContext:
    """TLS that believes the CA of the settings, or else those of the system, and shows our certificate."""
    trusted = _text_of(config, "kafka_ca_file") if config.kafka_ca_file else None
    try:
        context = ssl.create_default_context(cadata=trusted)
    except (ssl.SSLError, ValueError):
        raise ConfigError(_about(config, "kafka_ca_file", "holds no certificate in PEM")) from None
    if config.kafka_cert_file:
        for key in ("kafka_cert_file", "kafka_key_file"):
            _text_of(config, key)
        try:
            context.load_cert_chain(config.kafka_cert_file, config.kafka_key_file, lambda: _locked(config))
        except ssl.SSLError:
            fault = f"and kafka_key_file = {config.kafka_key_file!r} are no certificate and its key in PEM"
            raise ConfigError(_about(config, "kafka_cert_file", fault)) from None
    return context


def _locked(config: Config) -> NoReturn:
    raise ConfigError(
        _about(config, "kafka_key_file", "is locked with a password: keep one that is not, for its user alone")
    )


def _password(config: Config) -> str:
    """The password without the newline that editors put at the end."""
    password = _text_of(config, "kafka_sasl_password_file").removesuffix("\n").removesuffix("\r")
    if not 0 < len(password) <= MOST_PASSWORD_BYTES or "\n" in password or "\0" in password:
        raise ConfigError(_about(config, "kafka_sasl_password_file", "must hold the password alone, on one line"))
    return password


def _text_of(config: Config, key: str) -> str:
    try:
        return Path(getattr(config, key)).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(_about(config, key, f"cannot be read: {error.strerror}")) from None
    except UnicodeDecodeError:
        raise ConfigError(_about(config, key, "is no text")) from None


def _about(config: Config, key: str, fault: str) -> str:
    return f"{config.origins.get(key, 'settings')}: {key} = {getattr(config, key)!r} {fault}"
