"""Every code that is written down somewhere: append-only, never renumbered, never reused."""

from enum import IntEnum, IntFlag


class Kind(IntEnum):
    """What happened. Support kinds stay below 64, purchase kinds start there."""

    CALL_OPENED = 1
    CALL_CLOSED = 2
    CHAT = 3
    EMAIL = 4
    TICKET_OPENED = 5
    TICKET_REPLY = 6
    TICKET_RESOLVED = 7
    TICKET_REOPENED = 8
    REPAIR_IN = 9
    REPAIR_OUT = 10
    DISPATCH = 11
    PART_SHIPPED = 12
    PART_WRONG = 13
    PRODUCT_EOL = 14
    ESCALATION_REQUESTED = 15
    ESCALATION_GRANTED = 16
    ESCALATION_DENIED = 17
    CALLBACK_PROMISED = 18
    CALLBACK_MADE = 19
    CALLBACK_MISSED = 20
    CANCEL_REQUEST = 21
    ETF_QUERY = 22
    ABUSE_FLAG = 23
    RUDE_CALL = 24
    CSAT = 25
    SENTIMENT = 26
    REVIEW = 27
    CONTACT_SENT = 28
    PROMISE_REVERSED = 29
    UPSELL_AS_REMEDY = 30
    EXECUTIVE_APPEAL = 31
    COMPETITOR_OFFER = 32
    WORKAROUND_EFFORT = 33
    SPECIFICATION_GAP = 34
    DEAL_LOST = 35
    FAULT_OPENED = 36
    FAULT_CLOSED = 37
    SELF_SERVICE = 38
    PRAISE = 39
    EXPANSION = 40
    REFERRAL_GIVEN = 41
    LOCK_OUT = 42
    IDENTITY_REFUSED = 43
    PROGRESS = 63
    PURCHASE = 64
    REFUND = 65
    RETURN = 66
    MAINTENANCE_FEE = 67
    FREE_REPLACEMENT = 68
    CREDIT = 69
    CONCESSION = 70
    REFERRAL_CREDIT = 71
    CHARGEBACK = 72
    CONTRACT_SIGNED = 73


FIRST_PURCHASE_KIND = 64


class Channel(IntEnum):
    """How a contact reached us."""

    VOICE = 1
    CHAT = 2
    EMAIL = 3
    SELF_SERVICE = 4
    LETTER = 5
    SHOP = 6


class Cause(IntEnum):
    """Who caused a cost, as set by a human; overrides every rule."""

    COMPANY = 1
    CUSTOMER = 2
    NEUTRAL = 3


class Fault(IntEnum):
    """The four columns a cost can be booked in, in the order of the row's cost columns."""

    COMPANY = 0
    CUSTOMER = 1
    SHARED = 2
    UNKNOWN = 3


class Author(IntEnum):
    """Who wrote a ticket reply."""

    AGENT = 1
    CUSTOMER = 2


class Observer(IntEnum):
    """Who noticed a mood, a rude call or an abuse."""

    QA = 1
    CUSTOMER = 2
    MODEL = 3
    HUMAN = 4


class ReturnReason(IntEnum):
    """Why goods came back."""

    DEFECT = 1
    WRONG = 2
    REMORSE = 3
    OTHER = 4


class Alternative(IntEnum):
    """What is offered in place of a product whose parts ended."""

    TRADE_IN = 1
    THIRD_PARTY = 2
    UPGRADE = 3


class Purpose(IntEnum):
    """Why the company wrote to the customer."""

    MARKETING = 1
    REVIEW_ASK = 2
    REFERRAL_ASK = 3


class Decision(IntEnum):
    """What the agent chose at a contact: every contact is a choice to keep a customer or to lose them."""

    KEEP = 1
    REFUSE = 2


class Answer(IntEnum):
    """A yes or no that may also be absent (0)."""

    NO = 1
    YES = 2


class Machine(IntEnum):
    """The state machines a customer has."""

    VALUE = 0
    CHURN = 1
    SERVICE = 2
    CAUSE = 3
    HOLD = 4
    GAMING = 5
    BEST = 6
    REFERRAL = 7
    GEM = 8
    NEWS = 9


class Change(IntEnum):
    """What a state machine did."""

    ENTERED = 1
    ESCALATED = 2
    CLEARED = 3


STATE_NAMES = {
    Machine.VALUE: ("neutral", "value_destroyer", "value_destroyer_severe", "value_destroyer_lasting"),
    Machine.CHURN: ("calm", "churn_risk", "churn_risk_high"),
    Machine.SERVICE: ("served", "failed", "failed_again"),
    Machine.CAUSE: ("neutral", "fix_the_cause"),
    Machine.HOLD: ("welcome", "held"),
    Machine.GAMING: ("plain", "gaming_suspected"),
    Machine.BEST: ("safe", "vulnerable"),
    Machine.REFERRAL: ("not_yet", "referral_ready"),
    Machine.GEM: ("ordinary", "hidden_gem"),
    Machine.NEWS: ("quiet", "good_news"),
}
"""State numbers by machine: 0 is where everyone starts and may always return to."""

ALERT_NAMES = {
    Machine.VALUE: "value_destroyer",
    Machine.CHURN: "churn_risk",
    Machine.SERVICE: "service_failure",
    Machine.CAUSE: "fix_the_cause",
    Machine.GAMING: "gaming_suspected",
    Machine.BEST: "vulnerable_best_customer",
    Machine.REFERRAL: "referral_ready",
    Machine.GEM: "hidden_gem",
    Machine.NEWS: "good_news",
}
"""What a machine's alerts are called; a hold is no alert, it has a topic of its own."""


class HoldReason(IntFlag):
    """Why nothing may be sold to, or asked of, a customer for now."""

    OPEN_CASE = 1
    UNANSWERED = 2
    FAILURE = 4
    SERVICE = 8
    CHURN = 16
    NEGATIVE_REVIEW = 32


_ALL = (Purpose.MARKETING, Purpose.REVIEW_ASK, Purpose.REFERRAL_ASK)
FORBIDS: dict[HoldReason, tuple[Purpose, ...]] = {
    HoldReason.OPEN_CASE: _ALL,
    HoldReason.UNANSWERED: _ALL,
    HoldReason.FAILURE: _ALL,
    HoldReason.SERVICE: _ALL,
    HoldReason.CHURN: (Purpose.MARKETING, Purpose.REFERRAL_ASK),
    HoldReason.NEGATIVE_REVIEW: (Purpose.REVIEW_ASK,),
}
"""Which purposes each reason of a hold forbids."""


class News(IntEnum):
    """Why a customer is in the state of good news."""

    HEARD = 1
    THANKS_OWED = 2


class Driver(IntEnum):
    """What a customer stays for, or what an alert is about: money in, money out, safety or feeling."""

    REVENUE = 1
    COST = 2
    RISK = 3
    EMOTION = 4


class Stage(IntEnum):
    """How far a customer's loyalty has grown, from the product to the people."""

    STRANGER = 0
    BUYER = 1
    REPEAT = 2
    LOYAL = 3
    ADVOCATE = 4


class Moment(IntEnum):
    """A wrong done to a customer that the floor hears of as what it is."""

    RUDE_CALL = 1
    ESCALATION_DENIED = 2
    WRONG_PART_TWICE = 3
    TICKET_UNANSWERED = 4
    CALLBACK_MISSED = 5
    REPEAT_FAULT = 6
    REPAIR_OVERDUE = 7
    PROMISE_REVERSED = 8
    UPSELL_AS_REMEDY = 9
    EXECUTIVE_APPEAL = 10
    SPECIFICATION_GAP = 11
    DEFECT_REVIEW = 12
    CONTACT_BURST = 13
    CONTACT_DURING_FAILURE = 14
    THIRD_CONTACT = 15
    APPEAL_UNANSWERED = 16
    LOCKED_OUT = 17
    CANCEL_REQUESTED = 18
    IDENTITY_REFUSED = 19
    MOOD_SINKING = 20


class Evidence(IntEnum):
    """Decayed evidence of failure and recovery, in the order of the row's evidence column."""

    UNRESOLVED_REPEAT = 0
    ESCALATION_DENIED = 1
    RUDE_CALL = 2
    WRONG_PART = 3
    CALLBACK_MISSED = 4
    NEGATIVE_REVIEW = 5
    RECOVERY = 6
    LOW_CSAT = 7
    CANCEL_REQUEST = 8
    BROKEN_PROMISE = 9
    LEAVING_SIGNAL = 10
    REPAIR_TROUBLE = 11
    UNANSWERED_TICKET = 12


DECAYED = 12
"""The first twelve kinds of evidence decay; an unanswered ticket is counted live."""


class Term(IntEnum):
    """What the 90-day risk's log-odds are made of, in the order of the policy's ``risk_weight``."""

    FILTER = 0
    REPEATS = 1
    OVERDUE = 2
    REGULAR = 3
    GONE = 4
    TENURE = 5
    OPEN_CASES = 6
    OPEN_AGE = 7
    OPEN_CONTACTS = 8
    SUBSCRIBED = 9
    CANCEL = 10
    FEE_OVERDUE = 11


class CaseFlag(IntFlag):
    """What is known of one open case."""

    DEFECT = 1
    WRONG_PART = 2
    PRODUCT_EOL = 4
    REPAIR = 8
    CALLBACK_MISSED = 16
    REOPENED = 32
    KNOWN_FAULT = 64
    TOLD_UNANSWERED = 128
    UNANSWERED = 256
    TICKET = 512
    REPEAT = 1024
    LOCKED_OUT = 2048
    PROMISE_BROKEN = 4096
    APPEALED = 8192


class Remedy(IntFlag):
    """What was tried for a customer who costs more than they bring, beside asking them to go."""

    SELF_SERVICE = 1
    CHARGE = 2
    CONCESSION = 4


class Control(IntEnum):
    """Ledger entries that are not customer events."""

    SOURCES = 1
    POLICY = 2
    PROGRESS = 3
    RETIRE = 4
    RELEASE = 5
    ERASE = 6


class Reason(IntEnum):
    """Why a payload was refused. The name is the reason code on the dead-letter record."""

    TOO_LARGE = 1
    NOT_A_MAP = 2
    UNDECODABLE = 3
    TOO_DEEP = 4
    DUPLICATE_FIELD = 5
    VERSION = 6
    UNKNOWN_KIND = 7
    WRONG_TOPIC = 8
    MISSING_FIELD = 9
    WRONG_TYPE = 10
    OUT_OF_RANGE = 11
    NOT_A_NUMBER = 12
    CURRENCY = 13
    EMPTY = 14
    FUTURE = 15
