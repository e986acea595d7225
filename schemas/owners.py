"""Who owns an alert: the policy's section ``owner``, a default and, where wanted, one for each kind of alert."""

from collections.abc import Mapping
from typing import Any

from schemas.codes import ALERT_NAMES

DEFAULT = "customer_support"
MOST_CHARACTERS = 100
KEYS = ("default", *ALERT_NAMES.values())


def read(table: Mapping[str, Any], where: str) -> dict[str, str]:
    """The owners by alert name, ``default`` always among them. Raises ``ValueError`` with one sentence."""
    for key, owner in table.items():
        if key not in KEYS:
            raise ValueError(f"{where}: [owner] {key} is not known; allowed are {', '.join(KEYS)}")
        if not isinstance(owner, str) or not 0 < len(owner.strip()) <= MOST_CHARACTERS:
            raise ValueError(
                f"{where}: [owner] {key} = {owner!r} must be a name of 1 to {MOST_CHARACTERS} characters"
            )
    return {"default": DEFAULT, **{key: owner.strip() for key, owner in table.items()}}


def toml_lines() -> list[str]:
    """The section with its default."""
    return [
        "",
        '# who owns an alert: by its name, as churn_risk = "retention"; else the customer\'s floor; else this',
        "[owner]",
        f'default = "{DEFAULT}"',
    ]
