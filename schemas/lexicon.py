"""The tables of ``schemas.events`` as numbers: what a kernel must know to read an event.

A *name* is a field's number: its place in ``FIELDS``, and behind those ``version`` and ``currency``, which are
checked like any other field but not kept. A *word* is what may stand for a number on the wire: a field's name, or
one of a code field's values. Words come in families: family 0 holds the names, family ``1 + name`` the values of
a code field. Sets of names are the bits of a signed 64-bit number.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.codes import FIRST_PURCHASE_KIND, Kind
from schemas.events import FIELDS, NEEDED, SHAPES, VERSION, Type

FIELD_COUNT: Final = len(FIELDS)
NAMES: Final = ("version", "currency")
NAME: Final = {name: at for at, name in enumerate((*(one.name for one in FIELDS), *NAMES))}
NAME_COUNT: Final = len(NAME)
assert NAME_COUNT < 63, "a set of names is kept in the bits of one signed number"

KIND_COUNT: Final = max(Kind) + 1
NOBODY: Final = -1
SUPPORT: Final = 0b01
PURCHASES: Final = 0b10
"""Sets of source topics."""
PLACES: Final = 2_048
"""Places of the index of words, a power of two and several times their number."""

WORD = np.dtype([("start", "<i8"), ("length", "<i8"), ("family", "<i8"), ("number", "<i8")])
LIMIT = np.dtype([("type", "<i8"), ("low", "<i8"), ("high", "<i8"), ("absent", "<i8")])
KIND = np.dtype([("allowed", "<i8"), ("needed", "<i8"), ("topics", "<i8")])
ONLY = np.dtype([("kind", "<i8"), ("name", "<i8"), ("values", "<i8")])
AT_MOST = np.dtype([("kind", "<i8"), ("name", "<i8"), ("other", "<i8")])


class Lexicon(NamedTuple):
    """What a decoding kernel reads.

    letters  the bytes of all words, and eight more, so that eight can be read wherever one begins
    words    WORD: where each stands, its family and the number it stands for
    places   the index of words, to be filled by ``kernels.words.enter``
    limits   LIMIT by name
    kinds    KIND by kind: sets of names; bit 0 and 1 of ``topics`` say support and purchases
    only     ONLY: a kind's field has one of the values in a set (values below 63)
    at_most  AT_MOST: a kind's field is no greater than another
    """

    letters: NDArray[np.uint8]
    words: NDArray[np.void]
    places: NDArray[np.int16]
    limits: NDArray[np.void]
    kinds: NDArray[np.void]
    only: NDArray[np.void]
    at_most: NDArray[np.void]


def lexicon(currency: str) -> Lexicon:
    """The tables for a deployment that keeps its accounts in ``currency``; ``places`` is still empty."""
    vocabulary = [(0, name, at) for name, at in NAME.items()]
    for at, one in enumerate(FIELDS):
        vocabulary += [(1 + at, code.name.lower(), int(code)) for code in one.codes or ()]
    vocabulary.append((1 + NAME["currency"], currency, 1))
    encoded = [word.encode() for _, word, _ in vocabulary]
    assert 4 * len(encoded) < PLACES
    words = np.zeros(len(encoded), WORD)
    words["length"] = [len(word) for word in encoded]
    words["start"] = np.cumsum(words["length"]) - words["length"]
    words["family"] = [family for family, _, _ in vocabulary]
    words["number"] = [number for _, _, number in vocabulary]
    return Lexicon(
        np.frombuffer(b"".join((*encoded, b"\0" * 8)), np.uint8).copy(),
        words,
        np.full(PLACES, NOBODY, np.int16),
        _limits(),
        _kinds(),
        np.array(
            [(kind, NAME[name], _set(values)) for kind, shape in SHAPES.items() for name, values in shape.only],
            ONLY,
        ),
        np.array(
            [(kind, NAME[name], NAME[other]) for kind, shape in SHAPES.items() for name, other in shape.at_most],
            AT_MOST,
        ),
    )


def _set(numbers: "tuple[int, ...] | list[int]") -> int:
    assert all(0 <= one < 63 for one in numbers)
    return sum(1 << one for one in set(numbers))


def _limits() -> NDArray[np.void]:
    limits = np.zeros(NAME_COUNT, LIMIT)
    for at, one in enumerate(FIELDS):
        limits[at] = (one.type, one.low, one.high, one.absent)
    limits[NAME["version"]] = (Type.INTEGER, VERSION, VERSION, 0)
    limits[NAME["currency"]] = (Type.CODE, 1, 1, 0)
    return limits


def _kinds() -> NDArray[np.void]:
    kinds = np.zeros(KIND_COUNT, KIND)
    for kind, shape in SHAPES.items():
        topics = PURCHASES if kind >= FIRST_PURCHASE_KIND else SUPPORT
        if kind is Kind.PROGRESS:
            topics = SUPPORT | PURCHASES
        allowed = [NAME[name] for name in (*NAMES, *shape.allowed)]
        kinds[kind] = (_set(allowed), _set([NAME["version"], *(NAME[name] for name in NEEDED[kind])]), topics)
    return kinds
