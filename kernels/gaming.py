"""Speed-dialling out of a contract: never rewarded, never punished (docs/model.md section 5)."""

from typing import Final

from kernels import cases, rings
from kernels._jit import kernel
from kernels.attribution import BY_COMPANY, COMPANY, DAY_MS, HOUR_MS, UNKNOWN
from kernels.elementary import round_half_even
from kernels.evidence import UNRESOLVED
from kernels.machine import CLEARED, ENTERED, cross
from kernels.relations import within
from kernels.settle import to_ppm
from kernels.shapes import Records, Row, Rules
from schemas.codes import Machine
from schemas.state import CASES, HOURS, PERIOD_DAYS

GAMING: Final = int(Machine.GAMING)
PPM: Final = 1_000_000


@kernel
def companys_case_open(row: Row) -> bool:
    """Whether an open case is the company's doing, by a flag or by a human's word."""
    if cases.any_company_case(row):
        return True
    for slot in range(CASES):
        if cases.is_open(row, slot) and row["case_cause"][slot] == BY_COMPANY:
            return True
    return False


@kernel
def _wants_to_leave(row: Row, now_ms: int, rules: Rules) -> bool:
    if within(int(row["leaving_asked_ms"]), now_ms, int(rules["gaming_leaving_days"])):
        return True
    return bool(row["contract_end_ms"] > now_ms and row["termination_fee_cents"] > 0)


@kernel
def looks_like_gaming(row: Row, now_ms: int, rules: Rules) -> bool:
    """Whether the last 24 hours are short calls of someone who wants to leave, with no fault of ours open."""
    hour = now_ms // HOUR_MS
    contacts = rings.contacts_in_day(row, hour)
    if rings.short_in_day(row, hour) * PPM < to_ppm(rules["gaming_short_share"]) * contacts:
        return False
    if row["evidence"][UNRESOLVED] >= rules["gaming_unresolved"]:
        return False
    return contacts > 0 and _wants_to_leave(row, now_ms, rules) and not companys_case_open(row)


@kernel
def no_burst(row: Row, now_ms: int, rules: Rules) -> bool:
    """Whether many contacts in a day are no failure of ours: the suspicion stands, or is about to."""
    stands = row["state"][GAMING] != 0 and not companys_case_open(row)
    return stands or looks_like_gaming(row, now_ms, rules)


@kernel
def counted_cents(cost_cents: int, fault: int, rules: Rules) -> int:
    """What a cost takes from the adjusted net."""
    if fault == COMPANY:
        return 0
    if fault == UNKNOWN:
        return round_half_even(float(cost_cents) * rules["value_unknown_share"])
    return cost_cents


@kernel
def take_short_contact(row: Row, ts_ms: int, cost_cents: int, fault: int, rules: Rules) -> None:
    """Set a short contact's cost aside while the suspicion stands; else remember it, for it may begin.

    cost_cents  0 where the cost is in doubt, for then it counts for nothing already
    """
    counted = counted_cents(cost_cents, fault, rules)
    hour = ts_ms // HOUR_MS
    if row["state"][GAMING] != 0:
        rings.set_aside(row, ts_ms // DAY_MS // PERIOD_DAYS, counted)
    elif rings.reach_hour(row, hour):
        held = int(row["hour_aside_cents"][hour % HOURS])
        row["hour_aside_cents"][hour % HOURS] = min(held + counted, rings.MONEY_MAX)


@kernel
def _set_burst_aside(row: Row, now_ms: int) -> None:
    """Set aside what the short contacts of the last 24 hours cost."""
    hour = now_ms // HOUR_MS
    head = int(row["hour_head"])
    for bucket in range(hour - HOURS + 1, hour + 1):
        if head - HOURS < bucket <= head:
            period = bucket * HOUR_MS // DAY_MS // PERIOD_DAYS
            rings.set_aside(row, period, int(row["hour_aside_cents"][bucket % HOURS]))
            row["hour_aside_cents"][bucket % HOURS] = 0


@kernel
def burst_begins(row: Row, now_ms: int, rules: Rules) -> bool:
    """Whether speed-dialling is suspected from now on."""
    if row["state"][GAMING] != 0 or now_ms < row["cooldown_until_ms"][GAMING]:
        return False
    many = rings.contacts_in_day(row, now_ms // HOUR_MS) >= rules["gaming_contacts"]
    return bool(many) and looks_like_gaming(row, now_ms, rules)


@kernel
def conclude_gaming(row: Row, now_ms: int, rules: Rules, out: Records, at: int) -> int:
    """Suspect speed-dialling, set its cost aside; end it after its days, or at once when a fault of ours shows."""
    if row["state"][GAMING] == 0:
        if burst_begins(row, now_ms, rules):
            _set_burst_aside(row, now_ms)
            return cross(row, GAMING, ENTERED, 1, now_ms, 0, out, at)
        return at
    over = now_ms - int(row["since_ms"][GAMING]) >= int(rules["gaming_days"]) * DAY_MS
    if over or companys_case_open(row):
        row["cooldown_until_ms"][GAMING] = now_ms + int(rules["gaming_cooldown_days"]) * DAY_MS
        return cross(row, GAMING, CLEARED, 0, now_ms, 0, out, at)
    return at
