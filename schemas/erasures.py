"""The receipt of an erasure: outbound, as JSON on the erasures topic, under a keyed hash and without the id."""

import hmac
import json
from dataclasses import dataclass, fields
from typing import Any, Self

from schemas.plain import plain

VERSION = 1
MARKER_BYTES = 16


class ReceiptError(ValueError):
    """A record of the erasures topic is not one that this version reads."""


def marker_of(key: bytes, customer: bytes) -> bytes:
    """What stands for an erased customer: HMAC-SHA256 of the id, its first 16 bytes."""
    return hmac.digest(key, customer, "sha256")[:MARKER_BYTES]


def fingerprint(key: bytes) -> bytes:
    """By what two keys are told apart without being shown."""
    return hmac.digest(key, b"whaleline erasure key", "sha256")[:4]


@dataclass(frozen=True, slots=True)
class Receipt:
    """An erasure as it was applied: ``offset`` is its entry's in ``partition`` of the ledger.

    ``marker`` is hex. Events up to ``erased_ms`` never count again; ``asked_ms`` is when the entry was written.
    ``known``: the customer had a row. ``withdrawn`` alerts were kept back and will go to nobody.
    """

    marker: str
    partition: int
    offset: int
    asked_ms: int
    erased_ms: int
    known: bool
    withdrawn: int
    author: str
    reason: str

    @property
    def key(self) -> bytes:
        """Its key on the erasures topic."""
        return self.marker.encode()

    def as_map(self) -> dict[str, Any]:
        """The receipt as the map that is sent."""
        return {"version": VERSION, **plain(self)}

    def to_json(self) -> bytes:
        """The receipt's bytes on the erasures topic."""
        return json.dumps(self.as_map(), ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def of(cls, value: bytes) -> Self:
        """The receipt a record holds; raises ``ReceiptError``."""
        try:
            body = json.loads(value)
        except ValueError:
            raise ReceiptError("a record of the erasures topic is not JSON") from None
        if not isinstance(body, dict) or body.pop("version", None) != VERSION:
            raise ReceiptError(f"a record of the erasures topic is not of version {VERSION}")
        kinds = {one.name: one.type for one in fields(cls)}
        if set(body) != set(kinds) or any(type(body[name]) is not kind for name, kind in kinds.items()):
            raise ReceiptError("a record of the erasures topic is no receipt")
        return cls(**body)
