"""What a gesture saves and costs, and which moments are worth the floor's minutes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels import economics
from schemas import state
from schemas.codes import CaseFlag, Evidence, Moment
from schemas.policy import parse
from streams.gestures import held_out, priced
from tests import oracle

POLICY = parse("[economics]\nacquisition_cents = 0\nhold_out_share = 0.0")
RULES = POLICY.record[0]


def test_the_example_of_the_specification() -> None:
    """420 USD at stake, risk from .45 to .27, a replacement for 38 USD: saved 75.60, net 37.60, dp* .0905."""
    stake = economics.stake_cents(42_000, RULES)
    one = priced("C-17", "replacement", 3_800, stake, (0.45, 0.27, 0.45 - 0.27), False, POLICY)
    assert (one.saved_cents, one.net_cents, one.break_even_ppm) == (7_560, 3_760, 90_476)
    assert (one.risk_before_ppm, one.risk_after_ppm, one.chance_ppm) == (450_000, 270_000, 180_000)
    assert one.recommended
    assert not one.hold_out


@pytest.mark.parametrize(("cost", "recommended"), [(5_040, True), (5_041, False), (0, True)])
def test_a_gesture_must_save_one_and_a_half_times_its_cost(cost: int, recommended: bool) -> None:
    assert priced("C", "credit", cost, 42_000, (0.45, 0.27, 0.18), False, POLICY).recommended is recommended


def test_a_customer_is_worth_a_new_one_at_least() -> None:
    rules = parse("").record[0]
    assert economics.stake_cents(0, rules) == economics.stake_cents(-5, rules) == 6_000
    assert economics.stake_cents(42_000, rules) == 48_000


@given(st.integers(0, 10**8), st.integers(0, 10**10))
def test_break_even_is_where_the_saving_meets_the_cost(cost: int, stake: int) -> None:
    least = economics.break_even_ppm(cost, stake)
    assert 0 <= least <= 1_000_000
    if stake > 0 and least < 1_000_000:
        assert abs(economics.saved_cents(stake, least / 1e6) - cost) <= stake * 1e-6 + 1


def test_a_tenth_is_held_out_by_a_hash_and_anew_with_each_policy() -> None:
    """Of proactive gestures only: who is owed something is never held out."""
    first, second = parse(""), parse("[policy]\nversion = 2")
    names = [f"C{number}" for number in range(20_000)]
    out = {name for name in names if held_out(name, first)}
    again = {name for name in names if held_out(name, second)}
    assert 0.09 < len(out) / len(names) < 0.11
    assert len(out & again) < 0.2 * len(out)
    name = min(out)
    proactive = priced(name, "credit", 100, 42_000, (0.45, 0.27, 0.18), False, first)
    assert proactive.hold_out
    assert not proactive.recommended
    owed = priced(name, "credit", 100, 42_000, (0.45, 0.27, 0.18), True, first)
    assert owed.recommended
    assert not owed.hold_out


NOW, WEEK = 20_000 * 86_400_000, 7 * 86_400_000


def a_row() -> np.ndarray[tuple[int], np.dtype[np.void]]:
    rows = state.blank()
    row = rows[0]
    row["day"] = row["first_day"] = row["last_purchase_day"] = 20_000
    row["evidence"][Evidence.RUDE_CALL] = 1.0
    row["case_id"][0], row["case_opened_ms"][0], row["case_asked_ms"][0] = 7, NOW - WEEK, NOW - WEEK
    row["case_flags"][0] = int(CaseFlag.TICKET)
    return rows


def test_what_is_tried_leaves_the_row_as_it_was() -> None:
    rows = a_row()
    before = rows.tobytes()
    rules = parse("").record[0]
    made_good = economics.risk_made_good(rows[0], NOW, rules)
    without = [economics.risk_without(rows[0], int(which), NOW, rules) for which in Evidence]
    assert rows.tobytes() == before
    assert 0 < made_good < max(without)
    assert without[Evidence.RUDE_CALL] < without[Evidence.LOW_CSAT]
    assert without[Evidence.UNANSWERED_TICKET] < without[Evidence.LOW_CSAT]


def told(worth_cents: int, due: int, toml: str = "") -> set[Moment]:
    scores = np.zeros(1, state.SCORES)
    scores["worth_cents"] = worth_cents
    rules = parse(toml).record[0]
    bits = economics.worth_telling(state.blank()[0], NOW, due, rules, scores[0])
    return {moment for moment in Moment if bits >> moment & 1}


EVERY = sum(1 << moment for moment in Moment)
ORDINARY_CENTS = 3_400
"""Worth of somebody who bought once, for 30 USD, with the default models."""


def test_every_moment_is_told_for_an_ordinary_customer_at_cold_start() -> None:
    assert told(ORDINARY_CENTS, EVERY) == set(Moment)


def test_what_is_owed_is_told_at_any_price() -> None:
    """Nothing at stake, dear minutes: only what the company owes remains."""
    dear = "[economics]\nacquisition_cents = 0\n[cost]\nvoice_cents_per_minute = 100000"
    assert told(0, EVERY, dear) == {
        *(Moment.TICKET_UNANSWERED, Moment.CALLBACK_MISSED, Moment.REPAIR_OVERDUE),
        *(Moment.WRONG_PART_TWICE, Moment.APPEAL_UNANSWERED),
    }


def test_the_border_is_where_the_saving_pays_the_minutes() -> None:
    """Ten minutes at 75 cents; a chance of .15: 5,000 cents at stake are enough, 4,990 are not."""
    bare = "[economics]\nacquisition_cents = 0"
    rude = 1 << Moment.RUDE_CALL
    assert told(5_000, rude, bare) == {Moment.RUDE_CALL}
    assert told(4_990, rude, bare) == set()


def test_the_same_without_a_compiler() -> None:
    calls = [("break_even_ppm", (3_800, 42_000)), ("saved_cents", (42_000, 0.18)), ("break_even_ppm", (1, 0))]
    assert oracle.bits(oracle.answers("economics", calls)) == oracle.bits(oracle.plain_answers("economics", calls))
