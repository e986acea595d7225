"""What an event costs and what it earns, in cents, rounded once, half to even (docs/model.md section 2)."""

from typing import Final

from kernels._jit import kernel
from kernels.elementary import round_half_even
from kernels.shapes import Event, Rules
from schemas.codes import Answer, Channel, Kind
from schemas.events import ABSENT

CALL: Final = int(Kind.CALL_CLOSED)
CHAT: Final = int(Kind.CHAT)
EMAIL: Final = int(Kind.EMAIL)
SELF_SERVICE: Final = int(Kind.SELF_SERVICE)
DISPATCH: Final = int(Kind.DISPATCH)
PART_SHIPPED: Final = int(Kind.PART_SHIPPED)
REPAIR_OUT: Final = int(Kind.REPAIR_OUT)
PURCHASE: Final = int(Kind.PURCHASE)
REFUND: Final = int(Kind.REFUND)
RETURN: Final = int(Kind.RETURN)
FEE: Final = int(Kind.MAINTENANCE_FEE)
FREE_REPLACEMENT: Final = int(Kind.FREE_REPLACEMENT)
CREDIT: Final = int(Kind.CREDIT)
CONCESSION: Final = int(Kind.CONCESSION)
REFERRAL_CREDIT: Final = int(Kind.REFERRAL_CREDIT)
CHARGEBACK: Final = int(Kind.CHARGEBACK)
CONTRACT_SIGNED: Final = int(Kind.CONTRACT_SIGNED)
BY_VOICE: Final = int(Channel.VOICE)
BY_CHAT: Final = int(Channel.CHAT)
BY_EMAIL: Final = int(Channel.EMAIL)
BY_SELF_SERVICE: Final = int(Channel.SELF_SERVICE)
YES: Final = int(Answer.YES)
MINUTE_MS: Final = 60_000


@kernel
def sent_or(value: int, default: int) -> int:
    """``value``, or ``default`` where the field was not sent."""
    return int(default) if value == ABSENT else int(value)


@kernel
def minutes_cents(fixed_cents: int, cents_per_minute: int, handle_ms: int) -> int:
    """``fixed + rate x handle / 60 000`` in whole cents, half to even, in integers throughout."""
    total = fixed_cents * MINUTE_MS + cents_per_minute * handle_ms
    whole = total // MINUTE_MS
    rest = 2 * (total - whole * MINUTE_MS)
    if rest > MINUTE_MS or (rest == MINUTE_MS and whole % 2 == 1):
        whole += 1
    return whole


@kernel
def contact_cents(event: Event, rules: Rules) -> int:
    """Price a contact by its channel and handle time; a stated cost replaces the formula."""
    if event["cost_cents"] != ABSENT:
        return int(event["cost_cents"])
    kind = int(event["kind"])
    channel = int(event["channel"]) if kind == CALL else 0
    handle_ms = sent_or(event["handle_ms"], int(rules["cost_imputed_handle_minutes"]) * MINUTE_MS)
    if kind == CHAT or channel == BY_CHAT:
        return minutes_cents(
            int(rules["cost_chat_fixed_cents"]), int(rules["cost_chat_cents_per_minute"]), handle_ms
        )
    if kind == EMAIL or channel == BY_EMAIL:
        return int(rules["cost_email_cents"])
    if channel == BY_SELF_SERVICE:
        return int(rules["cost_self_service_cents"])
    return minutes_cents(
        int(rules["cost_voice_fixed_cents"]), int(rules["cost_voice_cents_per_minute"]), handle_ms
    )


@kernel
def contact_channel(event: Event) -> int:
    """The channel a contact came by, by voice where a call does not say; 0 for what is no contact."""
    kind = int(event["kind"])
    if kind == CALL:
        return int(event["channel"]) if event["channel"] != 0 else BY_VOICE
    if kind == CHAT:
        return BY_CHAT
    if kind == EMAIL:
        return BY_EMAIL
    return BY_SELF_SERVICE if kind == SELF_SERVICE else 0


@kernel
def cost_cents(event: Event, rules: Rules) -> int:
    """What the event cost the company, cents, >= 0."""
    kind = int(event["kind"])
    if kind in (CALL, CHAT, EMAIL):
        return contact_cents(event, rules)
    if kind == SELF_SERVICE:
        return int(rules["cost_self_service_cents"])
    if kind == DISPATCH:
        return sent_or(event["cost_cents"], rules["cost_dispatch_cents"])
    if kind == PART_SHIPPED:
        return sent_or(event["cost_cents"], rules["cost_part_cents"])
    if kind == REPAIR_OUT:
        return sent_or(event["cost_cents"], 0)
    if kind == PURCHASE:
        return int(rules["cost_order_handling_cents"])
    if kind == RETURN:
        return int(rules["cost_return_handling_cents"])
    if kind == CHARGEBACK:
        return int(rules["cost_chargeback_cents"]) + sent_or(event["fee_cents"], 0)
    if kind == FREE_REPLACEMENT:
        return sent_or(event["cost_cents"], rules["cost_replacement_cents"])
    if kind in (CREDIT, CONCESSION, REFERRAL_CREDIT):
        return sent_or(event["amount_cents"], 0)
    return 0


@kernel
def margin_cents(event: Event, rules: Rules) -> int:
    """What the event earned, cents; money given back is negative, a sale below cost too."""
    kind = int(event["kind"])
    if kind == PURCHASE:
        return _stated_or_share(event, rules["cost_margin_rate"])
    if kind == FEE:
        return fee_margin_cents(event, rules)
    if kind in (REFUND, RETURN):
        return -_stated_or_share(event, rules["cost_margin_rate"])
    if kind == CHARGEBACK and event["resolved"] != YES:
        return -int(event["amount_cents"])
    return 0


@kernel
def fee_margin_cents(event: Event, rules: Rules) -> int:
    """The margin of one fee: of the one that was paid, or of each that a contract promises."""
    return _stated_or_share(event, rules["cost_fee_margin_rate"])


@kernel
def revenue_cents(event: Event) -> int:
    """What the customer paid, cents; what was given back is negative."""
    kind = int(event["kind"])
    if kind in (PURCHASE, FEE):
        return int(event["amount_cents"])
    if kind in (REFUND, RETURN) or (kind == CHARGEBACK and event["resolved"] != YES):
        return -int(event["amount_cents"])
    return 0


@kernel
def _stated_or_share(event: Event, share: float) -> int:
    if event["margin_cents"] != ABSENT:
        return int(event["margin_cents"])
    return round_half_even(float(event["amount_cents"]) * share)
