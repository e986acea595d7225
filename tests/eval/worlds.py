"""The worlds: one function each, which says what the company is like and where it differs from the reference."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tests.eval.life import people
from tests.eval.notes import CAUSE, CUSTOMER, ONBOARDING, RELAY, STAYS, VICTIM, Notes
from tests.eval.physics import physics
from tests.eval.tariff import tariff
from tests.eval.wire import ledger

DAYS = 700
"""Days that are told to the judge: 25 periods of 28."""

TRAIN_FROM, TRAIN_UNTIL = 224, 392
"""Snapshots from which rivals may learn; their truth ends at day 482."""

TEST_FROM, TEST_UNTIL = 504, 700
"""The window that is measured: nothing in it, or of its truth, is ever learned from."""

AHEAD = 90
HORIZON = DAYS + AHEAD
"""Up to here the truth is known: 90 days beyond the last event told."""

DESTROYER_CENTS = -2_500.0
"""Who is truly a value-destroyer: an expected adjusted net of less than this a year, cents."""


@dataclass(frozen=True, slots=True)
class World:
    """A company: what it is like, where its physics differ, and how long its customers may be silent."""

    name: str
    doc: str
    changes: dict[str, float] = field(default_factory=dict)
    active_days: int = 180


@dataclass(slots=True)
class Truth:
    """One made-up history.

    lives    the customers (n,), of type ``LIFE``; events say their index
    events   (m, columns) in the order of time
    records  the same as ledger records, each with the day it completes (-1: none)
    """

    world: World
    seed: int
    lives: NDArray[np.void]
    events: Notes
    records: list[tuple[int, bytes]]

    @property
    def left_day(self) -> NDArray[np.int64]:
        """The day each customer left; ``STAYS`` for who did not before the horizon."""
        return np.asarray(self.lives["left_day"])

    @property
    def destroys(self) -> NDArray[np.bool_]:
        """Who truly destroys value: in expectation, with every cost of the company's own making left out."""
        return np.asarray(self.lives["adjusted_year_cents"] < DESTROYER_CENTS)

    @property
    def victims(self) -> NDArray[np.bool_]:
        """Who costs much without being at fault: victims of failures, relay callers, those being set up."""
        innocent = np.isin(self.lives["type"], (VICTIM, RELAY, ONBOARDING))
        return np.asarray(innocent & ~self.destroys)

    def costs(self) -> NDArray[np.int64]:
        """True cost of each customer by who caused it, cents (n, 4): nobody, company, customer, neutral."""
        out = np.zeros((len(self.lives), 4), np.int64)
        np.add.at(out, (self.events[:, CUSTOMER], self.events[:, CAUSE]), tariff(self.events))
        return out

    @property
    def hazard_per_year(self) -> float:
        """Leavers a year among those who are there."""
        left = self.left_day
        here = np.minimum(left, HORIZON) - self.lives["start"]
        return float(365 * (left < STAYS).sum() / max(1, here.sum()))

    @property
    def failure_share(self) -> float:
        """Share of all hazard lived through that frustration added."""
        total = float(self.lives["hazard_sum"].sum())
        return 1 - float(self.lives["base_sum"].sum()) / total if total else 0.0


def failure_driven() -> World:
    """Give the reference world: what the company does wrong drives most leaving."""
    return World(
        "failure_driven", "about 17 % leave a year, 74 % of that hazard comes from the company's failures"
    )


def price_driven() -> World:
    """Give a company without any failure, whose three price rises and whose rivals drive customers away."""
    return World(
        "price_driven",
        "no failure at all: three price rises and rivals' offers press, customers buy less, then leave",
        {
            **dict.fromkeys(("defect_chance", "rude_chance", "victim_share", "abuser_share", "gamer_share"), 0.0),
            "price_rise": 0.9,
            "price_hazard_per_year": 0.40,
            "rival_offer_per_day": 0.0012,
            "cancel_request_share": 0.4,
        },
    )


def seasonal() -> World:
    """Give a company most of whose customers buy once a year, in a season of their own."""
    return World(
        "seasonal",
        "65 % buy only within three weeks of one day of the year; a year of silence is their habit",
        {"yearly_share": 0.65, "contract_share": 0.15, "join_until_day": 360.0, "base_hazard_per_year": 0.10},
        active_days=400,
    )


ONBOARDING_CHANGES = {"onboarding_share": 0.55, "defect_chance": 0.05, "old_share": 0.25, "join_until_day": 640.0}


def onboarding() -> World:
    """Give a company that sets its contract customers up for three months before their fees begin."""
    return World(
        "onboarding",
        "55 % are contract customers with some 22 long contacts in their first 90 days; the fees pay for it later",
        {**ONBOARDING_CHANGES, "contracts_told": 1.0},
    )


def onboarding_untold() -> World:
    """Give the same company with a feed that tells of no contract: only paid fees are seen."""
    return World(
        "onboarding_untold",
        "as onboarding, but nobody tells of the contracts: only paid fees are seen",
        ONBOARDING_CHANGES,
    )


def bad_release() -> World:
    """Give the reference world with one bad hour, in which a release hits 3 % of the customers."""
    return World(
        "bad_release",
        "as failure_driven; on day 560 one release hits 3 % of the customers within an hour, for three days",
        {"release_day": 560.0, "release_share": 0.03},
    )


def heavy_callers() -> World:
    """Give a company with gamers, and beside them honest customers who call as often or more."""
    return World(
        "heavy_callers",
        "as failure_driven, with 3 % gamers who speed-dial and 4 % relay callers, 5 % victims who call for help",
        {"gamer_share": 0.03, "relay_share": 0.04, "victim_share": 0.05},
    )


def miscoded() -> World:
    """Give the reference world, written down with 10 % errors."""
    return World(
        "miscoded",
        "as failure_driven; 10 % of causes, of resolutions and of return reasons are written down wrongly",
        {"miscoded_share": 0.10},
    )


def sparse() -> World:
    """Give the reference world, of which the feed tells hardly anything."""
    return World(
        "sparse",
        "as failure_driven without contracts; the feed has only call_closed with handle_ms, and purchases",
        {"sparse": 1.0, "contract_share": 0.0, "gamer_share": 0.0},
    )


WORLDS: dict[str, Callable[[], World]] = {
    one.__name__: one
    for one in (
        *(failure_driven, price_driven, seasonal, onboarding, onboarding_untold),
        *(bad_release, heavy_callers, miscoded, sparse),
    )
}


def make(world: World, customers: int, seed: int) -> Truth:
    """Let a world happen; the same arguments give the same history."""
    lives, events = people(physics(world.changes), customers, DAYS, HORIZON, seed)
    return Truth(world, seed, lives, events, list(ledger(events, DAYS)))
