"""The oracle's prices: what an event cost, earned and brought in, by the tables of docs/model.md section 2."""

from __future__ import annotations

from schemas.codes import Channel, Kind
from tests.oracle.rows import Heard, Rules, halves_to_even


def cost_cents(event: Heard, rules: Rules) -> int:
    """What the event cost the company, by the table."""
    kind, sent = event.kind, event.get("cost_cents")
    if event.is_contact and sent is not None:
        return sent
    price = kind
    if kind is Kind.CALL_CLOSED:
        by_channel: dict[int, Kind] = {
            Channel.CHAT: Kind.CHAT,
            Channel.EMAIL: Kind.EMAIL,
            Channel.SELF_SERVICE: Kind.SELF_SERVICE,
        }
        price = by_channel.get(event.or_else("channel", 0), kind)
    handle = event.or_else("handle_ms", rules.cost_imputed_handle_minutes * 60_000)
    if price is Kind.CALL_CLOSED:
        fixed, minute = rules.cost_voice_fixed_cents, rules.cost_voice_cents_per_minute
        return halves_to_even(fixed * 60_000 + minute * handle, 60_000)
    if price is Kind.CHAT:
        fixed, minute = rules.cost_chat_fixed_cents, rules.cost_chat_cents_per_minute
        return halves_to_even(fixed * 60_000 + minute * handle, 60_000)
    amount = event.or_else("amount_cents", 0)
    table = {
        Kind.EMAIL: rules.cost_email_cents,
        Kind.SELF_SERVICE: rules.cost_self_service_cents,
        Kind.DISPATCH: rules.cost_dispatch_cents if sent is None else sent,
        Kind.PART_SHIPPED: rules.cost_part_cents if sent is None else sent,
        Kind.REPAIR_OUT: sent or 0,
        Kind.PURCHASE: rules.cost_order_handling_cents,
        Kind.RETURN: rules.cost_return_handling_cents,
        Kind.CHARGEBACK: rules.cost_chargeback_cents + event.or_else("fee_cents", 0),
        Kind.FREE_REPLACEMENT: rules.cost_replacement_cents if sent is None else sent,
        Kind.CREDIT: amount,
        Kind.CONCESSION: amount,
        Kind.REFERRAL_CREDIT: amount,
    }
    return int(table.get(price, 0))


def margin_cents(event: Heard, rules: Rules) -> int:
    """What the event earned, or took back."""
    amount, sent = event.or_else("amount_cents", 0), event.get("margin_cents")
    if event.kind is Kind.PURCHASE:
        return round(amount * rules.cost_margin_rate) if sent is None else sent
    if event.kind is Kind.MAINTENANCE_FEE:
        return round(amount * rules.cost_fee_margin_rate) if sent is None else sent
    if event.kind in {Kind.REFUND, Kind.RETURN}:
        return -(round(amount * rules.cost_margin_rate) if sent is None else sent)
    if event.kind is Kind.CHARGEBACK and not event.resolved:
        return -amount
    return 0


def revenue_cents(event: Heard) -> int:
    """What was paid, or given back."""
    amount = event.or_else("amount_cents", 0)
    if event.kind in {Kind.PURCHASE, Kind.MAINTENANCE_FEE}:
        return amount
    back = event.kind in {Kind.REFUND, Kind.RETURN} or (event.kind is Kind.CHARGEBACK and not event.resolved)
    return -amount if back else 0
