"""Events of the canary: they go the whole way and are answered, and touch no customer, figure or alert.

A canary's customer id begins with ``PREFIX``, which no real customer may have. Its event opens no row, is folded
into nothing and counted nowhere; the judge answers it on the insights topic, in the transaction of everything else
that it has to say.
"""

import msgpack
import numpy as np
from numpy.typing import NDArray

from schemas.block import Block, decode
from schemas.insights import VERSION, Insight

PREFIX = b"whaleline-canary-"


def of_canaries(value: bytes) -> NDArray[np.bool_] | None:
    """Which events of a ledger block are a canary's; None where none is, which costs one look at its bytes."""
    if PREFIX not in value:
        return None
    block = _block(value)
    which, whose = np.unique(block.column("customer_id"), return_inverse=True)
    return np.array([block.text(one).startswith(PREFIX) for one in which.tolist()])[whose]


def answer(value: bytes, at: int, partition: int) -> Insight:
    """The judge's answer to the canary event at ``at``, under one key for each ledger partition."""
    block = _block(value)
    event_id = block.text(int(block.column("event_id")[at])).decode()
    body = {"version": VERSION, "event_id": event_id, "ts_ms": int(block.column("ts_ms")[at])}
    return Insight(f"canary/{partition}".encode(), bytes(msgpack.packb(body)))


def _block(value: bytes) -> Block:
    block = decode(value)
    assert isinstance(block, Block)
    return block
