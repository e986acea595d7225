"""The first words to a broker: whether it is there, speaks as we do, and is who it says it is.

The clients' libraries try again where a certificate is wrong, and tell of a time-out at last. So we greet once
before them, and say what is wrong and which setting mends it.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import Mapping
from typing import Any

API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)
"""A Kafka request that anybody may send, before it has said who it is."""
CLOSE_S = 1.0
TLS_ALERT = b"\x15\x03"
ANOTHER_NAME = {62, 64}
"""OpenSSL's codes of a certificate for other names or addresses."""


def greet(host: str, port: int, timeout_s: float, client: Mapping[str, Any]) -> str:
    """What is wrong with a broker, as the rest of a sentence that begins with its address; empty if nothing is.

    ``client`` is what ``streams.connection.client_of`` says. Raises ``OSError`` where nobody answers, or where who
    answers hangs up.
    """
    fault = _secured(host, port, timeout_s, client.get("ssl_context"))
    return fault or (_login(host, port, timeout_s, client) if "sasl_mechanism" in client else "")


def _login(host: str, port: int, timeout_s: float, client: Mapping[str, Any]) -> str:
    """Say who we are, and hear whether that is believed."""
    from aiokafka import errors
    from aiokafka.conn import AIOKafkaConnection

    given = ("ssl_context", "security_protocol", "sasl_mechanism", "sasl_plain_username", "sasl_plain_password")

    async def login() -> None:
        line = AIOKafkaConnection(host, port, **{key: client[key] for key in given})
        try:
            async with asyncio.timeout(timeout_s):
                await line.connect()
        finally:
            closed = line.close()
            if closed is not None:
                await asyncio.wait({closed}, timeout=CLOSE_S)

    mechanism, user = client["sasl_mechanism"], client["sasl_plain_username"]
    try:
        asyncio.run(login())
    except errors.UnsupportedSaslMechanismError:
        return f"does not know kafka_sasl_mechanism = {mechanism}"
    except (errors.AuthenticationFailedError, errors.SaslAuthenticationFailed):
        return f"does not let {user} in by {mechanism}: look at kafka_sasl_username and kafka_sasl_password_file"
    except errors.KafkaError as error:
        raise ConnectionResetError(0, f"hung up while {user} logged in ({type(error).__name__})") from None
    return ""


def _secured(host: str, port: int, timeout_s: float, context: ssl.SSLContext | None) -> str:
    """What is wrong with its port and its certificate."""
    with socket.create_connection((host, port), timeout_s) as line:
        if context is None:
            speaks_tls = _asked(line) == TLS_ALERT
            return 'speaks TLS on this port: set kafka_security to "sasl_ssl" or "ssl"' if speaks_tls else ""
        try:
            with context.wrap_socket(line, server_hostname=host) as secured:
                _asked(secured)
        except ssl.SSLEOFError:
            raise ConnectionResetError(0, "hung up while TLS was begun: does it speak TLS on this port?") from None
        except ssl.SSLCertVerificationError as error:
            if error.verify_code in ANOTHER_NAME:
                return "shows the certificate of another host: name it in broker as the certificate does"
            return f"shows a certificate that kafka_ca_file does not vouch for ({error.verify_message})"
        except ssl.SSLError as error:
            return _refusal(error.reason or "")
        return ""


def _asked(line: socket.socket) -> bytes:
    """Ask for the versions; the first two bytes of the answer."""
    line.sendall(API_VERSIONS)
    heard = line.recv(2)
    if not heard:
        raise ConnectionResetError(0, "hung up at the first word: is kafka_security as its listener wants it?")
    return heard


def _refusal(reason: str) -> str:
    """What an alert of TLS means for our settings."""
    if "CERTIFICATE" in reason or "UNKNOWN_CA" in reason:
        return f"wants a certificate that it believes: look at kafka_cert_file and kafka_key_file ({reason})"
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return "does not speak TLS on this port: is kafka_security as its listener wants it?"
    return f"does not agree on TLS ({reason})"
