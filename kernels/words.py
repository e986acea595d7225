"""Words and what they stand for: the names of fields and the values of code fields, found by their bytes."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels._jit import kernel
from kernels.letters import byte, same
from kernels.shapes import Records
from schemas.lexicon import NOBODY, PLACES, Lexicon

Bytes = NDArray[np.uint8]
Places = NDArray[np.int16]

SPREAD: Final = 31


@kernel
def _place(family: int, buffer: Bytes, start: int, length: int) -> int:
    """Where the search for a word begins: its family, its length and four of its bytes stirred together.

    The words are few and known, so how well others would spread does not matter.
    """
    total = family * SPREAD + length
    if length > 0:
        total = total * SPREAD + byte(buffer, start)
        total = total * SPREAD + byte(buffer, start + (length >> 2))
        total = total * SPREAD + byte(buffer, start + (length >> 1))
        total = total * SPREAD + byte(buffer, start + length - 1)
    return total & (PLACES - 1)


@kernel
def find(
    letters: Bytes, words: Records, places: Places, family: int, buffer: Bytes, start: int, length: int
) -> int:
    """The number that the text in ``buffer`` stands for in this family, or ``NOBODY``.

    The first three are those of a ``schemas.lexicon.Lexicon``.
    """
    at = _place(family, buffer, start, length)
    while places[at] != NOBODY:
        word = words[places[at]]
        if (
            word["family"] == family
            and word["length"] == length
            and same(letters, word["start"], buffer, start, length)
        ):
            return int(word["number"])
        at = (at + 1) & (PLACES - 1)
    return NOBODY


@kernel
def enter(lexicon: Lexicon) -> None:
    """Fill the index of words."""
    lexicon.places[:] = NOBODY
    for at in range(lexicon.words.size):
        word = lexicon.words[at]
        place = _place(word["family"], lexicon.letters, word["start"], word["length"])
        while lexicon.places[place] != NOBODY:
            place = (place + 1) & (PLACES - 1)
        lexicon.places[place] = at
