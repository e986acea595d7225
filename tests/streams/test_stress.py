"""Made-up customers are well-formed and mostly ordinary; a stress says what is not as it must be."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from click.testing import CliRunner

from schemas.codec import Reject, decode, encode
from streams.cli import main
from streams.crowd import PREFIX, Crowd
from streams.stress import Measured, quantile

NOW_MS = 1_700_000_000_000
FINE = Measured(500.0, 499.0, 15_000, 300, 0, 0.03, 0.2, 0.4)


def test_every_event_of_the_crowd_is_accepted_and_the_same_for_the_same_seed() -> None:
    first, second = Crowd(200, "run"), Crowd(200, "run")
    kinds: Counter[str] = Counter()
    for _ in range(20_000):
        topic, fields = first.event(NOW_MS)
        assert second.event(NOW_MS) == (topic, fields)
        assert not isinstance(decode(encode(fields), purchases=topic == "purchases"), Reject), fields
        assert fields["customer_id"].startswith(PREFIX)
        kinds[fields["kind"]] += 1
    assert kinds["purchase"] > 7_000
    assert 0 < kinds["rude_call"] < 40


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (FINE, []),
        (replace(FINE, p99_s=2.5), ["p99 is 2.50 s, allowed are 1 s"]),
        (replace(FINE, lost=2), ["2 events were not answered within 30 s"]),
        (replace(FINE, sent_per_s=300.0), ["only 300 of 500 events a second could be sent"]),
        (
            replace(FINE, answers=0, p50_s=None, p95_s=None, p99_s=None),
            ["no event was answered: is a worker running with the same settings?"],
        ),
    ],
)
def test_a_breach_is_said_in_a_sentence(found: Measured, said: list[str]) -> None:
    assert found.breaches(p99_s=1.0) == said


def test_quantiles_are_of_the_sorted_times() -> None:
    times = [at / 100 for at in range(100)]
    assert (quantile(times, 0.5), quantile(times, 0.99), quantile(times, 1.0)) == (0.5, 0.99, 0.99)
    assert quantile([], 0.5) is None


@pytest.mark.parametrize("command", ["stress", "simulate"])
def test_made_up_customers_need_a_yes_or_topics_of_their_own(command: str) -> None:
    plain = CliRunner().invoke(main, [command], env={"WHALELINE_TOPICS_PREFIX": None})
    assert plain.exit_code == 2
    assert "--yes" in plain.output
    away = {"WHALELINE_BROKER": "127.0.0.1:1"}
    for agreed in ([command, "--yes"], [command]):
        environment = away if "--yes" in agreed else {**away, "WHALELINE_TOPICS_PREFIX": "trial-"}
        asked = CliRunner().invoke(main, agreed, env=environment)
        assert asked.exit_code == 2
        assert "no Kafka broker can be reached (127.0.0.1:1: " in asked.output
