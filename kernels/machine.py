"""One state machine's bookkeeping: a change of state, its episode, and the crossing it is written down as."""

from typing import Final

from kernels._jit import kernel
from kernels.shapes import Records, Row, Scores
from schemas.codes import Change

ENTERED: Final = int(Change.ENTERED)
ESCALATED: Final = int(Change.ESCALATED)
CLEARED: Final = int(Change.CLEARED)


@kernel
def cross(row: Row, machine: int, change: int, after: int, now_ms: int, moment: int, out: Records, at: int) -> int:
    """Move one machine to state ``after`` and write the crossing to ``out[at]``; return the next free place.

    Entering opens an episode; every further change of it is counted. The scores are filled in by the caller.
    """
    if change == ENTERED:
        row["episode"][machine] += 1
        row["change"][machine] = 0
    row["change"][machine] += 1
    crossing = out[at]
    crossing["now_ms"] = now_ms
    crossing["machine"] = machine
    crossing["change"] = change
    crossing["moment"] = moment
    crossing["before"] = row["state"][machine]
    crossing["after"] = after
    crossing["episode"] = row["episode"][machine]
    crossing["number"] = row["change"][machine]
    if after != row["state"][machine]:
        row["state"][machine] = after
        row["since_ms"][machine] = now_ms
    return at + 1


@kernel
def write_scores(crossing: Row, scores: Scores) -> None:
    """Copy the scores of the moment into a crossing."""
    crossing["risk"] = scores["risk"]
    crossing["risk_ppm"] = scores["risk_ppm"]
    crossing["gone_ppm"] = scores["gone_ppm"]
    crossing["p_negative_ppm"] = scores["p_negative_ppm"]
    crossing["year_cents"] = scores["year_cents"]
    crossing["net_year_cents"] = scores["net_year_cents"]
    crossing["raw_net_year_cents"] = scores["raw_net_year_cents"]
    crossing["company_ppm"] = scores["company_ppm"]
    crossing["periods"] = scores["periods"]
    crossing["contacts"] = scores["contacts"]
    crossing["contact_periods"] = scores["contact_periods"]
    crossing["year_contacts"] = scores["year_contacts"]
    crossing["company_cents"] = scores["company_cents"]
    crossing["revenue_year_cents"] = scores["revenue_year_cents"]
    crossing["invested_cents"] = scores["invested_cents"]
    crossing["awaited_cents"] = scores["awaited_cents"]
    crossing["fee_cover_ppm"] = scores["fee_cover_ppm"]
    crossing["forward_year_cents"] = scores["forward_year_cents"]
    crossing["worth_cents"] = scores["worth_cents"]
    crossing["at_risk_cents"] = scores["at_risk_cents"]
    crossing["savable_cents"] = scores["savable_cents"]
