"""The oracle's value and cause machines (docs/model.md section 5), and the bookkeeping of any machine."""

from __future__ import annotations

from schemas import state
from schemas.codes import Change, Machine
from schemas.events import DAY_MS
from tests.oracle.rows import Row, Rules, day_of
from tests.oracle.scores import Value


def move(row: Row, machine: Machine, to: int, now: int) -> Change:
    """Bring one machine into a state, and count the change."""
    was = row.state[machine]
    if was == 0:
        row.episode[machine] += 1
        row.change[machine] = 1
    else:
        row.change[machine] += 1
    if to != was:
        row.since_ms[machine] = now
    row.state[machine] = to
    return Change.CLEARED if to == 0 else Change.ENTERED if was == 0 else Change.ESCALATED


def value_change(row: Row, value: Value, rules: Rules, now: int) -> Change | None:
    """What the value machine does."""
    machine = Machine.VALUE
    likely = value.p_negative_ppm >= rules.ppm("value_enter_probability")
    theirs = value.company_share_ppm < rules.ppm("value_company_share_enter")
    if row.state[machine] == 0:
        enters = (
            now >= row.cooldown_until_ms[machine]
            and row.state[Machine.CAUSE] == 0
            and day_of(now) - row.first_day >= rules.value_onboarding_days
            and value.n >= rules.value_min_periods
            and likely
            and value.year_cents <= rules.value_enter_annual_cents
            and value.contacts >= rules.value_min_contacts
            and value.contact_periods >= rules.value_min_contact_periods
            and value.net_year_cents <= rules.value_bottom_net_cents
            and theirs
            and value.ahead() <= rules.value_forward_cents
        )
        if enters:
            row.value_entered_ms, row.value_good_since_ms, row.remedies = now, state.NEVER, 0
        return move(row, machine, 1, now) if enters else None
    pays = value.ahead() > rules.value_forward_cents
    if not pays:
        row.value_good_since_ms = state.NEVER
    elif row.value_good_since_ms == state.NEVER:
        row.value_good_since_ms = now
    mended = now - row.since_ms[machine] >= rules.value_dwell_days * DAY_MS and (
        value.p_negative_ppm < rules.ppm("value_clear_probability")
        or value.company_share_ppm >= rules.ppm("value_company_share_clear")
        or (pays and now - row.value_good_since_ms >= rules.value_good_days * DAY_MS)
    )
    if mended or ours(row, value, rules, now):
        row.value_good_since_ms = state.NEVER
        row.cooldown_until_ms[machine] = now + rules.value_cooldown_days * DAY_MS
        return move(row, machine, 0, now)
    if pays or not (likely and theirs):
        return None
    lasts = now - row.value_entered_ms >= rules.value_review_days * DAY_MS
    if row.state[machine] < 3 and lasts and row.remedies.bit_count() >= rules.value_review_remedies:
        return move(row, machine, 3, now)
    severe = row.state[machine] == 1 and value.year_cents <= rules.value_severe_annual_cents
    return move(row, machine, 2, now) if severe else None


def ours(row: Row, value: Value, rules: Rules, now: int) -> bool:
    """Whether the year's loss is the company's own doing, and the cause may be entered."""
    machine, net = Machine.CAUSE, value.raw_net_year_cents
    return bool(
        row.state[machine] == 0
        and now >= row.cooldown_until_ms[machine]
        and net <= rules.value_enter_annual_cents
        and value.year_contacts >= rules.value_min_contacts
        and (value.company_share_ppm >= rules.ppm("value_company_share_enter") or net + value.company_cents >= 0)
    )


def cause_change(row: Row, value: Value, rules: Rules, now: int) -> Change | None:
    """What the cause machine does."""
    machine, net = Machine.CAUSE, value.raw_net_year_cents
    if row.state[machine] == 0:
        enters = row.state[Machine.VALUE] == 0 and ours(row, value, rules, now)
        return move(row, machine, 1, now) if enters else None
    theirs = value.company_share_ppm < rules.ppm("value_cause_share_clear")
    theirs = theirs and net + value.company_cents <= rules.value_enter_annual_cents
    better = net > 0 or theirs or value.company_cents == 0
    if better and now - row.since_ms[machine] >= rules.value_dwell_days * DAY_MS:
        row.cooldown_until_ms[machine] = now + rules.value_cooldown_days * DAY_MS
        return move(row, machine, 0, now)
    return None
