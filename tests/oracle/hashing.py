"""The two digests that rows hold, made with the slow XXH64."""

from __future__ import annotations

from functools import lru_cache

from tests.oracle.digest import xxh64


@lru_cache(100_000)
def of_text(text: bytes) -> int:
    """Digest of a case id or a sku; 0 for the empty text."""
    return int(xxh64(text, 0, len(text), 0)) if text else 0


def of_event(purchases: bool, customer: bytes, event_id: bytes) -> int:
    """Digest that tells one event from every other."""
    data = (b"p" if purchases else b"s") + customer + b"\x00" + event_id
    return int(xxh64(data, 0, len(data), 0))
