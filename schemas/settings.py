"""What a setting of the policy is, and those of the relationship machines."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """One number of the policy, its bounds and what it does."""

    section: str
    key: str
    default: int | float
    low: float
    high: float
    doc: str

    @property
    def name(self) -> str:
        """The name kernels read it by."""
        return f"{self.section}_{self.key}"


_S = Setting
RELATIONS: tuple[Setting, ...] = (
    _S("gaming", "contacts", 15, 2, 255, "contacts in 24 hours from which speed-dialling is suspected"),
    _S("gaming", "short_share", 0.7, 0.0, 1.0, "share of them that are 90 seconds or shorter"),
    _S("gaming", "leaving_days", 30, 0, 365, "how long a question about leaving counts as a wish to leave"),
    _S("gaming", "unresolved", 1.0, 0.0, 100.0, "unresolved-repeat evidence from which the calls are honest"),
    _S("gaming", "days", 14, 1, 365, "the suspicion ends by itself after so many days"),
    _S("gaming", "cooldown_days", 14, 1, 365, "do not suspect again this soon"),
    _S("best", "worth_cents", 60_000, 0, 10**12, "a best customer is worth at least this; an absolute amount"),
    _S("best", "lines", 3, 2, 4, "product lines that make an owner of many; half the worth is enough then"),
    _S("best", "risk", 0.20, 0.0, 1.0, "vulnerable when the 90-day risk is at least this"),
    _S("best", "clear_risk", 0.15, 0.0, 1.0, "safe again below this"),
    _S("best", "usual_ratio", 2.0, 1.0, 100.0, "vulnerable too at this multiple of the customer's own usual risk"),
    _S("best", "usual_clear_ratio", 1.5, 1.0, 100.0, "safe again below this multiple"),
    _S("best", "usual_floor", 0.05, 0.0, 1.0, "but only where the risk is at least this"),
    _S("best", "usual_half_life_days", 90.0, 1.0, 3650.0, "half-life of the usual risk"),
    _S("best", "offer_days", 14, 0, 365, "how long a rival's offer is open"),
    _S("best", "dwell_days", 7, 0, 365, "stay at least this long once entered"),
    _S("best", "cooldown_days", 28, 0, 365, "do not enter again this soon after clearing"),
    _S("referral", "quiet_days", 180, 1, 3650, "days without a failure before anybody is asked"),
    _S("referral", "csat_share", 0.9, 0.0, 1.0, "the last satisfaction score, as a share of its scale"),
    _S(
        "referral",
        "word_days",
        120,
        1,
        3650,
        "a good score, praise, growth or a referral from the customer this new",
    ),
    _S("referral", "tenure_days", 180, 0, 3650, "days since the first event"),
    _S("referral", "repeat_days", 3, 0, 1000, "days with a purchase after the first"),
    _S("referral", "most_gone", 0.2, 0.0, 1.0, "chance of being gone, at most"),
    _S("referral", "clear_gone", 0.3, 0.0, 1.0, "withdrawn above this"),
    _S("referral", "recent_days", 60, 0, 3650, "a contact or purchase this recent"),
    _S("referral", "stay_days", 90, 1, 3650, "withdrawn when the last one is older than this"),
    _S("referral", "min_worth_cents", 30_000, 0, 10**12, "a customer worth less is not asked"),
    _S("referral", "ask_days", 180, 1, 3650, "one ask in so many days"),
    _S("referral", "thank_days", 7, 0, 365, "a referral is to be thanked for within so many days"),
    _S("referral", "cooldown_days", 180, 0, 365, "do not call ready again this soon after withdrawing"),
    _S("gem", "min_periods", 6, 1, 12, "full 28-day periods that must have been observed: half a year"),
    _S("gem", "annual_cents", 50_000, 0, 10**9, "expected net of a year, at least"),
    _S("gem", "clear_annual_cents", 25_000, 0, 10**9, "ordinary again below this"),
    _S("gem", "contacts", 2, 0, 1000, "contacts a year, at most: little attention"),
    _S("gem", "revenue_cents", 150_000, 0, 10**12, "revenue of a year, at most: quiet, no account anyone names"),
    _S("gem", "dwell_days", 180, 0, 3650, "stay at least this long once entered"),
    _S("gem", "cooldown_days", 180, 0, 3650, "do not enter again this soon after clearing"),
    _S("winback", "days", 365, 1, 3650, "how long a lost deal is on the list of those to win back"),
    _S(
        "winback",
        "share",
        0.5,
        0.0,
        1.0,
        "buys less: half a year's revenue is at most this share of the one before",
    ),
    _S("winback", "line_days", 120, 1, 3650, "a product line is left when others are bought so long after it"),
    _S("mood", "words", 5, 2, 1000, "moods that must have been noticed before one can sink"),
    _S("mood", "memory", 16, 2, 1000, "moods over which the usual one is the mean; older ones fade"),
    _S("mood", "drop", 0.4, 0.01, 2.0, "a mood so far below the customer's own usual one sinks"),
    _S("news", "days", 7, 1, 365, "good news is good news for so long"),
)
"""Who is suspected of gaming, protected, asked, pointed out and thanked, and whose mood sinks."""
