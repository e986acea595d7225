"""One customer's history as a picture: risk, money, what happened, when they were left in peace, what was told."""

from collections.abc import Callable, Sequence
from html import escape

from schemas.codes import FIRST_PURCHASE_KIND, Kind
from streams.accounts import when
from streams.picture import BOTTOM, LEFT, RIGHT, WIDTH, Plane, axes, svg
from streams.witness import Account
from streams.words import TITLES

PANEL, GAP, HEAD = 150, 26, 30
ROW = 20
MOST_TOLD = 14
CLOSE = 40.0
"""Transitions nearer to each other than so many pixels share a label."""

CONTACTS = frozenset(
    {"call_opened", "call_closed", "chat", "email", "self_service", "ticket_opened", "ticket_reply"}
)
LANES = ("bought", "contacts", "all else", "holds")


def timeline(account: Account, currency: str) -> str:
    """The picture, as an SVG file that stands alone."""
    times = [one.ts_ms for one in account.days] + [one.fields["ts_ms"] for one in account.events]
    first, last = float(min(times)), float(max(*times, account.as_of_ms))
    top = HEAD + PANEL + GAP
    risk = [(float(one.ts_ms), one.risk_ppm / 1e4) for one in account.days]
    year = [(float(one.ts_ms), one.year_cents / 100) for one in account.days]
    money = [y for _, y in year] + [0.0]
    spread = (max(money) - min(money)) * 0.08 or 1.0
    above = Plane((first, 0.0), (last, max(10.0, *(y * 1.1 for _, y in risk))), HEAD, HEAD + PANEL + BOTTOM)
    below = Plane((first, min(money) - spread), (last, max(money) + spread), top, top + PANEL + BOTTOM)
    inside = _title(account)
    inside += _panel(above, risk, "a", "risk of losing them within 90 days", lambda y: f"{y:g} %")
    inside += _panel(below, year, "b", f"expected year, {currency}", lambda y: f"{y:,.0f}")
    foot = top + PANEL + 14
    inside += _lanes(account, below, foot)
    foot += ROW * len(LANES)
    steps = [first + (last - first) * share for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    for at, step in enumerate(steps):
        anchor = ("start", "middle", "middle", "middle", "end")[at]
        inside += f'<text x="{below.x(step)}" y="{foot + 14}" text-anchor="{anchor}">{when(int(step))[:10]}</text>'
    foot += 34
    told = account.alerts[-MOST_TOLD:]
    skipped = len(account.alerts) - len(told)
    inside += _told(account, below, HEAD, top + PANEL, foot, skipped)
    said = f"{account.customer_id}: risk, expected year, events, holds and {len(account.alerts)} transitions"
    return svg(inside, said, foot + ROW * (len(told) + (skipped > 0)) + 6, alone=True) + "\n"


def _title(account: Account) -> str:
    return (
        f'<text class="word" x="{LEFT}" y="16" font-weight="bold">{escape(account.customer_id)}</text>'
        f'<text x="{WIDTH - RIGHT}" y="16" text-anchor="end">as of {when(account.as_of_ms)} UTC</text>'
    )


def _panel(
    plane: Plane, points: Sequence[tuple[float, float]], kind: str, name: str, naming: Callable[[float], str]
) -> str:
    drawn = axes(plane, naming, naming, [])
    if len(points) > 1:
        drawn += f'<path class="{kind}" d="{plane.path(points)}"/>'
    return drawn + f'<text class="word" x="{LEFT + 6}" y="{plane.top + 12}">{escape(name)}</text>'


def _lane(kind: str) -> int:
    if Kind[kind.upper()] >= FIRST_PURCHASE_KIND:
        return 0
    return 1 if kind in CONTACTS else 2


def _lanes(account: Account, plane: Plane, foot: float) -> str:
    drawn = ""
    for at, name in enumerate(LANES):
        drawn += f'<text x="{LEFT - 8}" y="{foot + ROW * at + 11}" text-anchor="end">{name}</text>'
    for one in account.events:
        kind = str(one.fields["kind"])
        x, y = plane.x(one.fields["ts_ms"]), foot + ROW * _lane(kind)
        said = f"{when(one.fields['ts_ms'])} {kind}"
        drawn += f'<rect class="mark" x="{x - 1}" y="{y}" width="2" height="13"><title>{said}</title></rect>'
    y, since = foot + ROW * 3, None
    ends = [*zip(account.hold_ms, (one.held for one in account.holds), strict=True), (account.as_of_ms, False)]
    for at_ms, held in ends:
        if held and since is None:
            since = at_ms
        elif not held and since is not None:
            x, end = plane.x(since), plane.x(at_ms)
            drawn += f'<rect class="fill-both" x="{x}" y="{y}" width="{max(1.0, end - x):.1f}" height="13"/>'
            since = None
    return drawn


def _told(account: Account, plane: Plane, top: float, end: float, foot: float, skipped: int) -> str:
    drawn, labels = "", list[tuple[float, int, int]]()
    for at, alert in enumerate(account.alerts[skipped:]):
        x, number = plane.x(alert.ts_ms), skipped + at + 1
        drawn += f'<path class="limit" d="M{x},{top}V{end}"/>'
        if labels and x - labels[-1][0] < CLOSE:
            labels[-1] = (labels[-1][0], labels[-1][1], number)
        else:
            labels.append((x, number, number))
        title = TITLES.get(alert.kind, alert.kind)
        moment = f", {alert.moment.replace('_', ' ')}" if alert.moment else ""
        said = f"{number}  {when(alert.ts_ms)}  {title}{moment} (risk {alert.risk_ppm / 1e4:.0f} %)"
        drawn += f'<text class="word" x="{LEFT}" y="{foot + ROW * at + 12}">{escape(said)}</text>'
    for x, first, last in labels:
        name = str(first) if first == last else f"{first}–{last}"
        drawn += f'<text class="word" x="{x - 3}" y="{top + 24}" text-anchor="end">{name}</text>'
    if skipped:
        y = foot + ROW * (len(account.alerts) - skipped) + 12
        drawn += f'<text x="{LEFT}" y="{y}">and {skipped} before these</text>'
    return drawn
