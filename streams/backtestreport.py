"""The report of a backtest as one HTML file: sentences first, then pictures, then figures. Nothing is loaded."""

from collections.abc import Iterator
from html import escape

from schemas.events import DAY_MS
from streams.compared import FIGURES, Comparison, Side, day_text
from streams.comparedwords import percent, summary, title
from streams.desk.labels import interval
from streams.picture import STYLE, Line, Split, calibration, lines, splits
from streams.vouched import FIGURES as BY_LABEL
from streams.vouched import WITHIN_MS, Vouched
from streams.words import money

MOST_NAMED = 20
WEEK = 7
PAGE = """
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto;
  padding: 1.5rem; max-width: 60rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
.soft { color: var(--soft); }
.said { background: var(--card); border-left: 4px solid var(--a); padding: .6rem 1.2rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; } th, td { padding: .25rem .8rem .25rem 0;
  text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; } td.n, th.n { text-align: right;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
.key-a { color: var(--a); } .key-b { color: var(--b); }
ul { padding-left: 1.2rem; }
code { overflow-wrap: anywhere; }
"""

NAMES = {
    "alerts": "alerts that ask for something",
    "alerts_per_day": "of them a day",
    "most_alerts_a_day": "most of them on a day",
    "days_over_capacity": "days with more than the floor can act on",
    "unheard": "alerts for which nobody had time",
    "held": "alerts held back as a wave",
    "incidents": "waves",
    "holds": "holds placed (marketing must wait)",
    "at_risk_cents": "at risk, of customers told to be at risk",
    "savable_cents": "of it still to be saved",
    "gesture_cents": "cost of the gestures advised",
    "gesture_saves_cents": "what these are expected to save",
    "destroyer_year_cents": "expected year of those who cost more than they bring",
    "company_share": "our own share of their cost, in the mean",
    "most_company_share": "the most of it",
    "company_majority": "customers of them of whose cost we caused half or more",
    "company_cost_share": "our share of the year's cost of those in that state at the end",
    "told_of": "alerts of leaving whose outcome is known",
    "precision": "alerts of leaving that came true within 90 days",
    "in_time": "and came no later than 30 days after",
    "recall": "leavers of whom an alert had told",
    "lead_days": "days between alert and leaving",
    "lost_cents": "worth that left within 90 days of an alert",
    "auc": "chance that a leaver's risk is above a stayer's (AUC)",
    "calibration_error": "mean distance of risk and outcome",
    "log_loss": "log loss of the risks",
    "labelled": "alerts on which people gave their word",
    "label_coverage": "of all alerts",
    "label_precision": "alerts that people called right, of those they labelled",
    "label_precision_low": "with 95 % confidence at least",
    "label_precision_high": "and at most",
    "label_kept": "of what people called right, raised under this policy",
    "label_dropped": "of what people called not right, not raised",
}
SHARES = {"company_share", "most_company_share", "company_cost_share", "precision", "in_time", "recall"}
SHARES |= {"calibration_error", *BY_LABEL} - {"labelled"}
SHOWN = ("churn_risk", "value_destroyer", "service_failure")


def html(found: Comparison, events: str) -> str:
    """The report; ``events`` is what the input is called."""
    return "\n".join(_page(found, events)) + "\n"


def _page(found: Comparison, events: str) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>Backtest of two policies</title><style>{STYLE}{PAGE}</style></head><body>"
    yield "<h1>Two policies, the same events</h1>"
    yield (
        f'<p class="soft">{escape(events)}: {found.events:,} events of {found.customers:,} customers, '
        f"{day_text(found.first_day)} to {day_text(found.last_day)}.<br>"
        f'<span class="key-a">A</span>: {_named(found.a)}<br><span class="key-b">B</span>: {_named(found.b)}</p>'
    )
    yield '<div class="said"><ul>'
    yield from (f"<li>{escape(line)}</li>" for line in summary(found))
    yield "</ul></div>"
    yield from _moves(found)
    yield from _pictures(found)
    yield from _labels(found)
    yield from _figures(found)
    yield from _segments(found)
    yield from _method(found)
    yield "</body></html>"


def _named(side: Side) -> str:
    return f"{escape(side.name)}, version {side.version}, <code>{side.digest}</code>"


def _moves(found: Comparison) -> Iterator[str]:
    yield "<h2>Who enters</h2>"
    bars = [
        Split(title(name), len(one.only_a), one.both, len(one.only_b))
        for name, one in found.moved.items()
        if one.only_a or one.only_b or one.both
    ]
    if not bars:
        yield "<p>Nobody enters anything, under either policy.</p>"
        return
    yield '<p class="soft">Customers who enter only under A | under both | only under B.</p>'
    yield splits("Customers who enter only under A, under both, and only under B", bars)
    rows = [(name, side, who) for name, one in found.moved.items() for side, who in
            (("A", one.only_a), ("B", one.only_b)) if who]  # fmt: skip
    if not rows:
        return
    yield '<div class="scroll"><table><tr><th>what</th><th>only under</th><th class="n">customers</th>'
    yield "<th>who</th></tr>"
    for name, side, who in rows:
        more = f" and {len(who) - MOST_NAMED:,} more" if len(who) > MOST_NAMED else ""
        some = escape(", ".join(who[:MOST_NAMED])) + more
        yield f'<tr><td>{escape(title(name))}</td><td>{side}</td><td class="n">{len(who):,}</td>'
        yield f"<td>{some}</td></tr>"
    yield "</table></div>"


def _pictures(found: Comparison) -> Iterator[str]:
    yield "<h2>Alerts a day</h2>"
    drawn = [Line("A", "a", _weekly(found, found.a)), Line("B", "b", _weekly(found, found.b))]
    most = max((y for one in drawn for _, y in one.points), default=0.0)
    limit = (f"the floor: {found.capacity:,}", float(found.capacity)) if found.capacity <= 3 * most else None
    yield (
        '<p class="soft">The mean of each week.'
        + ("" if limit else f" The floor can act on {found.capacity:,} a day, far above this picture.")
        + "</p>"
    )
    yield lines("Alerts a day by week under A and B", drawn, _day, lambda y: f"{y:g}", limit)
    for name in SHOWN:
        counts = [(one, side.in_state[name]) for one, side in (("A", found.a), ("B", found.b))]
        if not any(map(any, (values for _, values in counts))):
            continue
        yield f"<h2>Customers: “{escape(title(name))}”</h2>"
        series = [
            Line(one, one.lower(), list(zip(map(float, found.look_days), map(float, values), strict=False)))
            for one, values in counts
        ]
        yield lines(f"Customers in the state {title(name)}, under A and B", series, _day, lambda y: f"{y:g}")
    if found.a.tenths or found.b.tenths:
        yield "<h2>Risk told, and who left</h2>"
        yield '<p class="soft">Each mark is a tenth of the customers; on the line a risk was right.</p>'
        points = [
            Line(
                name,
                name.lower(),
                [(one.expected / one.customers, one.left / one.customers) for one in side.tenths],
            )
            for name, side in (("A", found.a), ("B", found.b))
        ]
        yield calibration(
            "Risk told (across) against the share that left (up)", points, lambda x: f"{100 * x:g} %"
        )


def _day(value: float) -> str:
    return day_text(round(value))


def _weekly(found: Comparison, side: Side) -> list[tuple[float, float]]:
    points = []
    for first in range(found.first_day, found.last_day + 1, WEEK):
        days = range(first, min(first + WEEK, found.last_day + 1))
        points.append((float(first), sum(side.by_day.get(day, 0) for day in days) / len(days)))
    return points


def shown(name: str, value: float | None, currency: str) -> str:
    """A figure as it is read."""
    if value is None:
        return "–"
    if name.endswith("_cents"):
        return money(round(value), currency)
    if name in SHARES:
        return percent(value)
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3f}"


def _labels(found: Comparison) -> Iterator[str]:
    """How right people called each kind of alert, under either policy."""
    if not found.labels:
        return
    yield "<h2>What people said of the alerts</h2>"
    yield (
        '<p class="soft">Called right, of the alerts that have a label, with a 95 % interval. A label speaks of '
        f"an alert of the same kind about the same customer within {WITHIN_MS // DAY_MS} days. Of the others "
        "nobody knows; they may be unlike these.</p>"
    )
    yield '<div class="scroll"><table><tr><th>alert</th><th class="n key-a">A</th><th class="n key-b">B</th></tr>'
    for subject, moment in sorted({*found.a.said, *found.b.said}, key=lambda one: (one[0], one[1] or "")):
        told = title(subject) if moment is None else f"{title(subject)}, {moment.replace('_', ' ')}"
        cells = "".join(
            f'<td class="n">{_called(side.said.get((subject, moment)))}</td>' for side in (found.a, found.b)
        )
        yield f"<tr><td>{escape(told)}</td>{cells}</tr>"
    yield "</table></div>"


def _called(one: Vouched | None) -> str:
    if one is None:
        return "not raised"
    if not one.labelled:
        return f"no label on {one.alerts:,}"
    low, high = interval(one.right, one.labelled)
    return (
        f"{percent(one.right / one.labelled)} of {one.labelled:,} ({percent(low)} to {percent(high)}); "
        f"{one.alerts:,} alerts"
    )


def _figures(found: Comparison) -> Iterator[str]:
    yield "<h2>All figures</h2>"
    yield (
        '<div class="scroll"><table><tr><th>what</th><th class="n key-a">A</th><th class="n key-b">B</th>'
        "<th>name in <code>--fail-if</code></th></tr>"
    )
    for name in FIGURES:
        told = NAMES.get(name) or f"“{title(name.removesuffix('_entered'))}”, entered"
        values = (shown(name, side.figures[name], found.currency) for side in (found.a, found.b))
        cells = "".join(f'<td class="n">{escape(one)}</td>' for one in values)
        yield f"<tr><td>{escape(told)}</td>{cells}<td><code>{name}</code></td></tr>"
    yield "</table></div>"


def _segments(found: Comparison) -> Iterator[str]:
    if not found.segments:
        return
    names = [name for name in found.moved if any(any(one.entered[name]) for one in found.segments)]
    yield "<h2>By segment</h2>"
    yield '<p class="soft">Customers who enter, of a thousand of the segment: A | B.</p>'
    heads = "".join(f'<th class="n">{escape(title(name))}</th>' for name in names)
    yield f'<div class="scroll"><table><tr><th>segment</th><th class="n">customers</th>{heads}</tr>'
    for one in found.segments:
        rates = (
            " | ".join(f"{1000 * count / max(1, one.customers):.0f}" for count in one.entered[name])
            for name in names
        )
        cells = "".join(f'<td class="n">{rate}</td>' for rate in rates)
        yield f'<tr><td>{escape(one.name)}</td><td class="n">{one.customers:,}</td>{cells}</tr>'
    yield "</table></div>"


def _method(found: Comparison) -> Iterator[str]:
    yield "<h2>How to read this</h2><ul>"
    yield (
        "<li>Both policies judged the same events with the pipeline that judges live. What people would have "
        "done about the alerts is not in the events: a backtest says who would have been told of, not who would "
        "have stayed.</li>"
    )
    yield (
        f"<li>The floor is taken to act on {found.capacity:,} alerts a day, those first that can save most; "
        "precision, recall and money count only these.</li>"
    )
    yield (
        "<li>Nobody says when they leave. Who left is hindsight: the chance, given all that came after, in the "
        "mean of both policies. Alerts near the end are left out of precision and recall, because too little came "
        "after.</li>"
    )
    yield "</ul>"
