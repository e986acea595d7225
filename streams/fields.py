"""An event of a ledger block as the fields that were sent."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.alerts import DeadLetter
from schemas.block import Block, decode
from schemas.codec import encode
from schemas.codes import Reason
from schemas.events import FIELD, Type


def fields_at(block: Block, at: int) -> dict[str, Any]:
    """Event ``at`` of a block as the wire's fields."""
    fields: dict[str, Any] = {}
    for name, column in block.columns.items():
        one, value = FIELD[name], int(column[at])
        if value == one.absent:
            continue
        if one.type is Type.TEXT:
            fields[name] = block.text(value).decode()
        elif one.type is Type.CODE and one.codes is not None:
            fields[name] = one.codes(value).name.lower()
        else:
            fields[name] = value == 2 if one.type is Type.BOOLEAN else value
            if one.type is Type.RATIO:
                fields[name] = value / 1_000_000
    return fields


def refusals(value: bytes, refused: NDArray[np.bool_]) -> list[DeadLetter]:
    """Dead letters for those events of a block that lie too far ahead."""
    block = decode(value)
    assert isinstance(block, Block)
    return [_refusal(block, at) for at in np.flatnonzero(refused).tolist()]


def _refusal(block: Block, at: int) -> DeadLetter:
    """A dead letter for an event of the future; its value is the event as accepted, written anew."""
    fields = fields_at(block, at)
    source = block.sources[int(block.source[at])]
    detail = "field ts_ms lies further ahead of the ledger's clock than the policy allows"
    key = str(fields["customer_id"]).encode()
    place = (str(source.topic), source.partition, int(block.offset[at]))
    return DeadLetter(Reason.FUTURE.name.lower(), detail, "", *place, key, encode(fields))
