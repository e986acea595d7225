"""Files that hold personal data or a secret: readable for their owner alone."""

import os
from pathlib import Path

OWNER_ONLY = 0o600


class PrivateFileError(OSError):
    """A private file cannot be written; the message is one sentence for the user."""


def write(path: Path, text: str) -> None:
    """Write a file anew that only its owner can read; raises ``PrivateFileError``."""
    try:
        path.unlink(missing_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise PrivateFileError(f"{path} cannot be written: {error.strerror or error}") from None
