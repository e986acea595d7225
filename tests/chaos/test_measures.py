"""What is measured of moves, overload and soak: each finds what is planted, and nothing where nothing is."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from schemas.block import Source, Sourced, encode_events
from schemas.codec import decode, encode
from schemas.events import Event
from streams.config import Config
from streams.pipeline import Pipeline, Record
from tests.chaos import moves, overload, soak
from tests.chaos.crew import Crew, Worker
from tests.chaos.failpoints import TELL, ready
from tests.chaos.launcher import listen
from tests.chaos.memory import Samples, long_lives
from tests.chaos.moves import Move, is_quick
from tests.chaos.pauses import Pause, longest_s, pauses, quantile
from tests.chaos.verdict import COUNTED, Sent, compared, disordered, expected
from tests.driver import SUPPORT, Driver, feed, source_id
from tests.worlds import START_MS, world

STEADY_MS = 100
CONFIG = Config(ledger_partitions=1)


def steady(holes: dict[int, int]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """A record with events every 100 ms, published 50 ms later but for ``holes``: at which, how long."""
    published, late_ms = [], 0
    for at in range(1_000):
        late_ms = max(0, late_ms - STEADY_MS) if at not in holes else holes[at]
        published.append((at * STEADY_MS + 50 + late_ms, at + 1))
    return published, [(at, at * STEADY_MS) for at in range(1_000)]


def test_a_partition_that_judges_steadily_has_short_pauses() -> None:
    assert max(one.seconds for one in pauses(*steady({}))) == 0.05


def test_a_hole_is_found_where_it_is_and_as_long_as_it_is() -> None:
    found = pauses(*steady({300: 7_000}))
    assert max(found, key=lambda one: one.seconds) == Pause(30_000, 37_050)
    assert longest_s([found], 30_000, 38_000) == 7.05
    assert longest_s([found], 0, 30_000) == 0.05


@pytest.mark.parametrize(
    ("published", "arrived", "wanted"),
    [
        ([(1_000, 1), (9_000, 2)], [(0, 900), (1, 8_900)], [Pause(900, 1_000), Pause(8_900, 9_000)]),
        ([(1_000, 1), (3_000, 1), (9_000, 2)], [(0, 900), (1, 1_500)], [Pause(900, 1_000), Pause(1_500, 9_000)]),
        ([(1_000, 1), (5_000, 2), (9_000, 3)], [(0, 900), (2, 1_100)], [Pause(900, 1_000), Pause(1_100, 9_000)]),
        ([(1_000, 1), (5_000, 2)], [(0, 900), (1, 3_000), (2, 2_000)], [Pause(900, 1_000), Pause(2_000, 5_000)]),
    ],
    ids=[
        "nothing waits",
        "a repeated position ends none",
        "nor one without events",
        "an older event stands behind",
    ],
)
def test_a_pause_lasts_while_an_event_waits_and_none_is_judged(
    published: list[tuple[int, int]], arrived: list[tuple[int, int]], wanted: list[Pause]
) -> None:
    assert pauses(published, arrived) == wanted


def test_a_quantile_is_the_least_value_that_enough_do_not_exceed() -> None:
    values = [float(one) for one in range(20, 0, -1)]
    assert [quantile(values, share) for share in (0.5, 0.95, 1.0)] == [10, 19, 20]
    assert quantile([], 0.5) == 0.0


def test_moves_with_long_pauses_are_found() -> None:
    """One long pause in forty is borne, three are not; a worker that came late is told of too."""
    done = [Move(at * 2_000, at * 2_000 + 500, 2 + at % 2, at % 2 == 0) for at in range(40)]
    borne, not_borne = steady({100: 7_000}), steady({100: 7_000, 300: 7_000, 500: 7_000})
    assert is_quick(moves.told(done, 80_000, [pauses(*borne)]))
    told = moves.told(done, 80_000, [pauses(*steady({})), pauses(*not_borne)])
    assert not is_quick(told)
    assert (told["pause_most_s"], told["pause_p50_s"], told["ups"], told["move_p50_s"]) == (7.05, 0.05, 20, 0.5)


def lived(leak_mb_per_min: float, seed: int) -> Samples:
    """Half an hour of a worker: it warms up, jitters, and for some minutes holds what another gave up."""
    rng, out = random.Random(seed), []
    for at_s in range(0, 1_800, 2):
        warm, extra = 40.0 * min(1.0, at_s / 200), 15.0 if 900 < at_s < 1_200 else 0.0
        out.append((float(at_s), 200 + warm + extra + rng.gauss(0, 3) + leak_mb_per_min * at_s / 60))
    return out


@pytest.mark.parametrize("seed", range(3))
def test_a_leak_is_found_and_a_warm_up_is_none(seed: int) -> None:
    (steady_life,) = long_lives([lived(0.0, seed), lived(0.0, seed)[:300]], 300, 600)
    assert not steady_life.grows
    assert abs(steady_life.slope_mb_per_h) < 10
    (leaking,) = long_lives([lived(1.0, seed)], 300, 600)
    assert leaking.grows
    assert leaking.slope_mb_per_h == pytest.approx(60, abs=10)


STOOD = {"times": 2.0, "lag_grew": 1_000, "rss_ratio": 1.1, "lag": 0, "disordered": 0}
STEADY = {"lives": [[20.0, 300, 0.1]], "grow": 0, "lag": 0}


@pytest.mark.parametrize(
    "fault", [{}, {"times": 1.5}, {"lag_grew": 0}, {"rss_ratio": 1.31}, {"lag": 1}, {"disordered": 1}], ids=str
)
def test_an_overload_that_was_none_or_was_not_borne_is_found(fault: dict[str, Any]) -> None:
    assert overload.stood(STOOD | fault) is not bool(fault)


@pytest.mark.parametrize("fault", [{}, {"lives": []}, {"grow": 1}, {"lag": 3}], ids=str)
def test_a_soak_in_which_something_grows_or_is_left_is_found(fault: dict[str, Any]) -> None:
    assert soak.is_steady(STEADY | fault) is not bool(fault)


def test_a_soak_has_a_fault_each_minute_of_every_kind() -> None:
    acts = soak.plan(30, 1).acts(random.Random(1))
    assert len(acts) == 30
    assert {kind for kind, _, _ in acts} == {"kill", "place", "zombie", "broker", "move", "nap"}
    assert all(len(soak.plan(minutes, 1).acts(random.Random(1))) == minutes for minutes in range(1, 30))


def test_the_eldest_is_spared(tmp_path: Path) -> None:
    deployment: Any = SimpleNamespace(environment={"WHALELINE_SESSION_TIMEOUT_S": "6"})
    crew = Crew(deployment, tmp_path, random.Random(1), spares=True)
    process: Any = None
    crew._workers = [Worker(process, float(at)) for at in range(3)]
    assert {one.begun for _ in range(50) if (one := crew.pick()) is not None} == {1.0, 2.0}


def test_a_worker_that_ends_is_not_asked_what_it_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not while Python ends, when the signal would kill, nor a later one of its process id too early."""
    at_exit: list[tuple[Any, ...]] = []
    monkeypatch.setattr("atexit.register", lambda *what: at_exit.append(what))
    had = signal.getsignal(TELL)
    try:
        listen(tmp_path)
        assert ready(tmp_path, os.getpid()).exists()
        for call, *with_these in at_exit:
            call(*with_these)
        assert signal.getsignal(TELL) is signal.SIG_IGN
    finally:
        signal.signal(TELL, had)
    deployment: Any = SimpleNamespace(environment={"WHALELINE_SESSION_TIMEOUT_S": "6"})
    crew, process = Crew(deployment, tmp_path, random.Random(1)), SimpleNamespace(pid=os.getpid(), poll=lambda: 70)
    crew._workers = [Worker(process, 0.0)]  # type: ignore[arg-type]
    crew.tend()
    assert not ready(tmp_path, os.getpid()).exists()


def test_events_out_of_their_sources_order_are_found() -> None:
    events = [decode(encode(fields), purchases=None) for _, fields in world(1, 6)]
    source, other = (Source(source_id(SUPPORT), at) for at in range(2))
    told = [Sourced(source, at, one) for at, one in enumerate(events) if isinstance(one, Event)]

    def log(*blocks: list[Sourced]) -> list[Record]:
        return [Record(at, None, encode_events(block)) for at, block in enumerate(blocks)]

    assert len(told) == 6
    assert disordered([log(told[:3], told[3:])]) == 0
    assert disordered([log(told[3:], [told[0]._replace(source=other)])]) == 0
    assert disordered([log(told[3:], told[:3])]) == 3


@pytest.fixture(scope="module")
def judged() -> tuple[Sent, Pipeline, list[Record]]:
    """A ledger that was judged as it should be: what was sent, the state, and the ledger."""
    events, driver = world(3, 80, customers=3, span_days=8), Driver(now_ms=START_MS)
    feed(driver, events)
    driver.wait(days=1)
    counts = Counter((one["customer_id"], COUNTED[one["kind"]]) for _, one in events if one["kind"] in COUNTED)
    state = Pipeline(driver.app_id)
    places = expected(CONFIG, 0, driver.ledger[0], driver.pipelines[0].last_tick_ms, slowly=False).places
    for record in driver.ledger[0]:
        state.step(record)
    return Sent(places, counts), state, driver.ledger[0]


@pytest.mark.parametrize("slowly", [True, False], ids=["with the oracle", "with an undisturbed judge alone"])
def test_what_is_planted_in_the_topics_is_found(judged: tuple[Sent, Pipeline, list[Record]], slowly: bool) -> None:
    """An alert gone, told twice, or that nobody knows; a row that is another one; an event that never came in."""
    there, state, ledger = judged
    due = expected(CONFIG, 0, ledger, state.last_tick_ms, slowly)
    out, (name, *_) = Counter(due.alerts), due.bytes
    assert len(out) > 5
    assert compared(there, [state], [due], out, []).clean
    gone = Counter(due.alerts[1:])
    assert compared(there, [state], [due], gone, []).alerts_missing == 1
    assert compared(there, [state], [due], out + Counter(due.alerts[:1]), []).doubled == 1
    assert compared(there, [state], [due], out + Counter(["a stranger"]), []).alerts_phantom == 1
    another = due._replace(bytes={**due.bytes, name: b"another"})
    assert compared(there, [state], [another], out, []).rows_wrong == 1
    more = Sent(there.places | {("another", 0, 0)}, there.counts)
    assert compared(more, [state], [due], out, []).lost == 1
    assert compared(there, [state], [due], out, [b"a receipt"]).rows_wrong == 1
