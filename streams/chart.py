"""The whale curve and the glaring problems as plain text, for a terminal of any kind."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from schemas.insights import Problem
from streams.survey import problem_in_words
from streams.whale import BOTTOM, STEPS, Curve, Whale, WhatIf
from streams.words import money

WIDTH = 50


def share(ppm: int | None) -> str:
    """A share in whole and tenth per cent, as it is read: ``220.4 %``."""
    return "–" if ppm is None else f"{ppm / 10_000:.1f} %"


def when(ms: int) -> str:
    """A day and a time in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def curve_lines(whale: Whale, currency: str, without_destroyers: bool) -> Iterator[str]:
    """The curve beside itself without our own faults, its picture, and the prize."""
    yield f"Profit of the year by customer, as of {when(whale.as_of_ms)} UTC, {whale.curve.customers:,} customers"
    if whale.oldest_ms < whale.as_of_ms:
        yield f"(the oldest of {whale.partitions} partitions is of {when(whale.oldest_ms)})"
    if whale.missing:
        yield f"({whale.missing} of {whale.partitions} partitions have not spoken yet)"
    yield ""
    yield f"{'':24} {'as it is':>20} {'without our faults':>20}"
    yield from _table(whale, currency)
    if whale.curve.points_ppm is not None:
        yield ""
        yield from _picture(whale.curve.points_ppm)
    elif whale.curve.undefined:
        yield ""
        yield f"No shares: {whale.curve.undefined}."
    yield ""
    yield f"The prize for fixing what we cause ourselves: {money(whale.prize_cents, currency)} a year."
    if without_destroyers:
        curve = whale.curve
        yield (
            f"Without the {curve.below_zero:,} customers below zero the profit would have been "
            f"{money(whale.without_destroyers_cents(), currency)}, {money(curve.loss_cents, currency)} more."
        )
        yield "A what-if, not a forecast: shared cost would stay, and some of that loss is our own doing."


def _table(whale: Whale, currency: str) -> Iterator[str]:
    both: tuple[Curve, Curve] = (whale.curve, whale.faultless)
    rows = [("profit", [money(one.net_cents, currency) for one in both])]
    for name in whale.curve.top_ppm or ():
        percent = name.removeprefix("top_")
        tops = [share(one.top_ppm[name] if one.top_ppm is not None else None) for one in both]
        rows.append((f"best {percent} % bring", tops))
    rows += [
        (f"last {BOTTOM} % bring", [share(one.bottom_ppm) for one in both]),
        ("peak, of the profit", [share(one.peak_ppm) for one in both]),
        ("peak, at customers", [share(one.peak_customers_ppm) for one in both]),
        ("customers below zero", [share(one.below_zero_ppm) for one in both]),
    ]
    for name, (real, faultless) in rows:
        yield f"{name:24} {real:>20} {faultless:>20}"


def _picture(points_ppm: Sequence[int]) -> Iterator[str]:
    """One bar for each twentieth of the customers: what the best so many bring together."""
    most = max(*points_ppm, 1_000_000)
    yield "what the best so many customers bring together, of the whole profit"
    for at, ppm in enumerate(points_ppm):
        bar = "#" * max(0, round(ppm / most * WIDTH))
        yield f"{100 * at // STEPS:4d} % |{bar} {share(ppm)}"


def what_if_lines(found: WhatIf, currency: str) -> Iterator[str]:
    """Where one customer stands, and the profit without them."""
    net = money(found.net_cents, currency)
    yield f"This customer brought {net} in the year, more than {share(found.below_ppm)} of all did."
    if found.company_cents:
        yield f"Cost that we caused ourselves is in it: {money(found.company_cents, currency)}."
    yield f"Without them the profit would have been {money(found.profit_without_cents, currency)}."
    yield "A what-if, not a forecast: shared cost would stay, and what we caused is not theirs."


def problem_lines(problems: Sequence[Problem], currency: str) -> Iterator[str]:
    """The problems, most money first: what each is, what it cost, who may leave over it, since when."""
    if not problems:
        yield "No problem of our own making is open, or was heard of in 28 days."
        return
    yield f"{len(problems)} problems as of {when(max(one.as_of_ms for one in problems))} UTC, most money first"
    for at, one in enumerate(problems, 1):
        week = one.cost_cents * 7 // one.window_days
        yield ""
        yield f"{at:3}. {problem_in_words(one.fault_id, one.sku, one.reason)}  [{one.problem_id}]"
        yield f"     {', '.join(one.failures).replace('_', ' ') or 'repeated contacts'}"
        yield (
            f"     {one.customers:,} customers in 28 days, {one.open_customers:,} with an open case; "
            f"first {when(one.first_ms)}, last {when(one.last_ms)}"
        )
        yield (
            f"     cost {money(one.cost_cents, currency)} in {one.window_days} days "
            f"({money(week, currency)} a week), at risk {money(one.at_risk_cents, currency)}"
        )
