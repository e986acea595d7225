"""The worlds are what the page says: repeatable, readable by the codec, and true to their numbers."""

import numpy as np
import pytest

from schemas.codes import Kind
from schemas.events import DAY_MS
from tests.eval import wire
from tests.eval.judged import judge
from tests.eval.life import people
from tests.eval.notes import (
    CAUSE,
    COMPANY,
    COST,
    CUSTOMER,
    KIND,
    MARGIN,
    SAID_CAUSE,
    START_MS,
    STAYS,
    TS,
    UNSAID,
    VICTIM,
)
from tests.eval.physics import PARAMETERS, physics
from tests.eval.worlds import DAYS, HORIZON, WORLDS, make

FAILURES = (
    *(Kind.TICKET_OPENED, Kind.PART_WRONG, Kind.RUDE_CALL, Kind.CALLBACK_PROMISED, Kind.ESCALATION_DENIED),
    *(Kind.REVIEW, Kind.FREE_REPLACEMENT, Kind.FAULT_OPENED),
)


@pytest.mark.parametrize("name", WORLDS)
def test_every_event_of_every_world_is_accepted_and_in_order(name):
    truth = make(WORLDS[name](), 60, 5)  # making a world reads each event back with the product's codec
    times = truth.events[:, TS]
    assert len(times) > 500
    assert (np.diff(times) >= 0).all()
    assert times[0] >= START_MS
    assert times[-1] < START_MS + DAYS * DAY_MS
    assert truth.records[-1][0] == DAYS


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    one, same, other = (make(WORLDS["failure_driven"](), 40, seed).records for seed in (3, 3, 4))
    assert one == same
    assert one != other


def test_a_life_does_not_depend_on_who_else_there_is():
    few, _ = people(physics({}), 20, DAYS, HORIZON, 9)
    many, _ = people(physics({}), 50, DAYS, HORIZON, 9)
    assert (few == many[:20]).all()


def test_the_reference_world_has_the_leaving_that_was_fixed():
    lives, _ = people(physics({}), 12_000, DAYS, HORIZON, 99)
    here = (np.minimum(lives["left_day"], HORIZON) - lives["start"]).sum()
    assert 365 * (lives["left_day"] < STAYS).sum() / here == pytest.approx(0.17, abs=0.01)
    assert 1 - lives["base_sum"].sum() / lives["hazard_sum"].sum() == pytest.approx(0.74, abs=0.02)


def test_nothing_is_heard_of_who_left_but_what_was_on_its_way():
    truth = make(WORLDS["failure_driven"](), 400, 6)
    day = (truth.events[:, TS] - START_MS) // DAY_MS
    late = day - truth.left_day[truth.events[:, CUSTOMER]]
    assert late.max() <= 10  # a return, a part, an answer
    assert not np.isin(truth.events[late > 1, KIND], (Kind.PURCHASE, Kind.MAINTENANCE_FEE, Kind.CALL_CLOSED)).any()


def test_price_driven_has_no_failure_at_all():
    truth = make(WORLDS["price_driven"](), 300, 2)
    assert not np.isin(truth.events[:, KIND], FAILURES).any()
    assert not (truth.events[:, CAUSE] == COMPANY).any()
    assert truth.failure_share == pytest.approx(0)


def test_a_bad_release_hits_its_share_within_an_hour():
    truth = make(WORLDS["bad_release"](), 2_000, 2)
    hit = truth.events[truth.events[:, KIND] == Kind.FAULT_OPENED]
    here = (truth.lives["start"] <= 560) & (truth.left_day >= 560)
    assert np.ptp(hit[:, TS]) < 3_600_000
    assert len(hit) / here.sum() == pytest.approx(0.03, abs=0.012)


def test_sparse_tells_calls_with_their_length_and_purchases():
    truth = make(WORLDS["sparse"](), 60, 2)
    assert set(truth.events[:, KIND].tolist()) == {Kind.CALL_CLOSED, Kind.PURCHASE}
    for row in truth.events[:200].tolist():
        _, told = wire.fields(row, 1)
        common = {"kind", "ts_ms", "customer_id", "event_id"}
        assert set(told) - common == ({"amount_cents"} if told["kind"] == "purchase" else {"handle_ms"})


@pytest.mark.parametrize(("name", "wrong"), [("failure_driven", 0.0), ("miscoded", 0.10)])
def test_causes_are_written_down_with_the_errors_that_were_asked_for(name, wrong):
    events = make(WORLDS[name](), 600, 2).events
    said = events[events[:, SAID_CAUSE] != UNSAID]
    assert (said[:, SAID_CAUSE] != said[:, CAUSE]).mean() == pytest.approx(wrong, abs=0.02)


def test_true_costs_add_up_to_what_the_judge_booked():
    truth = make(WORLDS["failure_driven"](), 80, 3)
    last = judge(truth).looks[DAYS]
    beyond = last.rows["life_cost_cents"].sum(axis=1) - truth.costs()[last.who].sum(axis=1)
    # Of a return that comes while a wrong of ours is open, the judge takes the lost margin on the company too.
    back = truth.events[(truth.events[:, KIND] == Kind.RETURN) & (truth.events[:, CAUSE] != COMPANY)]
    for who, cents in zip(last.who, beyond, strict=True):
        assert cents in _sums(back[back[:, CUSTOMER] == who, MARGIN])
    assert (beyond == 0).mean() > 0.9
    dear = truth.events[truth.events[:, COST] != UNSAID]
    assert (dear[:, CAUSE] == COMPANY).all()


def _sums(cents):
    """What any of these may add up to, none of them too."""
    sums = {0}
    for one in cents:
        sums |= {one + other for other in sums}
    return sums


def test_victims_cost_the_company_its_own_money():
    truth = make(WORLDS["failure_driven"](), 1_500, 3)
    costs = truth.costs()
    share = costs[:, COMPANY] / np.maximum(1, costs.sum(axis=1))
    victim = truth.lives["type"] == VICTIM
    assert share[victim].mean() > 0.5
    assert share[~victim].mean() < 0.3


def test_a_world_may_only_change_what_there_is():
    with pytest.raises(AssertionError):
        physics({"hazzard": 1.0})
    assert all(set(make_world().changes) <= set(PARAMETERS) for make_world in WORLDS.values())
