"""The whale curve's sketch: how many customers brought how much in a year, in bins of fixed borders.

Fixed borders are what lets a customer whose value changes be taken out again, and what lets two sketches be added
(SCORING section 7). A sketch is int64, shape (2, BINS): customers by bin, and the cents they brought together;
bins ascend with the amount, ``ZERO`` holds exactly nothing. A bin's largest amount is less than 1.05 times its
smallest, so cutting a bin in two moves the share of a percentile by at most a hundredth and a quarter of that bin.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels._jit import kernel
from kernels.rings import held_year, next_index
from kernels.shapes import Records, Row
from schemas.codes import Fault
from schemas.insights import BINS, BORDERS, LEVELS, ZERO
from schemas.state import FAULTS, PERIOD_DAYS

Sketch = NDArray[np.int64]

SMALLEST: Final = np.array(BORDERS, np.int64)
COMPANY: Final = int(Fault.COMPANY)


@kernel
def bin_of(cents: int) -> int:
    """The bin of an amount; one beyond the last border lies in the last bin of its side."""
    if cents == 0:
        return ZERO
    size = abs(cents)
    low, high = 0, LEVELS
    while high - low > 1:
        middle = (low + high) // 2
        if SMALLEST[middle] <= size:
            low = middle
        else:
            high = middle
    return ZERO + 1 + low if cents > 0 else ZERO - 1 - low


@kernel
def put(sketch: Sketch, cents: int, customers: int) -> None:
    """Put customers in who brought ``cents`` each; a negative number of them takes as many out again."""
    at = bin_of(cents)
    sketch[0, at] += customers
    sketch[1, at] += customers * cents


@kernel
def year_of(row: Row, day: int) -> tuple[bool, int, int]:
    """Of the 13 periods up to ``day``'s: whether any money moved, the net of all cost, and the company's cost."""
    first, end, at = held_year(row, day // PERIOD_DAYS)
    moved = False
    net = company = 0
    for _ in range(first, end):
        margin = int(row["period_margin_cents"][at])
        moved |= margin != 0
        net += margin
        company += int(row["period_cost_cents"][at, COMPANY])
        for fault in range(FAULTS):
            cents = int(row["period_cost_cents"][at, fault])
            moved |= cents != 0
            net -= cents
        at = next_index(at)
    return moved, net, company


@kernel
def survey(rows: Records, n: int, day: int, curve: Sketch, faultless: Sketch) -> None:
    """Put every customer with money in the year into both sketches: the year's net, and that without our faults.

    rows       the first ``n`` are customers, read only; a blank one has no money
    curve      in and out: by margin less all cost
    faultless  in and out: by margin less the cost that the company did not cause
    """
    for i in range(n):
        moved, net, company = year_of(rows[i], day)
        if moved:
            put(curve, net, 1)
            put(faultless, net + company, 1)


@kernel
def survey_known(rows: Records, memos: Records, n: int, day: int, curve: Sketch, faultless: Sketch) -> None:
    """``survey``, sparing the rows whose year their memo knows; a bin that is found is put into the memo."""
    until_day = (day // PERIOD_DAYS + 1) * PERIOD_DAYS
    for i in range(n):
        memo = memos[i]
        known = memo["until_day"] == until_day
        if known and memo["net_bin"] != 0:
            net = int(memo["raw_net_year_cents"])
            company = int(memo["company_cents"])
        else:
            moved, net, company = year_of(rows[i], day)
            if not moved:
                continue
            if not known:
                put(curve, net, 1)
                put(faultless, net + company, 1)
                continue
            memo["net_bin"] = bin_of(net) + 1
            memo["faultless_bin"] = bin_of(net + company) + 1
        at, beside = int(memo["net_bin"]) - 1, int(memo["faultless_bin"]) - 1
        curve[0, at] += 1
        curve[1, at] += net
        faultless[0, beside] += 1
        faultless[1, beside] += net + company


@kernel
def brought_by_top(sketch: Sketch, share: float) -> float:
    """What the best ``share`` (0 to 1) of the customers brought together, cents; within a bin all count alike."""
    assert 0.0 <= share <= 1.0
    customers = 0
    for at in range(BINS):
        customers += sketch[0, at]
    left = share * customers
    brought = 0.0
    for at in range(BINS - 1, -1, -1):
        count = sketch[0, at]
        if count >= left:
            return brought + float(sketch[1, at]) * (left / count) if count > 0 else brought
        brought += float(sketch[1, at])
        left -= count
    return brought
