"""What stands beside the evidence of an alert: what the customer went through, which no score counts by itself."""

from collections.abc import Sequence
from typing import Any

from kernels import grounds
from schemas.alerts import Evidence

DAY_MS = 86_400_000


def facts_of(row: Any, now_ms: int) -> list[Evidence]:
    """The customer's own effort, what was decided at their contacts, and how long they are without the product.

    Contributions are 0: facts for whoever reads the alert, with nothing added up.
    """
    out = []
    if row["effort_minutes"] > 0:
        out.append(Evidence("customer_effort", float(row["effort_minutes"]), "minutes", "ever", 0.0))
    if row["refused"] > 0:
        out.append(Evidence("refused_contacts", float(row["refused"]), "contacts", "ever", 0.0))
    if row["kept"] > 0:
        out.append(Evidence("kept_contacts", float(row["kept"]), "contacts", "ever", 0.0))
    if grounds.repairs(row.reshape(1)):
        days = (now_ms - int(row["repair_in_ms"])) // DAY_MS
        out.append(Evidence("without_product", float(days), "days", "since it came in", 0.0))
    return out


def told(evidence: Sequence[Evidence]) -> tuple[str, ...]:
    """The facts among the evidence, as sentences."""
    found = {one.name: round(one.value) for one in evidence if one.contribution == 0.0}
    out = []
    if found.get("without_product"):
        out.append(f"They have been without it for {counted(found['without_product'], 'day')}.")
    if found.get("customer_effort"):
        out.append(f"They have spent {hours(found['customer_effort'])} on ways around our faults.")
    if found.get("refused_contacts"):
        chosen = counted(found["refused_contacts"] + found.get("kept_contacts", 0), "contact")
        out.append(f"At {found['refused_contacts']} of {chosen} it was decided to refuse them.")
    return tuple(out)


def counted(amount: float, what: str) -> str:
    """So many of something, in whole ones: ``1 day``, ``3 days``."""
    whole = round(amount)
    return f"{whole} {what}" if whole == 1 else f"{whole} {what}s"


def times(count: int) -> str:
    """How often, as people say it: ``once``, ``3 times``."""
    return "once" if count == 1 else f"{count} times"


def hours(minutes: int) -> str:
    """Minutes as people say them: ``3 h 20 min``."""
    whole, rest = divmod(minutes, 60)
    return " ".join(filter(None, (f"{whole} h" if whole else "", f"{rest} min" if rest or not whole else "")))
