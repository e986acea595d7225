"""Events of the canary: they go the whole way and are answered, and touch no customer, figure or alert.

A canary's customer id begins with ``PREFIX``, which no real customer may have. Its event opens no row, is folded
into nothing and counted nowhere; the judge answers it on the insights topic, in the transaction of everything else
that it has to say.
"""

import msgpack
import numpy as np
from numpy.typing import NDArray

from schemas.block import Block
from schemas.insights import VERSION, Insight

PREFIX = b"whaleline-canary-"


def of_canaries(block: Block) -> NDArray[np.bool_] | None:
    """Which events of the block are a canary's; None where none is, which costs one look at its texts."""
    if PREFIX not in block.buffer.tobytes():
        return None
    which, whose = np.unique(block.column("customer_id"), return_inverse=True)
    return np.array([block.text(one).startswith(PREFIX) for one in which.tolist()])[whose]


def answer(block: Block, at: int, partition: int) -> Insight:
    """The judge's answer to the canary event at ``at``, under one key for each ledger partition."""
    event_id = block.text(int(block.column("event_id")[at])).decode()
    body = {"version": VERSION, "event_id": event_id, "ts_ms": int(block.column("ts_ms")[at])}
    return Insight(f"canary/{partition}".encode(), bytes(msgpack.packb(body)))
