"""Laws of the fast way out of the ledger: it says what the plain reading says, of any bytes."""

from __future__ import annotations

import random
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings

from schemas.block import (
    EVENT,
    EVENTS_MAGIC,
    NAMED,
    NAMED_EVERYWHERE,
    Block,
    BlockError,
    Source,
    Sourced,
    decode,
    encode_events,
)
from schemas.codec import decode as decode_event
from schemas.codec import encode
from schemas.codes import FIRST_PURCHASE_KIND
from schemas.events import FIELDS, Event, Type
from streams.opened import open_block
from tests.alone import printed
from tests.oracle.hashing import of_event, of_text
from tests.schemas.test_block import GOLDEN, sourced_events
from tests.worlds import world

FIRST = 300
"""Numbers of sources that take two bytes."""


def number_of(source: Source) -> int:
    return FIRST + source.partition % 1_000


def plain(value: bytes) -> tuple[bytes, list[bytes], set[bytes]]:
    """The events, their customers and the texts whose names are kept, from the block's columns one by one."""
    block = decode(value)
    assert isinstance(block, Block)
    events = np.zeros(block.n, EVENT)
    texts = [block.text(at) for at in range(block.starts.size)]
    for one in FIELDS:
        column = block.column(one.name)
        events[one.name] = [of_text(texts[at]) for at in column] if one.type is Type.TEXT else column
    customers = [texts[at] for at in block.column("customer_id")]
    events["event_id"] = [
        of_event(kind >= FIRST_PURCHASE_KIND, customer, texts[at])
        for kind, customer, at in zip(events["kind"], customers, block.column("event_id"), strict=True)
    ]
    events["source"] = [number_of(block.sources[at]) for at in block.source]
    events["offset"] = block.offset
    of_problem = (events["case_id"] != 0) | (events["fault_id"] != 0)
    told = {texts[at] for name in NAMED for at in block.column(name)[of_problem]}
    told |= {texts[at] for name in NAMED_EVERYWHERE for at in block.column(name)}
    return events.tobytes(), customers, told - {b""}


def fast(value: bytes) -> tuple[bytes, list[bytes], set[bytes]]:
    opened = open_block(value, number_of)
    told = {opened.text(at) for at in np.flatnonzero(opened.told)}
    customers = [opened.text(at) for at in opened.customer]
    assert opened.digests.tolist() == [of_text(opened.text(at)) for at in range(opened.digests.size)]
    return opened.events.tobytes(), customers, told - {b""}


def agree(value: bytes) -> bool:
    """Both readings say the same; whether that is a block."""
    law: object
    found: object
    try:
        law = plain(value)
    except BlockError as error:
        law = str(error)
    try:
        found = fast(value)
    except BlockError as error:
        found = str(error)
    assert found == law
    return not isinstance(law, str)


@settings(max_examples=150, deadline=None)
@given(sourced_events())
def test_a_block_opens_as_its_columns_read(sent: list[Sourced]) -> None:
    """Any fields of any kind, from any sources."""
    assert agree(encode_events(sent))


def test_a_world_opens_as_its_columns_read() -> None:
    """Large blocks, in which texts and sources come again."""
    for seed in range(4):
        sent = []
        for number, (topic, fields) in enumerate(world(seed, 1_500, 40)):
            event = decode_event(encode(fields), purchases=topic == "purchases")
            assert isinstance(event, Event)
            sent.append(Sourced(Source(UUID(int=1 + number % 2), number % 3), number, event))
        assert agree(encode_events(sent))


@pytest.mark.parametrize("flip", [1, 2, 8, 0x80, 0xFF])
def test_every_flipped_byte_gets_the_same_verdict(flip: int) -> None:
    """Refused with the same sentence, or read alike."""
    verdicts = set()
    for at in range(len(EVENTS_MAGIC), len(GOLDEN)):
        damaged = bytearray(GOLDEN)
        damaged[at] ^= flip
        verdicts.add(agree(bytes(damaged)))
    assert verdicts == {True, False}


def test_cut_and_stretched_blocks_get_the_same_verdict() -> None:
    """Any length but its own is refused."""
    rng = random.Random(1)
    for _ in range(300):
        cut = rng.randrange(len(GOLDEN))
        assert not agree(GOLDEN[:cut])
        assert not agree(GOLDEN + rng.randbytes(rng.randrange(1, 40)))


HOSTILE = """
import random
from schemas.block import BlockError
from streams.opened import open_block
from tests.schemas.test_block import GOLDEN
rng, told = random.Random(7), 0
for _ in range(4_000):
    damaged = bytearray(GOLDEN)
    for _ in range(rng.randrange(1, 6)):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    try:
        told += int(open_block(bytes(damaged), lambda _: 0).events.view("u1").sum())
    except BlockError as error:
        told += len(str(error))
print(told)
"""


def test_nothing_is_read_beyond_a_damaged_block() -> None:
    """With every index checked, no other word; a read outside would raise."""
    assert printed(HOSTILE, NUMBA_BOUNDSCHECK="1") == printed(HOSTILE)
