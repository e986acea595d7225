"""The slow judge: docs/model.md in dicts, lists and plain numbers, one event at a time.

It is written from that page alone and shares no line with the kernels, so that an error has to be made twice
to go unseen. ``folding.py`` is its section 2, ``scores.py`` its sections 3 and 4, this file the rest.
"""

from __future__ import annotations

from collections import deque
from functools import cache
from hashlib import blake2b
from typing import Any
from uuid import UUID

from schemas import policy, state
from schemas.block import Block, Entry, Source, decode
from schemas.codes import ALERT_NAMES, STATE_NAMES, Change, Control, Kind, Machine, Moment
from schemas.events import DAY_MS
from tests.oracle import economics, realign, relating, scores, timers
from tests.oracle.folding import fold
from tests.oracle.realign import move
from tests.oracle.rows import HOUR_MS, Heard, Row, Rules, day_of, ppm

RECENT = 65_536
LAST_DAYS_MS = 40 * DAY_MS
ERASED_DAYS = 400


class Oracle:
    """Judges the records of one ledger partition of ``partitions``.

    ``rows`` are the customers' rows, settled as far as the ledger left them; ``refused`` the events that went
    to the dead letters: (source, offset, reason).
    """

    def __init__(self, app_id: str, partitions: int = 1) -> None:
        self.rows: dict[bytes, Row] = {}
        self.refused: list[tuple[Source, int, str]] = []
        self.last_tick_ms: int | None = None
        self._app_id = app_id
        self._partitions = partitions
        self._rules = Rules(policy.parse(""))
        self._policy_version = 0
        self._marks: dict[Source, int] = {}
        self._recent: deque[int] = deque()
        self._recently: set[int] = set()
        self._topics: dict[bytes, int] = {}
        self._retired: set[bytes] = set()
        self._until: dict[Source, int] = {}
        self._least: int | None = None
        self._named: dict[str, bytes] = {}
        self._recorded = False
        self._erased: dict[bytes, int] = {}
        self._budget = economics.Budget(partitions)

    def step(self, record: bytes, offset: int, append_ms: int | None = None) -> list[dict[str, Any]]:
        """The alerts of one ledger record, in order.

        ``offset`` is the record's place in the ledger, told in errors only; without ``append_ms`` no event
        lies in the future.
        """
        try:
            read = decode(record)
        except ValueError as error:
            raise ValueError(f"ledger offset {offset}: {error}") from error
        if isinstance(read, Entry):
            return self._control(read, append_ms)
        return self._events(read, append_ms)

    def settled(self, day: int) -> dict[bytes, Row]:
        """Copies of all rows, settled to ``day``."""
        copies = {customer: row.copy() for customer, row in self.rows.items()}
        for row in copies.values():
            scores.settle(row, self._rules, day)
        return copies

    # Section 1: events.

    def _events(self, block: Block, append_ms: int | None) -> list[dict[str, Any]]:
        alerts = []
        for index in range(block.n):
            event = Heard(block, index)
            if self._admits(event, append_ms) and event.ts > self._erased.get(event.customer, -1):
                alerts += self._hear(event)
        return alerts

    def _admits(self, event: Heard, append_ms: int | None) -> bool:
        if event.offset <= self._marks.get(event.source, -1):
            return False
        self._marks[event.source] = event.offset
        if append_ms is not None:
            ahead = self._rules.ledger_future_tolerance_minutes * 60_000
            if event.ts > append_ms + ahead:
                self.refused.append((event.source, event.offset, "future"))
                return False
        if event.kind is Kind.PROGRESS:
            return False
        identity = event.identity()
        if identity in self._recently:
            return False
        self._recently.add(identity)
        self._recent.append(identity)
        if len(self._recent) > RECENT:
            self._recently.remove(self._recent.popleft())
        return True

    def _hear(self, event: Heard) -> list[dict[str, Any]]:
        tick = event.ts if self.last_tick_ms is None else self.last_tick_ms
        late = event.ts < tick
        row = self.rows.get(event.customer)
        now = max(event.ts, tick, state.NEVER if row is None else row.last_event_ms)
        if row is None:
            row = self.rows[event.customer] = Row()
            row.day, row.first_day = day_of(now), day_of(event.ts)
        else:
            scores.settle(row, self._rules, day_of(now))
            row.first_day = min(row.first_day, day_of(event.ts))
        row.last_event_ms = max(row.last_event_ms, event.ts)
        moment = fold(row, event, self._rules, now)
        due = 0 if moment is None else 1 << moment
        if late:
            row.pending = 1
            row.pending_moments |= due
            return []
        return self._budget.spend(self._conclude(event.customer, row, now, due), self._rules)

    # Section 5: conclusions.

    def _conclude(self, customer: bytes, row: Row, now: int, due: int) -> list[dict[str, Any]]:
        """The machines at ``now``; ``due`` are the moments' bits."""
        p90 = scores.risk(row, self._rules, now)
        value = scores.value(row, self._rules, now)

        @cache
        def worth() -> int:
            return scores.worth_cents(row, self._rules, now)

        def at_risk() -> int:
            return round(worth() * p90)

        gone = ppm(row.odds / (1 + row.odds))
        seen = relating.Seen(now, ppm(p90), gone, value.n, value.year_cents, value.year_contacts, worth)
        others = (row, self._rules, seen, move)
        before = list(row.state)
        listed = economics.worth_telling(row, self._rules, due & self._rules.moments, now)
        found = [
            (Machine.VALUE, realign.value_change(row, value, self._rules, now)),
            (Machine.CHURN, self._churn(row, ppm(p90), listed, now)),
            (Machine.SERVICE, self._service(row, listed, now)),
            (Machine.CAUSE, realign.cause_change(row, value, self._rules, now)),
            (Machine.GAMING, relating.gaming(*others)),
            (Machine.BEST, relating.best(*others)),
            (Machine.REFERRAL, relating.referral(*others)),
            (Machine.GEM, relating.gem(*others)),
            (Machine.NEWS, relating.news(*others)),
            (Machine.HOLD, relating.hold(*others)),
        ]
        alerts = []
        for machine, change in found:
            if change is None or machine is Machine.HOLD:
                continue
            tells = machine is Machine.SERVICE and change is not Change.CLEARED
            kind = f"{ALERT_NAMES[machine]}_{change.name.lower()}"
            episode, number = row.episode[machine], row.change[machine]
            lowest = Moment((listed & -listed).bit_length() - 1).name.lower() if tells else None
            alerts.append(
                {
                    "alert_id": self._alert_id(customer, kind, episode, number),
                    "kind": kind,
                    "customer_id": customer.decode(),
                    "ts_ms": now,
                    "episode": episode,
                    "change": number,
                    "moment": lowest,
                    "state_before": STATE_NAMES[machine][before[machine]],
                    "state_after": STATE_NAMES[machine][row.state[machine]],
                    "risk_ppm": ppm(p90),
                    "p_negative_ppm": value.p_negative_ppm,
                    "forward_year_cents": value.ahead(),
                    "fee_cover_ppm": value.fee_cover_ppm if value.fee_cover_ppm >= 0 else None,
                    "at_risk_cents": at_risk(),
                    "savable_cents": economics.savable_cents(row, self._rules, now),
                    "within_budget": True,
                }
            )
        return alerts

    def _alert_id(self, customer: bytes, kind: str, episode: int, change: int) -> str:
        again = b"/%d" % self._erased[customer] if customer in self._erased else b""
        parts = (self._app_id.encode() + again, customer, kind.encode(), b"%d" % episode, b"%d" % change)
        return blake2b(b"\x1f".join(parts), digest_size=16).hexdigest()

    def _churn(self, row: Row, risk_ppm: int, listed: int, now: int) -> Change | None:
        rules, machine = self._rules, Machine.CHURN
        if row.state[machine] == 0:
            known = listed | (row.failed_moments if row.state[Machine.SERVICE] else 0)
            if (
                now >= row.cooldown_until_ms[machine]
                and not known & 1 << Moment.CANCEL_REQUESTED
                and risk_ppm >= rules.ppm("churn_enter_probability")
                and economics.reaching_out_cents(row, rules, now) >= rules.churn_action_cents
            ):
                row.risk_calm_since_ms = state.NEVER
                return move(row, machine, 1, now)
            return None
        calm = risk_ppm <= rules.ppm("churn_clear_probability")
        if not calm:
            row.risk_calm_since_ms = state.NEVER
        elif row.risk_calm_since_ms == state.NEVER:
            row.risk_calm_since_ms = now
        since_day = day_of(row.since_ms[machine])
        for_long = calm and now - row.risk_calm_since_ms >= rules.churn_clear_days * DAY_MS
        if for_long or (calm and row.last_purchase_day > since_day and not row.any_open()):
            row.risk_calm_since_ms = state.NEVER
            row.cooldown_until_ms[machine] = now + rules.churn_cooldown_days * DAY_MS
            return move(row, machine, 0, now)
        jumped = (
            day_of(now) > since_day
            and risk_ppm >= rules.ppm("churn_jump_floor_probability")
            and risk_ppm - row.risk_day_start_ppm >= rules.ppm("churn_jump_probability")
        )
        if row.state[machine] == 1 and (jumped or risk_ppm >= rules.ppm("churn_high_probability")):
            return move(row, machine, 2, now)
        return None

    def _service(self, row: Row, due: int, now: int) -> Change | None:
        rules, machine = self._rules, Machine.SERVICE
        if due:
            if row.state[machine] == 0:
                row.failed_moments = due
                row.failed_last_ms = now
                return move(row, machine, 1, now)
            new = due & ~row.failed_moments
            row.failed_moments |= due
            if new or now - row.failed_last_ms >= rules.service_cooldown_hours * HOUR_MS:
                row.failed_last_ms = now
                return move(row, machine, 2, now)
            return None
        if row.state[machine] == 0 or row.owed() or row.appeal_ms > row.appeal_answered_ms:
            return None
        quiet = now - row.failed_last_ms >= rules.service_quiet_days * DAY_MS
        if quiet or (not row.any_open() and row.recovered_ms > row.failed_last_ms):
            row.failed_moments = 0
            return move(row, machine, 0, now)
        return None

    # Section 6: control entries and ticks.

    def _erase(self, customer: bytes, append_ms: int | None) -> None:
        """Section 6: whoever is erased is as if never heard of, and nothing of before counts ever again."""
        row = self.rows.pop(customer, None)
        times = [-1 if row is None else row.last_event_ms, -1 if self.last_tick_ms is None else self.last_tick_ms]
        if append_ms is not None and not self._recorded:
            times.append(append_ms)
        self._erased[customer] = max(*times, self._erased.get(customer, -1))

    def _control(self, entry: Entry, append_ms: int | None) -> list[dict[str, Any]]:
        body = entry.body
        if entry.control is Control.POLICY:
            if body["version"] > self._policy_version:
                self._policy_version = body["version"]
                if self.last_tick_ms is not None:
                    for row in self.rows.values():
                        scores.settle(row, self._rules, day_of(self.last_tick_ms))
                self._rules = Rules(policy.parse(body["toml"]))
            return []
        if entry.control is Control.ERASE:
            self._erase(body["customer_id"].encode(), append_ms)
            return []
        if entry.control is Control.SOURCES:
            self._recorded = body.get("recorded", False)
            for name, topic, partitions in body["topics"]:
                if self._named.get(name, topic) != topic:
                    self._retired.add(self._named[name])
                self._named[name] = topic
                self._retired.discard(topic)
                self._topics[topic] = partitions
        elif entry.control is Control.RETIRE:
            self._retired.add(body["topic"])
        elif entry.control is Control.PROGRESS:
            for topic, partition, ts_ms in body["until"]:
                source = Source(UUID(bytes=topic), partition)
                self._until[source] = max(ts_ms, self._until.get(source, ts_ms))
        return self._advance()

    def _advance(self) -> list[dict[str, Any]]:
        """Tick up to the least progress of all sources that time waits for."""
        awaited = [
            Source(UUID(bytes=topic), partition)
            for topic, partitions in self._topics.items()
            if topic not in self._retired
            for partition in range(partitions)
        ]
        if not awaited or any(source not in self._until for source in awaited):
            return []
        least = min(self._until[source] for source in awaited)
        if self.last_tick_ms is None or self._least is None:
            self.last_tick_ms, self._least = least // HOUR_MS * HOUR_MS, least
            return []
        self._least = max(self._least, least)
        alerts = []
        for tick in range(self.last_tick_ms + HOUR_MS, least + 1, HOUR_MS):
            if tick % DAY_MS == 0 or tick > least // HOUR_MS * HOUR_MS - LAST_DAYS_MS:
                alerts += self._tick(tick)
        return alerts

    def _tick(self, tick: int) -> list[dict[str, Any]]:
        self.last_tick_ms = tick
        alerts = []
        for customer in sorted(self.rows):
            row = self.rows[customer]
            waits = row.owed() or row.pending or row.state[Machine.SERVICE] != 0
            waits = waits or (row.appeal_ms > row.appeal_answered_ms and row.appeal_told_ms != row.appeal_ms)
            if not waits and tick % DAY_MS != 0:
                continue
            scores.settle(row, self._rules, day_of(tick))
            after = row.copy()
            due = timers.run(after, self._rules, tick) | after.pending_moments
            after.pending = after.pending_moments = 0
            alerts += self._conclude(customer, after, max(tick, after.last_event_ms), due)
            if after != row:
                self.rows[customer] = after
        if tick % DAY_MS == 0:
            kept_ms = tick - ERASED_DAYS * DAY_MS
            self._erased = {customer: ms for customer, ms in self._erased.items() if ms >= kept_ms}
        return self._budget.spend(sorted(alerts, key=lambda one: -one["savable_cents"]), self._rules)
