"""What the parts of an export mean, and what is decided by machine: sentences that are the same for everybody."""

from collections.abc import Mapping

from schemas.codes import Machine

MEANINGS: Mapping[str, str] = {
    "customers": """Counts, sums and dates worked out from the events below, and what follows from them: how likely
        you are to leave, what serving you costs and who caused it, what we owe you.""",
    "ledger": """Your calls, chats, tickets, purchases and what we did about them, as our support and sales systems
        reported them. Everything else here is worked out from these.""",
    "alerts": "Messages to our support staff that somebody should look at how you are served, with the reasons.",
    "alerts_held": """When many customers are affected at once, messages wait until a person has found out why;
        nobody acts on them before.""",
    "holds": """Whether marketing may write to you, or must leave you in peace because we have something to put
        right.""",
    "insights": "A list of former or quieter customers whom our staff may ask once more; made anew each night.",
    "desk_actions": "What our staff did about a message: took it up, settled it, or said that it was wrong.",
    "dead_letters": "Records that named you and had a mistake, so that they counted for nothing.",
}
"""What is held under each role of a topic."""

CONCLUDED: Mapping[Machine, tuple[str, ...]] = {
    Machine.VALUE: tuple(f"serving you costs more than it brings{how}" for how in ("", ", by far", ", for long")),
    Machine.CHURN: ("you may leave us", "you are very likely to leave us"),
    Machine.SERVICE: (
        "we have failed you, and it is not made good yet",
        "we have failed you more than once, and it is not made good yet",
    ),
    Machine.CAUSE: ("our own faults cost more than what you bring",),
    Machine.HOLD: ("you are to be left in peace for now",),
    Machine.GAMING: (
        "you called often and briefly, and may want to leave; that counts neither for nor against you",
    ),
    Machine.BEST: ("you are one of our best customers, and may leave",),
    Machine.REFERRAL: ("you may be asked whether you would recommend us",),
    Machine.GEM: ("you bring much and ask for little",),
    Machine.NEWS: ("there is good news of you, or thanks are owed to you",),
}
"""What each state but the one at rest says to whom it is about; the codes stand in the JSON."""

AUTOMATED = (
    """By machine: the row, its risk and its states; which messages our staff see, in which order, and what they
    are proposed to do; and that marketing leaves you in peace. All of it follows from the events above, by rules
    that are written down, and cost that we caused never counts against you.""",
    """Not by machine: whether anything is done. whaleline ends, blocks, slows and prices nothing; a person decides
    on every message, and a wave of them is held until a person has looked. So it takes no decision by itself that
    has legal or similarly significant effects (GDPR article 22).""",
)

RIGHTS = (
    """A human look: say that you see it otherwise. Staff mark a message as not right, set who caused a problem, or
    keep a kind of message away from you; each is written down with a name and a reason, and stands above.""",
    """A correction: the events come from our support and sales systems; a corrected event, sent again by them,
    changes all that follows from it.""",
    "Erasure: all of this can be deleted when you ask for it, the last of it within the times above.",
)
