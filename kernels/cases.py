"""Open cases and promised callbacks of one customer: an event-time join that any order of arrival fits.

Each side's greatest time wins, so an answer that arrives before its question is remembered.
"""

from typing import Final

from kernels._jit import kernel
from kernels.rings import bounded, move
from kernels.shapes import Event, Row
from schemas.codes import Answer, Author, CaseFlag, Fault, Kind
from schemas.events import ABSENT
from schemas.state import CALLBACKS, CASE_PERIODS, CASES, FAULTS, NEVER

CALL_OPENED: Final = int(Kind.CALL_OPENED)
CALL: Final = int(Kind.CALL_CLOSED)
CHAT: Final = int(Kind.CHAT)
EMAIL: Final = int(Kind.EMAIL)
TICKET_OPENED: Final = int(Kind.TICKET_OPENED)
TICKET_REPLY: Final = int(Kind.TICKET_REPLY)
TICKET_RESOLVED: Final = int(Kind.TICKET_RESOLVED)
TICKET_REOPENED: Final = int(Kind.TICKET_REOPENED)
REPAIR_IN: Final = int(Kind.REPAIR_IN)
PART_SHIPPED: Final = int(Kind.PART_SHIPPED)
PART_WRONG: Final = int(Kind.PART_WRONG)
PRODUCT_EOL: Final = int(Kind.PRODUCT_EOL)
ESCALATION_REQUESTED: Final = int(Kind.ESCALATION_REQUESTED)
ESCALATION_GRANTED: Final = int(Kind.ESCALATION_GRANTED)
ESCALATION_DENIED: Final = int(Kind.ESCALATION_DENIED)
CALLBACK_PROMISED: Final = int(Kind.CALLBACK_PROMISED)
CALLBACK_MADE: Final = int(Kind.CALLBACK_MADE)
CALLBACK_MISSED: Final = int(Kind.CALLBACK_MISSED)
PROMISE_REVERSED: Final = int(Kind.PROMISE_REVERSED)
UPSELL: Final = int(Kind.UPSELL_AS_REMEDY)
APPEAL: Final = int(Kind.EXECUTIVE_APPEAL)
WORKAROUND: Final = int(Kind.WORKAROUND_EFFORT)
SPECIFICATION_GAP: Final = int(Kind.SPECIFICATION_GAP)
FAULT_OPENED: Final = int(Kind.FAULT_OPENED)
FAULT_CLOSED: Final = int(Kind.FAULT_CLOSED)
RUDE_CALL: Final = int(Kind.RUDE_CALL)
LOCK_OUT: Final = int(Kind.LOCK_OUT)
IDENTITY_REFUSED: Final = int(Kind.IDENTITY_REFUSED)
NO: Final = int(Answer.NO)
YES: Final = int(Answer.YES)
BY_AGENT: Final = int(Author.AGENT)
BY_CUSTOMER: Final = int(Author.CUSTOMER)

DEFECT: Final = int(CaseFlag.DEFECT)
WRONG_PART: Final = int(CaseFlag.WRONG_PART)
EOL: Final = int(CaseFlag.PRODUCT_EOL)
REPAIR: Final = int(CaseFlag.REPAIR)
MISSED: Final = int(CaseFlag.CALLBACK_MISSED)
REOPENED: Final = int(CaseFlag.REOPENED)
KNOWN_FAULT: Final = int(CaseFlag.KNOWN_FAULT)
TOLD: Final = int(CaseFlag.TOLD_UNANSWERED)
TICKET: Final = int(CaseFlag.TICKET)
REPEAT: Final = int(CaseFlag.REPEAT)
PROMISE_BROKEN: Final = int(CaseFlag.PROMISE_BROKEN)
APPEALED: Final = int(CaseFlag.APPEALED)
UNANSWERED: Final = int(CaseFlag.UNANSWERED)
LOCKED_OUT: Final = int(CaseFlag.LOCKED_OUT)
COMPANY_FLAGS: Final = (
    DEFECT | WRONG_PART | EOL | MISSED | REOPENED | KNOWN_FAULT | REPEAT | UNANSWERED | LOCKED_OUT
) | (PROMISE_BROKEN | APPEALED)
SHARED: Final = int(Fault.SHARED)
COUNT_MAX: Final = 65_535


@kernel
def is_contact(kind: int) -> bool:
    """Whether the kind is a contact an agent handled."""
    return kind in (CALL, CHAT, EMAIL)


@kernel
def opens_a_slot(kind: int) -> bool:
    """Whether an event of this kind may take a new case slot."""
    return (
        is_contact(kind)
        or kind in (CALL_OPENED, TICKET_OPENED, TICKET_REPLY, TICKET_RESOLVED, TICKET_REOPENED, REPAIR_IN)
        or kind in (PART_SHIPPED, PART_WRONG, CALLBACK_PROMISED, CALLBACK_MISSED, PRODUCT_EOL, PROMISE_REVERSED)
        or kind in (ESCALATION_REQUESTED, ESCALATION_GRANTED, ESCALATION_DENIED, UPSELL, APPEAL, WORKAROUND)
        or kind in (SPECIFICATION_GAP, FAULT_OPENED, RUDE_CALL, LOCK_OUT, IDENTITY_REFUSED)
    )


@kernel
def is_open(row: Row, slot: int) -> bool:
    """Whether the slot's case has not been settled since it was last opened or asked about."""
    newest = max(row["case_opened_ms"][slot], row["case_asked_ms"][slot])
    return bool(row["case_id"][slot] != 0 and newest > row["case_resolved_ms"][slot])


@kernel
def is_waiting(row: Row, slot: int) -> bool:
    """Whether a ticket waits for the company's answer (since ``case_asked_ms``)."""
    answered = max(row["case_answered_ms"][slot], row["case_resolved_ms"][slot])
    ticket = int(row["case_flags"][slot]) & TICKET != 0
    return ticket and is_open(row, slot) and row["case_asked_ms"][slot] > answered


@kernel
def any_open(row: Row) -> bool:
    """Whether any case is open."""
    for slot in range(CASES):
        if is_open(row, slot):
            return True
    return False


@kernel
def count_open(row: Row) -> int:
    """How many cases are open."""
    count = 0
    for slot in range(CASES):
        if is_open(row, slot):
            count += 1
    return count


@kernel
def any_waiting(row: Row) -> bool:
    """Whether any ticket waits."""
    for slot in range(CASES):
        if is_waiting(row, slot):
            return True
    return False


@kernel
def longest_wait_ms(row: Row, at_ms: int) -> int:
    """How long the longest-waiting ticket has waited at ``at_ms``; 0 with none."""
    longest = 0
    for slot in range(CASES):
        if is_waiting(row, slot):
            longest = max(longest, at_ms - int(row["case_asked_ms"][slot]))
    return longest


@kernel
def any_company_case(row: Row) -> bool:
    """Whether any open case carries a flag that makes it the company's doing."""
    for slot in range(CASES):
        if is_open(row, slot) and int(row["case_flags"][slot]) & COMPANY_FLAGS:
            return True
    return False


@kernel
def find(row: Row, case_id: int) -> int:
    """The slot of a case, or -1."""
    for slot in range(CASES):
        if row["case_id"][slot] == case_id:
            return slot
    return -1


@kernel
def _quietest(row: Row) -> int:
    """The slot whose case was heard of longest ago; one that waits for our answer only if all do."""
    best = 0
    for slot in range(1, CASES):
        waits, best_waits = is_waiting(row, slot), is_waiting(row, best)
        if waits == best_waits:
            if last_heard_ms(row, slot) < last_heard_ms(row, best):
                best = slot
        elif best_waits:
            best = slot
    return best


@kernel
def last_heard_ms(row: Row, slot: int) -> int:
    """When the case was last heard of, by the greatest of its four times."""
    asked = max(int(row["case_opened_ms"][slot]), int(row["case_asked_ms"][slot]))
    return max(asked, int(row["case_answered_ms"][slot]), int(row["case_resolved_ms"][slot]))


@kernel
def find_or_take(row: Row, case_id: int, kind: int) -> int:
    """The slot of a case, a new one where the kind may open one, or -1.

    With all slots in use by open cases, the one that has been quiet longest is forgotten, and that is counted.
    """
    slot = find(row, case_id)
    if slot >= 0 or not opens_a_slot(kind):
        return slot
    taken = -1
    for other in range(CASES):
        if row["case_id"][other] == 0:
            taken = other
            break
        if not is_open(row, other) and (
            taken < 0 or row["case_resolved_ms"][other] < row["case_resolved_ms"][taken]
        ):
            taken = other
    if taken < 0:
        row["cases_overflowed"] += 1
        taken = _quietest(row)
    row["case_id"][taken] = case_id
    row["case_opened_ms"][taken] = NEVER
    row["case_asked_ms"][taken] = NEVER
    row["case_answered_ms"][taken] = NEVER
    row["case_resolved_ms"][taken] = NEVER
    row["case_contacts"][taken] = 0
    row["case_wrong_parts"][taken] = 0
    row["case_flags"][taken] = 0
    row["case_cause"][taken] = 0
    row["case_sku"][taken] = 0
    row["case_reason"][taken] = 0
    row["case_period"][taken] = NEVER
    row["case_alternative"][taken] = 0
    row["case_price_percent"][taken] = 0
    for period in range(CASE_PERIODS):
        for fault in range(FAULTS):
            row["case_cost_cents"][taken, period, fault] = 0
    return taken


@kernel
def is_companys(row: Row, slot: int) -> bool:
    """Whether a flag makes the case the company's doing."""
    return int(row["case_flags"][slot]) & COMPANY_FLAGS != 0


@kernel
def remember_cost(row: Row, slot: int, period: int, fault: int, cents: int) -> None:
    """Keep what an event of the case cost, so that it can be booked anew when its cause becomes known.

    Only the period of the case's first cost and the two after it: what was booked elsewhere stays there.
    """
    if cents == 0:
        return
    if row["case_period"][slot] == NEVER:
        row["case_period"][slot] = period
    at = period - int(row["case_period"][slot])
    if 0 <= at < CASE_PERIODS:
        row["case_cost_cents"][slot, at, fault] = bounded(int(row["case_cost_cents"][slot, at, fault]) + cents)


@kernel
def book_anew(row: Row, slot: int, fault: int, everything: bool) -> None:
    """Move the case's remembered costs into the column ``fault``: all of them, or only shared and unknown ones."""
    for at in range(CASE_PERIODS):
        for other in range(FAULTS):
            cents = int(row["case_cost_cents"][slot, at, other])
            if other == fault or cents == 0 or not (everything or other >= SHARED):
                continue
            row["case_cost_cents"][slot, at, other] = 0
            row["case_cost_cents"][slot, at, fault] = bounded(int(row["case_cost_cents"][slot, at, fault]) + cents)
            move(row, int(row["case_period"][slot]) + at, cents, other, fault)


@kernel
def update(row: Row, slot: int, event: Event, repeat: bool) -> None:
    """Take the event into its case's slot; ``repeat`` says that it tells of a fault that is back."""
    kind = int(event["kind"])
    ts_ms = int(event["ts_ms"])
    opened = int(row["case_opened_ms"][slot])
    row["case_opened_ms"][slot] = ts_ms if opened == NEVER else min(opened, ts_ms)
    if is_contact(kind):
        row["case_contacts"][slot] = min(int(row["case_contacts"][slot]) + 1, COUNT_MAX)
    if kind == PART_WRONG:
        row["case_wrong_parts"][slot] = min(int(row["case_wrong_parts"][slot]) + 1, COUNT_MAX)
    if event["sku"] != 0:
        row["case_sku"][slot] = event["sku"]
    if event["reason"] != 0:
        row["case_reason"][slot] = event["reason"]
    flags = int(row["case_flags"][slot]) | _flags_of(event) | (REPEAT if repeat else 0)
    if _asks(event) and ts_ms > row["case_asked_ms"][slot]:
        row["case_asked_ms"][slot] = ts_ms
        by_customer = kind == TICKET_REPLY and event["author"] == BY_CUSTOMER
        if by_customer or kind in (TICKET_OPENED, TICKET_REOPENED):
            flags &= ~TOLD
    row["case_flags"][slot] = flags
    if event["alternative"] != 0:
        row["case_alternative"][slot] = event["alternative"]
    if event["price_ratio_percent"] != ABSENT:
        row["case_price_percent"][slot] = event["price_ratio_percent"]
    if _answers(event):
        row["case_answered_ms"][slot] = max(int(row["case_answered_ms"][slot]), ts_ms)
    if settles(event):
        row["case_resolved_ms"][slot] = max(int(row["case_resolved_ms"][slot]), ts_ms)


@kernel
def settles(event: Event) -> bool:
    """Whether the event says that its case is settled."""
    kind = int(event["kind"])
    return kind in (TICKET_RESOLVED, FAULT_CLOSED) or (is_contact(kind) and bool(event["resolved"] == YES))


@kernel
def _asks(event: Event) -> bool:
    """Whether the customer waits for something from this event on."""
    kind = int(event["kind"])
    if kind == TICKET_REPLY:
        return bool(event["author"] == BY_CUSTOMER)
    if kind in (TICKET_OPENED, TICKET_REOPENED, EMAIL, FAULT_OPENED, PART_WRONG, REPAIR_IN):
        return True
    return is_contact(kind) and bool(event["resolved"] == NO)


@kernel
def _answers(event: Event) -> bool:
    kind = int(event["kind"])
    if kind == TICKET_REPLY:
        return bool(event["author"] == BY_AGENT)
    return kind == CALLBACK_MADE or (kind in (CALL, CHAT) and bool(event["resolved"] != NO))


@kernel
def _flags_of(event: Event) -> int:
    kind = int(event["kind"])
    if kind == TICKET_OPENED:
        return TICKET
    if kind == TICKET_REPLY:
        return TICKET
    if kind == TICKET_REOPENED:
        return REOPENED
    if kind == FAULT_OPENED:
        return KNOWN_FAULT
    if kind == PART_WRONG:
        return WRONG_PART
    if kind == PRODUCT_EOL:
        return EOL
    if kind == CALLBACK_MISSED:
        return MISSED
    if kind == SPECIFICATION_GAP:
        return DEFECT
    if kind == LOCK_OUT:
        return LOCKED_OUT
    if kind in (PROMISE_REVERSED, UPSELL):
        return PROMISE_BROKEN
    if kind == APPEAL:
        return APPEALED
    return REPAIR if kind == REPAIR_IN else 0


@kernel
def promise_callback(row: Row, due_ms: int, case_id: int, ts_ms: int) -> None:
    """Remember a promised callback, unless one was already made at or after the promise."""
    if row["callback_made_ms"] >= ts_ms:
        return
    taken = 0
    for slot in range(CALLBACKS):
        if row["callback_due_ms"][slot] < row["callback_due_ms"][taken]:
            taken = slot
    row["callback_due_ms"][taken] = due_ms
    row["callback_case"][taken] = case_id


@kernel
def close_callback(row: Row, case_id: int) -> None:
    """Forget the promise of this case, else one that names no case; with no case (0), any. The first due goes."""
    first = _first_due(row, case_id, case_id == 0)
    if first < 0:
        first = _first_due(row, 0, False)
    if first >= 0:
        row["callback_due_ms"][first] = NEVER
        row["callback_case"][first] = 0


@kernel
def _first_due(row: Row, case_id: int, of_any: bool) -> int:
    """The promise that is due first of those that name this case (0: none), or of any; -1 where there is none."""
    first = -1
    for slot in range(CALLBACKS):
        if row["callback_due_ms"][slot] == NEVER:
            continue
        if not of_any and row["callback_case"][slot] != case_id:
            continue
        if first < 0 or row["callback_due_ms"][slot] < row["callback_due_ms"][first]:
            first = slot
    return first


@kernel
def any_callback(row: Row) -> bool:
    """Whether a promised callback is still to come."""
    for slot in range(CALLBACKS):
        if row["callback_due_ms"][slot] != NEVER:
            return True
    return False
