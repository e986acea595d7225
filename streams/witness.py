"""One customer in a recorded history: what happened, what was concluded of it, and how they stood at a time.

The whole history is judged by ``streams.rejudge``, as it was live; kept is what concerns the one customer.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels import scores as kernel
from kernels.settle import settle
from schemas import state
from schemas.alerts import Alert, Hold, Step
from schemas.block import Block, decode, is_control
from schemas.codes import ALERT_NAMES, STATE_NAMES, Machine
from schemas.events import DAY_MS
from schemas.policy import Policy
from streams import clearpath
from streams.fields import fields_at
from streams.intake import ledger_partition
from streams.opened import open_block
from streams.outcome import Outcome
from streams.pipeline import Pipeline, Record
from streams.rejudge import Judge, judge_file

OUT, WAITS, HELD = "went out", "waits an hour before it goes out", "is held by an incident"

Row = NDArray[np.void]
"""One customer's row, shape (1,)."""


class ExplainError(RuntimeError):
    """Nothing can be said of the customer; the message is one sentence."""


class Happened(NamedTuple):
    """An event of the customer: its digest, by which evidence points at it, and the fields that were sent."""

    digest: str
    fields: dict[str, Any]


class Standing(NamedTuple):
    """How the customer stood at one midnight, or at the end."""

    ts_ms: int
    risk_ppm: int
    gone_ppm: int
    year_cents: int
    net_year_cents: int
    company_ppm: int
    worth_cents: int
    p_negative_ppm: int


@dataclass(slots=True)
class Account:
    """Everything that is known of one customer at ``as_of_ms``."""

    customer_id: str
    as_of_ms: int
    policy: Policy
    row: Row
    now: Standing
    states: dict[str, tuple[str, int]]
    events: list[Happened] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    fates: dict[str, str] = field(default_factory=dict)
    holds: list[Hold] = field(default_factory=list)
    hold_ms: list[int] = field(default_factory=list)
    days: list[Standing] = field(default_factory=list)
    paths: dict[str, tuple[tuple[Step, ...], ...]] = field(default_factory=dict)
    late: int = 0
    """Events of a file, anybody's, that stand behind one of a later hour."""


def stand(row: Row, now_ms: int, policy: Policy) -> Standing:
    """Score a row, which is settled to the day of ``now_ms`` for it, as the judge does at a crossing."""
    score, day, rules = np.zeros(1, state.SCORES), now_ms // DAY_MS, policy.record[0]
    one, into = row[0], score[0]
    settle(one, day, rules)
    kernel.score_value(one, day, rules, into)
    kernel.score_risk(one, now_ms, rules, into)
    into["worth_cents"] = state.NEVER
    kernel.known_worth(one, day, rules, into)
    return Standing(
        *(now_ms, int(into["risk_ppm"]), int(into["gone_ppm"]), int(into["year_cents"])),
        *(int(into["net_year_cents"]), int(into["company_ppm"])),
        *(int(into["worth_cents"]), int(into["p_negative_ppm"])),
    )


class _Witness(Judge):
    """A judge that remembers one customer."""

    def __init__(self, app_id: str, partitions: int, name: str, customer_id: str) -> None:
        super().__init__(app_id, partitions, name)
        self.customer_id, self._key = customer_id, customer_id.encode()
        self._home = ledger_partition(customer_id, partitions)
        self.events: dict[str, Happened] = {}
        self.alerts: list[Alert] = []
        self.fates: dict[str, str] = {}
        self.holds: list[tuple[int, Hold]] = []
        self.days: list[Standing] = []
        self._before: Row | None = None

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline of the customer's partition."""
        return self.pipelines[self._home]

    def judge(self, partition: int, record: Record) -> None:
        """Judge a record, and note the customer's events in it."""
        super().judge(partition, record)
        if partition == self._home:
            if self._key in record.value and not is_control(record.value):
                self._note(record.value)
            self._before = self.row()

    def _note(self, value: bytes) -> None:
        block, opened = decode(value), open_block(value, lambda _: 0)
        assert isinstance(block, Block)
        whose = block.column("customer_id")
        for at in range(block.n):
            if block.text(int(whose[at])) == self._key:
                digest = f"{int(opened.events['event_id'][at]):016x}"
                self.events.setdefault(digest, Happened(digest, fields_at(block, at)))

    def row(self) -> Row | None:
        """The customer's row as it is now, a copy; None for somebody nobody has heard of."""
        arena = self.pipeline.arena
        slot = arena.find(self._key)
        return None if slot is None else arena.rows[slot : slot + 1].copy()

    def heard(self, partition: int, outcome: Outcome) -> None:
        """Keep what was said of the customer, and how they stood at each midnight."""
        for fate, alerts in ((WAITS, outcome.produced), (HELD, outcome.held), (OUT, outcome.alerts)):
            self.fates |= {one.alert_id: fate for one in alerts if one.customer_id == self.customer_id}
        self.alerts += [one for one in outcome.produced if one.customer_id == self.customer_id]
        if partition != self._home:
            return
        self.holds += [(self._moment(), one) for one in outcome.holds if one.customer_id == self.customer_id]
        midnights = [tick for tick in outcome.ticks if tick % DAY_MS == 0]
        policy = self.pipeline.policy
        for tick in midnights:
            # Between two records nothing happened to them: the row before is the row of the midnights between.
            row = self.row() if tick == midnights[-1] else self._before
            if row is not None and policy is not None and int(row["day"][0]) != state.NEVER:
                self.days.append(stand(row.copy(), tick, policy))

    def _moment(self) -> int:
        """When what is judged now is concluded: the newest of the row's events and the last tick."""
        row = self.row()
        heard = -1 if row is None else int(row["last_event_ms"][0])
        return max(self.pipeline.last_tick_ms, heard)

    def account(self, as_of_ms: int | None) -> Account:
        """Tell everything. Raises ``ExplainError`` for somebody who is not in the history."""
        row, policy = self.row(), self.pipeline.policy
        if row is None or policy is None or int(row["day"][0]) == state.NEVER:
            when = "" if as_of_ms is None else " before that time"
            raise ExplainError(f"{self.name}: there is no event of customer {self.customer_id!r} in it{when}")
        now_ms = self._moment()
        now = stand(row, now_ms, policy)
        account = Account(
            *(self.customer_id, max(now_ms, as_of_ms or 0), policy, row, now, {}),
            events=sorted(self.events.values(), key=lambda one: one.fields["ts_ms"]),
            alerts=self.alerts,
            fates=self.fates,
            holds=[one for _, one in self.holds],
            hold_ms=[at for at, _ in self.holds],
            days=[*(one for one in self.days if one.ts_ms < now_ms), now],
            late=self.late,
        )
        for machine in Machine:
            number = int(row["state"][0][machine])
            account.states[machine.name.lower()] = (
                STATE_NAMES[machine][number],
                int(row["since_ms"][0][machine]) if number else -1,
            )
            if number and machine in ALERT_NAMES:
                account.paths[ALERT_NAMES[machine]] = clearpath.find(row[0], machine, now_ms, policy)
        return account


def explain(
    customer_id: str, events: Path, policy: Policy | None = None, *, app_id: str = "whaleline",
    partitions: int = 1, currency: str = "USD", as_of_ms: int | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Account:  # fmt: skip
    """Judge ``events`` up to a time and tell of one customer.

    ``policy`` None is the ledger's own policies, or the default one. Raises ``ExplainError``, ``ReplayError`` or
    ``FileError``.
    """
    judge = judge_file(
        *(events, lambda count: _Witness(app_id, count, str(events), customer_id), policy),
        partitions=partitions,
        currency=currency,
        as_of_ms=as_of_ms,
        progress=progress,
    )
    assert isinstance(judge, _Witness)
    return judge.account(as_of_ms)
