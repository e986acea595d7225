"""Made-up customers who call and buy now: for trying a deployment, and for loading one."""

from random import Random
from typing import Any, Literal

Topic = Literal["support", "purchases"]
PREFIX = "made-up-"
REASONS = ("how to", "delivery", "invoice", "broken")


class Crowd:
    """A crowd of customers; the same seed makes the same events, but for their times and ids."""

    def __init__(self, customers: int, run: str, seed: int = 1) -> None:
        """``run`` tells this run's event ids from another's."""
        self._customers, self._run = customers, run
        self._random = Random(f"crowd {seed}")
        self._number = 0

    def event(self, now_ms: int) -> tuple[Topic, dict[str, Any]]:
        """What happens next: mostly purchases and contacts, seldom praise, and seldom a failure of ours."""
        self._number += 1
        draw, chance = self._random, self._random.random()
        # Few of them call much: the square draws low numbers more often.
        customer = f"{PREFIX}{int(draw.random() ** 2 * self._customers)}"
        about = {"customer_id": customer, "event_id": f"{self._run}-{self._number}", "ts_ms": now_ms}
        if chance < 0.40:
            amount = {
                "amount_cents": round(draw.lognormvariate(8.0, 1.0)),
                "product_line": f"line-{draw.randrange(4)}",
            }
            return "purchases", {**about, "kind": "purchase", **amount}
        if chance < 0.9990:
            kind = draw.choice(("chat", "call_closed", "email", "self_service"))
            handled = {} if kind == "self_service" else {"handle_ms": round(draw.lognormvariate(12.2, 0.6))}
            told = {"reason": draw.choice(REASONS)} if kind in ("chat", "call_closed") else {}
            return "support", {**about, "kind": kind, **handled, **told}
        if chance < 0.9995:
            return "support", {**about, "kind": "praise"}
        return "support", {**about, "kind": "rude_call", "observer": "qa"}
