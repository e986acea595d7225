"""The document of the wire says what the code does."""

from __future__ import annotations

import dataclasses
import re

from schemas import block, codec
from schemas.alerts import KINDS, VERSION, Alert, DeadLetter, Evidence, Incident
from schemas.codes import Control, Kind, Reason
from schemas.events import ABSENT, FIELDS, SHAPES, Event
from streams.breaker import Breaker
from streams.memory import RING, SEGMENT, Position, Recent
from streams.names import Names
from streams.outbox import ALERT_ID, NONCE_KEY
from streams.pipeline import ROW_KEY
from streams.shelf import Shelf
from streams.stories import STORIES
from streams.survey import Survey
from streams.topics import TopicNames
from tests import wire_doc
from tests.vectors import LETTER

TEXT = wire_doc.PLACE.read_text(encoding="utf-8")
BY_HAND, TABLES, _ = wire_doc.apart(TEXT)


def test_the_generated_part_is_what_the_code_says() -> None:
    assert wire_doc.generated() == TABLES, "after a change of schemas/: python -m tests.wire_doc"


def test_every_kind_field_reason_and_entry_is_told() -> None:
    for kind in SHAPES:
        assert TABLES.count(f"\n| `{kind.name.lower()}` | {int(kind)} |") == (2 if kind is Kind.PROGRESS else 1)
    for at, one in enumerate(FIELDS):
        assert TABLES.count(f"\n| {at} | `{one.name}` |") == 1
        assert one.doc
        assert one.seed
    assert set(wire_doc.REASONS) == set(Reason)
    assert set(wire_doc.CONTROLS) == set(Control)
    assert all(f"`{kind}`" in TABLES for kind in KINDS)


def test_every_field_of_an_alert_has_a_meaning_and_every_meaning_a_field() -> None:
    assert list(wire_doc.ALERT_FIELDS) == [one.name for one in dataclasses.fields(Alert)]
    assert list(wire_doc.INCIDENT_FIELDS) == [one.name for one in dataclasses.fields(Incident)]
    assert list(wire_doc.EVIDENCE_FIELDS) == [one.name for one in dataclasses.fields(Evidence)]
    assert f"`version` ({VERSION}) in front" in " ".join(BY_HAND.split())


def test_every_field_belongs_to_some_kind() -> None:
    used = {name for shape in SHAPES.values() for name in (*shape.needs, *shape.may)}
    left = {one.name for one in FIELDS} - used - {*wire_doc.COMMON, *wire_doc.EVERYWHERE}
    assert not left, f"fields that no kind carries: {left}"


def test_a_table_keeps_its_columns_whatever_a_cell_holds() -> None:
    assert list(wire_doc.table(("a", "b"), [("x|y", 1)])) == ["| a | b |", "|---|---|", "| x\\|y | 1 |"]


def test_what_is_written_by_hand_agrees_with_the_code() -> None:
    names = dataclasses.asdict(TopicNames()).values()
    assert all(f"`{name}`" in BY_HAND for name in names)
    assert (ROW_KEY, Recent.KEY, Position.KEY, NONCE_KEY) == (b"c", b"r", b"p", b"n")
    assert (Names.KEY, Survey.KEY, Breaker.KEY, Shelf.KEY) == (b"t", b"g", b"b", b"k")
    assert all(f"\n| `{key}`" in BY_HAND for key in "crtgbkpn")
    assert f"{RING:,} remembered" in BY_HAND
    assert f"`000` to `{RING // SEGMENT - 1}`" in BY_HAND
    assert f"header `{ALERT_ID}`" in BY_HAND
    for magic in (block.EVENTS_MAGIC, block.CONTROL_MAGIC):
        assert f"magic `{magic.decode()}`" in BY_HAND
    assert block._HEAD.size == 4 + 2 + 2 + 4 * 4 + 8
    assert f"{block._SOURCE.size} × `s`" in BY_HAND
    assert ABSENT == -(2**31)
    headers = [name for name, _ in LETTER.headers()]
    assert isinstance(LETTER, DeadLetter)
    assert all(f"`{name}`" in BY_HAND for name in headers)


def test_every_kind_has_a_seed_and_every_file_that_judges_one_is_there() -> None:
    seeds = wire_doc.PLACE.with_name("seeds.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`([a-z_]+)`", seeds))
    unsung = {"call_opened", "credit", "concession", "refund", "return", "dispatch", "part_shipped", "progress"}
    assert {kind.name.lower() for kind in SHAPES} - told == unsung, "ordinary kinds: no seed asks for one of them"
    for path in set(re.findall(r"`((?:kernels|streams|schemas|tests/\w+)/\w*\.py)`", seeds)):
        assert (wire_doc.PLACE.parents[1] / path).is_file(), path
    stories = set(re.findall(r"`tests/stories/test_(\w+)\.py`", seeds))
    assert stories >= set(STORIES)
    for story in stories:
        assert (wire_doc.PLACE.parents[1] / f"tests/stories/test_{story}.py").is_file(), story


def test_the_glossary_explains_each_word_once_in_one_sentence() -> None:
    glossary = wire_doc.PLACE.with_name("glossary.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?!word|---)([^|]+) \| ([^|]+) \|$", glossary, re.MULTILINE)
    words = [word for words, _ in rows for word in words.split(", ")]
    assert len(words) == len(set(words)) > 80
    for word, sentence in rows:
        assert sentence.endswith("."), word
        assert sentence.count(". ") == 0, word


def test_the_example_is_accepted() -> None:
    example = BY_HAND.split("```json\n")[1].split("```")[0]
    assert isinstance(codec.decode(example.encode(), purchases=False), Event)
