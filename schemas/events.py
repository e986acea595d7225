"""Inbound nouns: every field a support or purchase event may carry, its unit, its bounds, and who needs it.

One table drives the codec, the ledger's columns and ``docs/wire.md``; a field exists once.
"""

from dataclasses import dataclass, field
from enum import IntEnum

from schemas.codes import (
    Alternative,
    Author,
    Cause,
    Channel,
    Decision,
    Kind,
    Observer,
    Purpose,
    ReturnReason,
)

VERSION = 1
"""Major version of the wire. Readers take this one and the one before (there is none yet)."""

ABSENT = -(2**31)
"""What a number column holds for a field that was not sent; no accepted event carries it."""

TS_MIN_MS = 946_684_800_000
TS_MAX_MS = 4_102_444_800_000
"""Event times lie between 2000-01-01 and 2100-01-01 UTC."""

DAY_MS = 86_400_000
PPM = 1_000_000
CENTS_MAX = 10**11
TEXT_MAX = 64
MAX_BYTES = 65_536
MAX_FIELDS = 64
"""A payload, and a map in it, may have no more than that."""


Codes = type[IntEnum]
"""A family of codes, as a field's words."""


class Type(IntEnum):
    """How a field is written on the wire and kept in a column."""

    TEXT = 1
    INTEGER = 2
    BOOLEAN = 3
    RATIO = 4
    CODE = 5


@dataclass(frozen=True, slots=True)
class Field:
    """One field: ``RATIO`` is a number kept as parts per million, ``CODE`` a word kept as its number."""

    name: str
    type: Type
    doc: str
    seed: str
    low: int = 0
    high: int = 0
    codes: Codes | None = None

    @property
    def dtype(self) -> str:
        """The column's numpy type; text columns hold an index into the block's texts."""
        if self.type is Type.TEXT:
            return "<u4"
        if self.type in (Type.BOOLEAN, Type.CODE):
            return "u1"
        return "<i8" if self.high > 2**31 - 1 or self.low < -(2**31) else "<i4"

    @property
    def absent(self) -> int:
        """What the column holds where the field was not sent."""
        return ABSENT if self.type in (Type.INTEGER, Type.RATIO) else 0


def _text(name: str, doc: str, seed: str) -> Field:
    return Field(name, Type.TEXT, doc, seed, 1, TEXT_MAX)


def _integer(name: str, low: int, high: int, doc: str, seed: str) -> Field:
    return Field(name, Type.INTEGER, doc, seed, low, high)


def _cents(name: str, doc: str, seed: str, low: int = 0) -> Field:
    return Field(name, Type.INTEGER, doc, seed, low, CENTS_MAX)


def _moment(name: str, doc: str, seed: str) -> Field:
    return Field(name, Type.INTEGER, doc, seed, TS_MIN_MS, TS_MAX_MS)


def _ratio(name: str, low: int, high: int, doc: str, seed: str) -> Field:
    return Field(name, Type.RATIO, doc, seed, low, high)


def _code(name: str, codes: Codes, doc: str, seed: str) -> Field:
    return Field(name, Type.CODE, doc, seed, 1, max(codes), codes)


FIELDS: tuple[Field, ...] = (
    # The order is the order of the ledger's columns: append only.
    _moment("ts_ms", "when it happened, UTC", "all"),
    _code("kind", Kind, "what happened", "all"),
    _text("customer_id", "who it happened to; the ledger is keyed by it", "all"),
    _text("event_id", "unique per producer; a repeat is dropped", "all"),
    _code("channel", Channel, "how the contact came", "S4: moving costly contacts to self-service"),
    _text("case_id", "the problem this belongs to", "S4: the ticket open since April"),
    _integer("handle_ms", 0, 7 * DAY_MS, "time an agent spent on the contact", "S4: the 30-second call"),
    Field("resolved", Type.BOOLEAN, "whether the contact settled the problem", "S1: third attempt by email"),
    _text("agent_id", "a pseudonym of the agent", "S4: employee id denied"),
    _text("reason", "why the customer came", "S4: fix the glaring problem"),
    _code("author", Author, "who wrote the reply", "S4: never followed up"),
    _text(
        "repeat_of_case_id",
        "the earlier case with the same fault",
        "S0: same fault again, now out of warranty",
    ),
    _text("sku", "the product", "S0: the printer"),
    _cents("cost_cents", "what this cost the company, where known", "S2: price of a replacement"),
    _text("part_id", "the spare part", "S1: wrong part received twice"),
    _code("alternative", Alternative, "what is offered instead", "S1: no replacement parts"),
    _integer(
        "price_ratio_percent", 0, 100_000, "price of the alternative against the old one", "S1: model C at 4x"
    ),
    _moment("due_ms", "when the callback is due", "S4: never followed up"),
    _cents("termination_fee_cents", "fee for leaving early", "S3: the early-termination-fee exit"),
    _moment("contract_end_ms", "when the contract ends", "S3: the early-termination-fee exit"),
    _code("observer", Observer, "who noticed it", "S4: put up with abuses"),
    _ratio("confidence", 0, 1, "how sure the observer is, 0 to 1", "S4: rudest tech support ever"),
    _integer("score", 0, 10, "satisfaction score", "S4: stellar results before a referral"),
    _integer("scale", 5, 10, "top of the satisfaction scale: 5 or 10", "S4: stellar results before a referral"),
    _ratio("sentiment", -1, 1, "mood of the contact, -1 to 1", "S2: lost faith"),
    _integer("stars", 1, 5, "stars of a public review", "S2: the review is the only trace of a silent defect"),
    Field("defect", Type.BOOLEAN, "whether the review tells of a defect", "S2: defective item"),
    _code("purpose", Purpose, "why the company wrote", "S1: saturated with ads"),
    _code("cause", Cause, "who caused it, set by a human; overrides the rules", "S4: a different issue"),
    _integer("effort_ms", 0, 366 * DAY_MS, "time the customer spent on workarounds", "S4: hours in workarounds"),
    _text("fault_id", "a fault the company knows of", "S4: the technology behind the calls"),
    _text("promise_id", "the promise that was taken back", "S1: contradictory answers"),
    _text("competitor", "whose offer the customer heard", "S4: vulnerable best customers"),
    _cents("deal_cents", "worth of the deal that was lost", "S4: lost deals, a win-back list"),
    _cents("amount_cents", "price paid, fee paid or money given back", "S4: maintenance fees"),
    _cents("margin_cents", "margin on it, may be negative", "S0: printers sold below cost", -CENTS_MAX),
    _text("order_id", "the order", "S1: same order, wrong part"),
    _moment("warranty_end_ms", "when the warranty ends", "S0: just out of warranty"),
    _code("return_reason", ReturnReason, "why it came back", "S2: defective item"),
    _integer("period_ms", DAY_MS, 10 * 366 * DAY_MS, "what a fee pays for", "S4: fees could not compensate"),
    _cents("fee_cents", "the bank's fee", "S3: chargeback after a dispute"),
    _text("referred_customer_id", "whom the customer brought", "S4: thank the referrer"),
    _text("floor", "support floor that serves the customer", "S4: someone must own loyalty"),
    _text("skill", "skill the contact needs", "S4: someone must own loyalty"),
    _text("product_line", "product line or brand", "S0: loyal to the product or to the brand"),
    _code("decision", Decision, "what the agent chose to do about it", "S0: keep or lose at each contact"),
)

FIELD = {one.name: one for one in FIELDS}

COMMON = ("ts_ms", "kind", "customer_id", "event_id")
"""Required in every event, beside ``version``."""

EVERYWHERE = ("cause", "floor", "skill", "product_line", "agent_id", "channel")
"""Optional in every event; ``currency`` too, which must be the deployment's."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Which fields one kind needs and which it may have; fields of other kinds are ignored.

    What one field alone cannot say: ``only`` names the values that a needed field may have in this kind, and of
    each pair in ``at_most`` the first, needed as the second, is no greater than it.
    """

    doc: str
    needs: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    seed: str = ""
    only: tuple[tuple[str, tuple[int, ...]], ...] = ()
    at_most: tuple[tuple[str, str], ...] = ()

    @property
    def allowed(self) -> tuple[str, ...]:
        """Every field of the kind, each once, in the order in which it is checked."""
        return (*COMMON, *self.needs, *self.may, *(name for name in EVERYWHERE if name not in self.needs))


CONTACT = ("case_id", "handle_ms", "resolved", "reason", "sku", "cost_cents", "decision")

SHAPES: dict[Kind, Shape] = {
    Kind.CALL_OPENED: Shape("a call began", (), CONTACT, "S3: speed dial 20 or 25 times"),
    Kind.CALL_CLOSED: Shape("a call ended", (), CONTACT, "S4: 35 times in a single day"),
    Kind.CHAT: Shape("a chat ended", (), CONTACT, "S4: self-service shift"),
    Kind.EMAIL: Shape("a mail from the customer was handled", (), CONTACT, "S1: third attempt by email"),
    Kind.TICKET_OPENED: Shape(
        "a case was opened",
        ("case_id",),
        ("repeat_of_case_id", "reason", "sku"),
        "S4: ticket never followed up",
    ),
    Kind.TICKET_REPLY: Shape("someone wrote on a case", ("case_id", "author"), (), "S4: never followed up"),
    Kind.TICKET_RESOLVED: Shape("a case was settled", ("case_id",), (), "S4: never followed up"),
    Kind.TICKET_REOPENED: Shape(
        "a settled case came back", ("case_id",), ("reason",), "S1: correct part, then none"
    ),
    Kind.REPAIR_IN: Shape("a repair began", (), ("case_id", "sku", "warranty_end_ms"), "S0: a month in repair"),
    Kind.REPAIR_OUT: Shape(
        "a repair ended", (), ("case_id", "sku", "cost_cents"), "S0: same fault within 3 months"
    ),
    Kind.DISPATCH: Shape("a technician was sent", (), ("case_id", "sku", "cost_cents"), "S4: cost to serve"),
    Kind.PART_SHIPPED: Shape("a part was sent", ("case_id",), ("part_id", "sku", "cost_cents", "order_id"), "S1"),
    Kind.PART_WRONG: Shape(
        "the part was wrong", ("case_id",), ("part_id", "sku", "order_id"), "S1: wrong part twice"
    ),
    Kind.PRODUCT_EOL: Shape(
        "no parts are made any more",
        ("sku",),
        ("case_id", "alternative", "price_ratio_percent"),
        "S1: no parts",
    ),
    Kind.ESCALATION_REQUESTED: Shape("a supervisor was asked for", (), ("case_id",), "S4: supervisor denied"),
    Kind.ESCALATION_GRANTED: Shape("a supervisor took over", (), ("case_id",), "S4: supervisor denied"),
    Kind.ESCALATION_DENIED: Shape("a supervisor was refused", (), ("case_id",), "S4: supervisor denied"),
    Kind.CALLBACK_PROMISED: Shape("a callback was promised", ("due_ms",), ("case_id",), "S4: never followed up"),
    Kind.CALLBACK_MADE: Shape("the callback was made", (), ("case_id",), "S4: never followed up"),
    Kind.CALLBACK_MISSED: Shape("the callback was not made", (), ("case_id",), "S4: never followed up"),
    Kind.CANCEL_REQUEST: Shape(
        "the customer asked to leave",
        (),
        ("termination_fee_cents", "contract_end_ms", "reason"),
        "S3: fee exit",
    ),
    Kind.ETF_QUERY: Shape(
        "the customer asked what leaving costs",
        (),
        ("termination_fee_cents", "contract_end_ms"),
        "S3: fee exit",
    ),
    Kind.ABUSE_FLAG: Shape(
        "a human saw support abused",
        ("observer",),
        ("reason",),
        "S4: blatantly abusing support",
        only=(("observer", (Observer.HUMAN,)),),  # a machine accuses nobody
    ),
    Kind.RUDE_CALL: Shape(
        "an agent was rude",
        ("observer",),
        ("confidence", "case_id", "handle_ms"),
        "S4: rudest tech support ever",
    ),
    Kind.CSAT: Shape(
        "the customer scored us",
        ("score", "scale"),
        ("case_id",),
        "S4: stellar results",
        only=(("scale", (5, 10)),),
        at_most=(("score", "scale"),),
    ),
    Kind.SENTIMENT: Shape("a mood was noticed", ("sentiment", "observer"), ("case_id",), "S2: lost faith"),
    Kind.REVIEW: Shape("a public review", ("stars",), ("sku", "defect", "order_id"), "S2: silent defect"),
    Kind.CONTACT_SENT: Shape("the company wrote", ("purpose",), (), "S1: ads for a month; S2: cheery review ask"),
    Kind.PROMISE_REVERSED: Shape(
        "a promise was taken back", (), ("case_id", "promise_id", "sku"), "S1: correct part, then no parts"
    ),
    Kind.UPSELL_AS_REMEDY: Shape(
        "a dearer product was the only remedy",
        (),
        ("case_id", "sku", "price_ratio_percent"),
        "S1: buy model C at 4x",
    ),
    Kind.EXECUTIVE_APPEAL: Shape("a letter or threat to an executive", (), ("case_id",), "S4: go to an executive"),
    Kind.COMPETITOR_OFFER: Shape("the customer heard a rival's offer", (), ("competitor",), "S4: vulnerable best"),
    Kind.WORKAROUND_EFFORT: Shape("the customer worked around us", ("effort_ms",), ("case_id",), "S4: hours lost"),
    Kind.SPECIFICATION_GAP: Shape(
        "an advertised specification was not met", (), ("sku", "case_id"), "S4: spec gap"
    ),
    Kind.DEAL_LOST: Shape("a deal went elsewhere", (), ("deal_cents", "competitor", "reason"), "S4: lost deals"),
    Kind.FAULT_OPENED: Shape(
        "a known fault hits the customer", ("fault_id",), ("sku",), "S4: the technology issue"
    ),
    Kind.FAULT_CLOSED: Shape("the known fault is gone", ("fault_id",), ("sku",), "S4: the technology issue"),
    Kind.SELF_SERVICE: Shape(
        "the customer helped themselves", (), ("case_id", "reason"), "S4: self-service shift"
    ),
    Kind.PRAISE: Shape("the customer praised us", (), ("observer", "reason"), "S4: good news"),
    Kind.EXPANSION: Shape("the customer grows", (), ("reason",), "S4: a trigger to call: a new site, a new round"),
    Kind.REFERRAL_GIVEN: Shape(
        "the customer brought someone", (), ("referred_customer_id",), "S1: a recommender; S4: thank the referrer"
    ),
    Kind.LOCK_OUT: Shape(
        "our product refused what the customer put in", (), ("case_id", "sku", "reason"), "S0: third-party ink"
    ),
    Kind.IDENTITY_REFUSED: Shape(
        "an agent refused to give a name or a number", (), ("case_id",), "S4: name and ID denied"
    ),
    Kind.PROGRESS: Shape("this partition holds everything before ts_ms", (), (), "all: time is an event"),
    Kind.PURCHASE: Shape(
        "a sale",
        ("amount_cents",),
        ("order_id", "sku", "margin_cents", "warranty_end_ms"),
        "S0: printer and ink",
    ),
    Kind.REFUND: Shape("money given back", ("amount_cents",), ("order_id", "return_reason", "margin_cents"), "S2"),
    Kind.RETURN: Shape(
        "goods came back", ("amount_cents",), ("order_id", "return_reason", "margin_cents", "sku"), "S2"
    ),
    Kind.MAINTENANCE_FEE: Shape(
        "a fee was paid",
        ("amount_cents",),
        ("period_ms", "margin_cents", "contract_end_ms"),
        "S4: maintenance fees",
    ),
    Kind.FREE_REPLACEMENT: Shape(
        "a replacement was given", (), ("cost_cents", "case_id", "sku"), "S2: replacement"
    ),
    Kind.CREDIT: Shape("a credit was given", ("amount_cents",), ("case_id", "reason"), "S2: winning back"),
    Kind.CONCESSION: Shape("a concession was made", ("amount_cents",), ("case_id", "reason"), "S2: winning back"),
    Kind.REFERRAL_CREDIT: Shape("a referral was thanked", (), ("amount_cents", "referred_customer_id"), "S4"),
    Kind.CHARGEBACK: Shape("a charge was disputed", ("amount_cents",), ("fee_cents", "resolved"), "S3"),
    Kind.CONTRACT_SIGNED: Shape(
        "a contract was signed; amount_cents is its fee for each period_ms",
        ("amount_cents", "period_ms", "contract_end_ms"),
        ("margin_cents", "termination_fee_cents"),
        "S4: fees that pay for heavy support later",
    ),
}

NEEDED: dict[Kind, frozenset[str]] = {
    kind: frozenset(("ts_ms", "kind") if kind is Kind.PROGRESS else (*COMMON, *shape.needs))
    for kind, shape in SHAPES.items()
}
"""The fields without which a kind is refused."""


@dataclass(slots=True)
class Event:
    """One accepted event: numbers as columns want them, texts as they were sent."""

    numbers: dict[str, int]
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def ts_ms(self) -> int:
        """When it happened, ms UTC."""
        return self.numbers["ts_ms"]

    @property
    def kind(self) -> Kind:
        """What happened."""
        return Kind(self.numbers["kind"])

    @property
    def customer_id(self) -> str:
        """Who it happened to; empty for progress."""
        return self.texts.get("customer_id", "")
