"""The page of the published shop says what comes of it: imported, fitted, judged, compared with what came next."""

from __future__ import annotations

import numpy as np

from tests import cdnow


def test_the_page_says_what_is_measured() -> None:
    assert cdnow.written() in cdnow.PLACE.read_text(encoding="utf-8"), "after a change: python -m tests.cdnow"


def test_the_area_is_what_it_is() -> None:
    truth = np.array([True, True, False, False])
    assert cdnow.area(np.array([4.0, 3.0, 2.0, 1.0]), truth) == 1.0
    assert cdnow.area(np.array([1.0, 2.0, 3.0, 4.0]), truth) == 0.0
    assert cdnow.area(np.array([1.0, 1.0, 1.0, 1.0]), truth) == 0.5
