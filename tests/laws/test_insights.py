"""Laws of what is said of all customers together: the oracle's, in any partitions, through any crash."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.digest import paired
from schemas.insights import BINS, CurvePart, Insight, InsightError, Problem, WinBack
from schemas.policy import parse
from streams.whale import Whale, of_insights
from tests.driver import DAY, HOUR, NOON, Driver, feed
from tests.oracle import problems as twin
from tests.oracle.judge import Oracle
from tests.oracle.problems import problems
from tests.oracle.rows import Rules
from tests.oracle.whale import bin_of, year_of
from tests.worlds import START_MS, world

SEEDS = st.integers(0, 10**9)
LAWS = settings(max_examples=6, deadline=None)
CALL = {"handle_ms": 600_000, "resolved": False}


def until_midnight(driver: Driver, days: int) -> int:
    """Let time pass until just behind a midnight, whose tick is then the last; that midnight's time."""
    midnight_ms = (driver.now_ms // DAY + days) * DAY
    driver.now_ms = midnight_ms + driver.grace_ms + 1_000
    driver.run()
    assert {pipeline.last_tick_ms for pipeline in driver.pipelines} == {midnight_ms}
    return midnight_ms


def lived(seed: int, days: int = 3, **how: int) -> Driver:
    driver = Driver(now_ms=START_MS, **how)
    feed(driver, world(seed, 120, customers=8, span_days=40, disorder_ms=2 * HOUR))
    until_midnight(driver, days)
    return driver


def whale_of(driver: Driver) -> Whale:
    found, _ = of_insights(driver.insights)
    assert found is not None
    return found


def part_of(driver: Driver) -> CurvePart:
    value = driver.insights[b"curve/0"]
    assert value is not None
    return CurvePart.read(value)


def sketch(amounts: list[int]) -> tuple[tuple[int, int, int], ...]:
    out = np.zeros((2, BINS), np.int64)
    for cents in amounts:
        out[:, bin_of(cents)] += (1, cents)
    return tuple((at, int(out[0, at]), int(out[1, at])) for at in range(BINS) if out[0, at])


@LAWS
@given(SEEDS, st.integers(1, 40))
def test_curve_and_problems_are_the_oracles(seed: int, days: int) -> None:
    """Every bin of both curves, every problem's money and customers, from the slow rows alone."""
    driver = lived(seed, days)
    oracle = Oracle("whaleline")
    for record in driver.ledger[0]:
        oracle.step(record.value, record.offset, record.append_ms)
    tick = driver.pipelines[0].last_tick_ms
    rows = list(oracle.settled(tick // DAY).values())
    years = [one for row in rows if (one := year_of(row, tick // DAY)) is not None]
    part = part_of(driver)
    assert part.as_of_ms == tick
    assert part.bins == sketch([net for net, _ in years])
    assert part.faultless_bins == sketch([faultless for _, faultless in years])
    _, found = of_insights(driver.insights)
    expected = problems(rows, Rules(parse("")), tick)
    assert {int(one.problem_id, 16) for one in found} == set(expected)
    for one in found:
        other = expected[int(one.problem_id, 16)]
        assert (one.customers, one.open_customers) == (other.customers, other.open_customers)
        assert (one.cost_cents, one.first_ms, one.last_ms) == (
            other.cost_cents,
            min(other.times),
            max(other.times),
        )
        assert one.failures == tuple(flag.name.lower() for flag in other.flags if flag.name)
        assert math.isclose(one.at_risk_cents, other.at_risk_cents, abs_tol=2 * max(1, other.open_customers))


@LAWS
@given(SEEDS)
def test_problems_add_up_to_what_the_company_caused(seed: int) -> None:
    """No cent of two periods' company cost is lost or told twice, whichever case it belonged to."""
    driver = lived(seed, 5)
    _, found = of_insights(driver.insights)
    period = driver.pipelines[0].last_tick_ms // DAY // 28
    rows = driver.pipelines[0].settled_rows().values()
    caused = sum(
        int(row["period_cost_cents"][0, at % 13, 0])
        for row in rows
        for at in (period - 1, period)
        if row["period_head"][0] - 13 < at <= row["period_head"][0]
    )
    assert sum(one.cost_cents for one in found) == caused


@LAWS
@given(SEEDS)
def test_partitions_added_up_say_what_one_partition_says(seed: int) -> None:
    one, many = lived(seed), lived(seed, partitions=4)
    (whale, problems_), (whales, problems_of_many) = of_insights(one.insights), of_insights(many.insights)
    assert whale is not None
    assert whales is not None
    assert (whales.partitions, whales.missing) == (4, 0)
    assert (whales.curve, whales.faultless) == (whale.curve, whale.faultless)
    assert problems_of_many == problems_


@LAWS
@given(SEEDS, st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_a_crash_takes_nothing_from_what_is_said(seed: int, crashes: list[int]) -> None:
    """Killed between any two records, then restored: the same curves, problems, names and tombstones."""
    steady, crashing = lived(seed), Driver(now_ms=START_MS)
    crashing.ledger = [list(steady.ledger[0])]
    for steps in crashes:
        crashing.judge(20 * steps)
        crashing.publish()
        crashing.judge(steps)
        ledger = list(crashing.ledger[0])
        crashing.crash()
        crashing.ledger = [ledger]
    crashing.judge()
    crashing.publish()
    assert crashing.insights == steady.insights
    assert [one.to_json() for one in crashing.alerts] == [one.to_json() for one in steady.alerts]


def test_a_partition_that_has_not_spoken_is_missing() -> None:
    driver = lived(1, partitions=2)
    driver.insights.pop(b"curve/1")
    assert whale_of(driver).missing == 1


def test_a_customer_whose_value_changes_sign_moves() -> None:
    """One day's costs put a customer below zero; a purchase brings them back above it."""
    driver = Driver()
    driver.support("call_closed", handle_ms=3_600_000)
    until_midnight(driver, 1)
    assert (whale_of(driver).curve.below_zero, whale_of(driver).curve.above_zero) == (1, 0)
    driver.buys("purchase", amount_cents=90_000, margin_cents=40_000)
    until_midnight(driver, 1)
    assert (whale_of(driver).curve.below_zero, whale_of(driver).curve.above_zero) == (0, 1)
    assert whale_of(driver).curve.net_cents == 40_000 - 350 - 200 - 75 * 60
    until_midnight(driver, 13 * 28)
    assert whale_of(driver).curve.customers == 0, "a year without money leaves the curve"


def test_the_prize_is_the_cost_that_we_caused() -> None:
    driver = Driver()
    driver.buys("purchase", amount_cents=10_000, margin_cents=3_000)
    driver.support("part_wrong", case_id="T", sku="lamp")
    driver.support("call_closed", case_id="T", **CALL)
    until_midnight(driver, 1)
    found = whale_of(driver)
    assert found.prize_cents == 200 + 75 * 10
    assert found.faultless.net_cents == 3_000 - 350
    assert found.without_destroyers_cents() == found.curve.net_cents


def test_a_problem_is_named_counted_and_taken_back_when_it_is_gone() -> None:
    """Three customers, one fault: one problem. Settled and forgotten, its key gets a tombstone, restart or not."""
    driver = Driver()
    for customer in ("C1", "C2", "C3"):
        driver.support("fault_opened", customer, fault_id="F-9", sku="router")
        driver.support("call_closed", customer, reason="link_down", **CALL)
    driver.support("call_closed", "C4", case_id="X", reason="how_to", **CALL)
    until_midnight(driver, 1)
    _, (fault,) = of_insights(driver.insights)
    assert (fault.fault_id, fault.sku, fault.reason, fault.failures) == ("F-9", "router", None, ("known_fault",))
    assert (fault.customers, fault.open_customers, fault.cost_cents) == (3, 3, 3 * (200 + 75 * 10))
    assert fault.first_ms == NOON
    for customer in ("C1", "C2", "C3"):
        driver.support("fault_closed", customer, fault_id="F-9")
    driver.crash()
    driver.run()
    until_midnight(driver, 20)
    _, (settled,) = of_insights(driver.insights)
    assert (settled.customers, settled.open_customers) == (3, 0)
    until_midnight(driver, 60)
    assert of_insights(driver.insights)[1] == []
    assert [key.split(b"/")[0] for key, value in driver.insights.items() if value is None] == [b"problem"]


def test_the_dearest_problem_comes_first() -> None:
    driver = Driver()
    for at, reason in enumerate(("slow", "slow", "loud")):
        driver.support("part_wrong", f"C{at}", case_id="T", sku="fan")
        driver.support("call_closed", f"C{at}", case_id="T", reason=reason, **CALL)
    until_midnight(driver, 1)
    _, found = of_insights(driver.insights)
    assert [(one.sku, one.reason, one.customers) for one in found] == [("fan", "slow", 2), ("fan", "loud", 1)]


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 0), (0, 1), (2**64 - 1, 12345), (12345, 2**64 - 1)])
def test_two_digests_make_one(first: int, second: int) -> None:
    assert int(paired(np.uint64(first), np.uint64(second))) == twin.paired(first, second)


@pytest.mark.parametrize("value", [b"\xc1", b"\x01", b"\x80", b"\x81\xa7version\x02", b"\x81\xa7version\x01"])
def test_a_record_of_another_version_is_refused_in_a_sentence(value: bytes) -> None:
    for shape in (CurvePart, Problem):
        with pytest.raises(InsightError, match="insights topic"):
            shape.read(value)


def test_what_was_written_is_read_back() -> None:
    driver = lived(2)
    for key, value in driver.insights.items():
        if value is not None:
            if key.startswith(b"problem/"):
                assert Problem.read(value).insight(0) == Insight(key, value)
            else:
                shape = CurvePart if key.startswith(b"curve/") else WinBack
                assert shape.read(value).insight() == Insight(key, value)
