"""The key under which erased customers are remembered: a file that every worker and desk is given."""

import secrets
from pathlib import Path

from streams.config import Config, ConfigError

KEY_BYTES = 32


def new_key() -> str:
    """A key for the file: random, in hex."""
    return secrets.token_hex(KEY_BYTES)


def load_key(config: Config) -> bytes | None:
    """The key of this deployment, None where none is set; raises ``ConfigError`` with one sentence."""
    if not config.erasure_key:
        return None
    try:
        text = Path(config.erasure_key).read_text(encoding="ascii").strip()
    except OSError as error:
        raise ConfigError(f"{config.erasure_key}: the erasure key cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        text = ""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) < KEY_BYTES:
        raise ConfigError(
            f"{config.erasure_key}: an erasure key is {2 * KEY_BYTES} hex digits or more: "
            "`whaleline erase --new-key FILE` makes one"
        )
    return key
