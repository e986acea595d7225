"""What an event says of money to come: a contract, a loss that later sales earn back, a remedy that was tried."""

from typing import Final

from kernels._jit import kernel
from kernels.cost import CONCESSION, CONTRACT_SIGNED, CREDIT, FEE, PURCHASE, SELF_SERVICE, fee_margin_cents
from kernels.rings import bounded
from kernels.shapes import Event, Row, Rules
from schemas.codes import Kind, Machine, Remedy
from schemas.events import ABSENT

CANCEL_REQUEST: Final = int(Kind.CANCEL_REQUEST)
ETF_QUERY: Final = int(Kind.ETF_QUERY)
BY_SELF_SERVICE: Final = int(Remedy.SELF_SERVICE)
BY_CHARGE: Final = int(Remedy.CHARGE)
BY_CONCESSION: Final = int(Remedy.CONCESSION)
VALUE: Final = int(Machine.VALUE)
DAY_MS: Final = 86_400_000


@kernel
def remember_contract(row: Row, event: Event, rules: Rules) -> None:
    """Keep when the contract ends, what leaving costs, and which fee is known to come in which rhythm."""
    kind = int(event["kind"])
    if kind not in (FEE, CANCEL_REQUEST, ETF_QUERY, CONTRACT_SIGNED):
        return
    if kind == CANCEL_REQUEST:
        row["cancel_ms"] = max(row["cancel_ms"], event["ts_ms"])
    if event["contract_end_ms"] != ABSENT:
        row["contract_end_ms"] = max(row["contract_end_ms"], event["contract_end_ms"])
    if event["termination_fee_cents"] != ABSENT:
        row["termination_fee_cents"] = event["termination_fee_cents"]
    newest = event["ts_ms"] >= row["contract_from_ms"]
    if kind in (FEE, CONTRACT_SIGNED) and event["period_ms"] != ABSENT and newest:
        row["contract_from_ms"] = event["ts_ms"]
        row["contract_fee_cents"] = fee_margin_cents(event, rules)
        row["contract_period_days"] = int(event["period_ms"]) // DAY_MS


@kernel
def remember_loss(row: Row, kind: int, margin_cents: int, day: int) -> None:
    """Keep the newest day with a sale below cost, and what was lost on it."""
    if kind != PURCHASE or margin_cents >= 0 or day < row["loss_day"]:
        return
    before = int(row["loss_cents"]) if day == row["loss_day"] else 0
    row["loss_cents"] = bounded(before - margin_cents)
    row["loss_day"] = day


@kernel
def try_remedy(row: Row, kind: int, ts_ms: int) -> None:
    """Note a remedy that was tried since the customer was found to cost more than they bring."""
    if row["state"][VALUE] == 0 or ts_ms <= row["value_entered_ms"]:
        return
    if kind == SELF_SERVICE:
        row["remedies"] = int(row["remedies"]) | BY_SELF_SERVICE
    elif kind == CONTRACT_SIGNED:
        row["remedies"] = int(row["remedies"]) | BY_CHARGE
    elif kind in (CREDIT, CONCESSION):
        row["remedies"] = int(row["remedies"]) | BY_CONCESSION
