"""A small world for a desk to show: the stories, forty more customers, a held wave, holds, a curve, problems."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from kernels.whale import bin_of
from schemas.alerts import Alert, Hold
from schemas.insights import CurvePart, Problem, Prospect, WinBack
from schemas.state import PERIODS, blank, pack
from streams.desk.rows import digest_of
from streams.stories import STORIES
from tests.desks import Stage, story_alerts
from tests.vectors import INCIDENT

WRONG = "story-wrong-part-twice"
RUDE = "story-thirty-seconds"
CASE = "wp-case-1"
AT_MS = 1_717_430_400_000
DAY_MS = 86_400_000
HELD = replace(INCIDENT, released_ms=None, released_by=None, released_because=None, partition=2, count=30)
PROBLEMS = (
    ("lamp-s", "defect", 9_412_00, 212, 31),
    ("blender-b", "wrong_part", 4_105_00, 88, 12),
    ("router-x", "no_login", 1_240_00, 41, 9),
    ("printer-p", "third_party_ink", 610_00, 17, 3),
)


def raised() -> list[Alert]:
    """Every alert of the stories that asks somebody to act."""
    return [one for key in STORIES for one in story_alerts(key) if not one.kind.endswith("cleared")]


def crowd(count: int, seed: int = 4) -> list[Alert]:
    """Alerts of made-up customers, each like one of the stories', on three floors."""
    dice, like = random.Random(seed), raised()
    return [
        replace(
            dice.choice(like), customer_id=f"c-{number:05d}", alert_id=f"{number:032x}",
            owner=dice.choice(("north", "south", "customer_support")), savable_cents=dice.randrange(1_000, 90_000),
        )
        for number in range(count)
    ]  # fmt: skip


def build(on: Stage, customers: int = 40) -> None:
    """Put the world on a broker."""
    on.stories()
    on.alerts(*crowd(customers))
    good = [one for one in raised() if one.kind.startswith("good_news")]
    base = (good or raised())[0]
    kinds = (
        "hidden_gem_entered",
        "referral_ready_entered",
        "vulnerable_best_customer_entered",
        "good_news_entered",
    )
    for number, kind in enumerate(kinds):
        on.alerts(replace(base, customer_id=f"g-{number}", kind=kind, moment=None, alert_id=f"f{number:031x}"))
    on.put("incidents", HELD.incident_id, HELD.to_msgpack(), 2)
    for number in range(HELD.count):
        held = replace(base, customer_id=f"h-{number:03d}", alert_id=f"e{number:031x}", held=True)
        on.put("alerts_held", held.customer_id, replace(held, incident_id=HELD.incident_id).to_msgpack(), 2)
    _holds(on)
    _insights(on)
    on.put("customers", "c" + WRONG, pack(_row(), 7))
    on.flush()


def _holds(on: Stage) -> None:
    for customer, reasons in ((WRONG, ("open_case", "failure")), (RUDE, ("service",))):
        hold = Hold(customer, True, AT_MS, reasons, ("marketing", "review_ask", "referral_ask"), 1)
        on.put("holds", customer, hold.to_msgpack())


def _insights(on: Stage) -> None:
    dice = random.Random(9)
    nets = [round(dice.lognormvariate(9.2, 1.1)) for _ in range(900)] + [
        -round(dice.lognormvariate(8.9, 1)) for _ in range(300)
    ]
    caused = [round(-net * 0.6) if net < 0 else round(dice.random() * 400) for net in nets]
    for partition in range(4):
        mine = range(partition, len(nets), 4)
        part = CurvePart(
            partition, 4, AT_MS, 1, _bins([nets[at] for at in mine]), _bins([nets[at] + caused[at] for at in mine])
        )
        on.put("insights", f"curve/{partition}", part.insight().value or b"", partition)
    for number, (sku, reason, cents, customers, still) in enumerate(PROBLEMS, 1):
        one = Problem(
            f"{number:016x}", None, sku, reason, ("defect",), customers, still, cents, 55, cents // 3,
            AT_MS - 40 * DAY_MS, AT_MS, AT_MS,
        )  # fmt: skip
        on.put("insights", f"problem/0/{one.problem_id}", one.insight(0).value or b"", 0)
    lost = (
        Prospect("c-00001", ("deal_lost",), None, 1_200_00),
        Prospect("c-00007", ("line_left", "buys_less"), "printers", 480_00),
    )
    on.put("insights", "win-back/0", WinBack(0, AT_MS, lost).insight().value or b"", 0)


def _bins(nets: list[int]) -> tuple[tuple[int, int, int], ...]:
    found: dict[int, tuple[int, int]] = {}
    for net in nets:
        at = int(bin_of(net))
        count, cents = found.get(at, (0, 0))
        found[at] = count + 1, cents + net
    return tuple((at, count, cents) for at, (count, cents) in sorted(found.items()))


def _row() -> np.ndarray:
    """The row of somebody with a case that waits, some months of books, and days of trouble."""
    row, day = blank(), AT_MS // DAY_MS
    row["day"], row["first_day"] = day, day - 230
    row["case_id"][0, 0] = digest_of(CASE)
    row["case_opened_ms"][0, 0], row["case_asked_ms"][0, 0] = AT_MS - 80 * DAY_MS, AT_MS - 31 * DAY_MS
    row["case_contacts"][0, 0] = 4
    row["last_event_ms"] = AT_MS
    row["hold_reasons"] = 5
    row["hold_violations"] = 3
    row["day_head"], row["period_head"] = day, day // 28
    for ago, contacts, failures, purchases in (
        (84, 0, 0, 1),
        (80, 1, 0, 0),
        (64, 1, 1, 0),
        (42, 2, 1, 0),
        (37, 1, 3, 0),
        (35, 3, 1, 0),
        (31, 1, 1, 0),
    ):
        at = (day - ago) % 90
        row["day_contacts"][0, at], row["day_failures"][0, at], row["day_purchases"][0, at] = (
            contacts,
            failures,
            purchases,
        )
    for back in range(8):
        at = (day // 28 - back) % PERIODS
        row["period_margin_cents"][0, at] = (0, 0, 2_700, 5_400, 2_700, 5_400, 2_700, 2_700)[back]
        row["period_cost_cents"][0, at] = (
            ((2_400, 0, 300, 0), (3_100, 0, 420, 100), (900, 0, 180, 0))[min(back, 2)]
            if back < 3
            else (0, 0, 150, 0)
        )
    row["reference_kind"][0, :3] = (13, 29, 31)
    row["reference_ms"][0, :3] = (AT_MS - 42 * DAY_MS, AT_MS - 37 * DAY_MS, AT_MS - 31 * DAY_MS)
    row["reference_digest"][0, :3] = (0xAB12CD34EF56AB12, 0x1234567890ABCDEF, 0xFEDCBA0987654321)
    return row
