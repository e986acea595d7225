"""The whole judgement of one ledger partition: a ledger record in, an ``Outcome`` out.

No Faust, no socket, no clock. The agent, the replay and the tests call the same ``Pipeline.step``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from kernels import admit, judge
from kernels.settle import settle
from schemas import policy as policies
from schemas import state
from schemas.alerts import Alert, Incident
from schemas.block import BlockError, Entry, Source, decode_control, is_control, policy_entry
from schemas.codes import Change, Channel, Control, Machine
from schemas.erasures import Receipt
from schemas.waiting import Sheaf
from streams import alerts
from streams.arena import Arena, Customers, copied
from streams.breaker import Breaker
from streams.canaries import answer, of_canaries
from streams.fields import refusals
from streams.markers import OFFLINE_KEY, Markers
from streams.memory import OF_THE_STATE, Position, Recent, RestoreError, Snapshot
from streams.names import Names
from streams.opened import open_block
from streams.outcome import Outcome
from streams.record import HoleError, Record
from streams.shelf import Produced, Shelf
from streams.survey import Survey
from streams.ticking import Ticking

MINUTE_MS, DAY_MS = 60_000, 86_400_000
CROSSINGS_ROOM, ROW_KEY = 64, b"c"
_policy = lru_cache(maxsize=16)(policies.parse)
__all__ = ["HoleError", "Outcome", "Pipeline", "Record", "RestoreError", "Snapshot", "under"]


class Pipeline:
    """State and judgement of one ledger partition. Feed it every record of the partition in order."""

    def __init__(
        self, app_id: str, partition: int = 0, partitions: int = 1, ledger: UUID | None = None,
        erasure_key: bytes | None = OFFLINE_KEY,
    ) -> None:  # fmt: skip
        """``ledger`` is the ledger topic's UUID; a state that was judged over another one is refused."""
        self.app_id, self.partition, self.partitions = app_id, partition, partitions
        self._ledger = ledger
        self.arena = Arena()
        self.policy: policies.Policy | None = None
        self._recent, self._names, self._markers = Recent(), Names(), Markers(erasure_key)
        self._breaker = Breaker(partition, partitions, self._names)
        self._position, self._ticking = Position(), Ticking()
        self._survey = Survey(partition, partitions, self._names)
        self._moved, self.strangers = False, 0
        # For whoever looks on: told of each midnight right after it was judged.
        self.on_midnight: Callable[[int], None] = lambda _: None
        self._scores = np.zeros(1, state.SCORES)
        self._spent = np.zeros(max(Channel) + 1, np.int64)
        self._out = np.zeros(CROSSINGS_ROOM, state.CROSSING)
        self._copies = np.empty(CROSSINGS_ROOM, state.CUSTOMER)

    @property
    def next_offset(self) -> int:
        """The ledger offset to read next."""
        return self._position.next_offset

    @next_offset.setter
    def next_offset(self, offset: int) -> None:
        self._position.next_offset, self._moved = offset, True

    @property
    def last_tick_ms(self) -> int:
        """The last tick, ms UTC; -1 before the first."""
        return self._ticking.last_ms

    @property
    def passed_ms(self) -> int:
        """The time that every source has passed, as far as this ledger partition knows; -1 if unknown."""
        return self._ticking.passed_ms

    @property
    def moved(self) -> bool:
        """Whether something happened since the last snapshot."""
        return self._moved

    @property
    def waiting(self) -> int:
        """How many alerts wait before they go out."""
        return self._breaker.waiting

    @property
    def held(self) -> int:
        """How many alerts incidents hold."""
        return self._breaker.held

    def kept(self) -> list[Alert]:
        """Every alert that was produced and is not out: those that wait and those that an incident holds."""
        return self._breaker.kept()

    def incidents(self) -> list[Incident]:
        """The incidents that nobody has released."""
        return self._breaker.open()

    def customers(self) -> Customers:
        """The rows by customer id, read only."""
        return Customers({self.partition: self.arena})

    def step(self, record: Record) -> Outcome:
        """Judge one ledger record. One already inside the restored position gives an empty outcome.

        Raises ``HoleError`` when records are missing, ``BlockError`` when the bytes are no ledger record of a
        known version; either leaves the pipeline unusable, because its state may be half moved.
        """
        outcome = Outcome(append_ms=record.append_ms)
        if record.offset < self.next_offset:
            return outcome
        if record.offset > self.next_offset and self.next_offset > 0:
            raise HoleError(self.next_offset, record.offset)
        if is_control(record.value):
            entry = decode_control(record.value)
            try:
                self._control(entry, record, outcome)
            except (KeyError, TypeError, ValueError) as error:
                raise BlockError(f"control entry {entry.control.name} cannot be used: {error}") from error
        else:
            self._events(record.value, record.append_ms, outcome)
        outcome.incidents = self._breaker.take_told()
        self._position.next_offset = record.offset + 1
        self._moved = True
        return outcome

    def _control(self, entry: Entry, record: Record, outcome: Outcome) -> None:
        append_ms = record.append_ms
        if entry.control is Control.POLICY:
            self._adopt(entry.body, outcome)
        elif entry.control is Control.SOURCES:
            for name, topic, partitions in entry.body["topics"]:
                self._ticking.know(name, UUID(bytes=topic), partitions)
            self._breaker.know(bool(entry.body.get("recorded", False)))
        elif entry.control is Control.RELEASE:
            body = entry.body
            self._breaker.release(str(body["incident"]), str(body["author"]), str(body["reason"]), outcome)
        elif entry.control is Control.ERASE:
            self._erase(entry.body, record, outcome)
        elif entry.control is Control.RETIRE:
            self._ticking.retire(UUID(bytes=entry.body["topic"]))
            self._tick(append_ms, outcome)
        else:
            latest = None if append_ms is None else append_ms + self._tolerance_ms()
            for topic, partition, until_ms in entry.body["until"]:
                if latest is None or until_ms <= latest:
                    self._ticking.report(Source(UUID(bytes=topic), partition), until_ms)
                else:
                    outcome.conflicts.append(
                        "a worker's clock runs ahead of the broker's: its progress is ignored"
                    )
            self._tick(append_ms, outcome)

    def _erase(self, body: Mapping[str, Any], record: Record, outcome: Outcome) -> None:
        """Forget a customer: the row, what is kept of alerts, the hold; what is left is a marker and a receipt."""
        name, append_ms = str(body["customer_id"]), record.append_ms
        last_ms = self.arena.erase(name.encode())
        now_ms = None if self._breaker.recorded else append_ms
        marker, erased_ms = self._markers.erase(name.encode(), (now_ms, self.last_tick_ms, last_ms))
        withdrawn = self._breaker.forget(name)
        if last_ms is not None:
            outcome.forgotten.append(name)
            outcome.insights += self._survey.without_one(self.arena, self.last_tick_ms, self.policy)
        asked_ms = int(body["asked_ms"]) if append_ms is None else append_ms
        author, reason = str(body["author"]), str(body["reason"]).replace(name, "…")
        place, known = (marker.hex(), self.partition, record.offset), last_ms is not None
        outcome.receipts.append(Receipt(*place, asked_ms, erased_ms, known, withdrawn, author, reason))

    def _adopt(self, body: Mapping[str, Any], outcome: Outcome) -> None:
        """Take a newer policy; rows are settled under the old one first, so that a restore agrees."""
        if self.policy is not None and body["toml"] == self.policy.toml:
            return  # every new assignment tells it again
        offered = _policy(body["toml"], "the ledger's policy")
        if self.policy is not None and offered.version <= self.policy.version:
            if offered.version == self.policy.version and offered.digest != self.policy.digest:
                outcome.conflicts.append(
                    f"policy version {offered.version} was written twice with different settings "
                    f"({self.policy.digest} is in force, {offered.digest} ignored): raise its version"
                )
            elif offered.version < self.policy.version:
                outcome.conflicts.append(
                    f"policy version {offered.version} is ignored, version {self.policy.version} is in force: "
                    "raise its version to make it count"
                )
            return
        self.rule_by(offered)

    def rule_by(self, policy: policies.Policy) -> None:
        """Judge by this policy from here on, whatever version it has; the caller keeps others out (``under``)."""
        if self.policy is not None and self.policy.toml == policy.toml:
            return
        if self.policy is not None and self.last_tick_ms >= 0:
            for slot in range(len(self.arena)):
                settle(self.arena.rows[slot], self.last_tick_ms // DAY_MS, self.policy.record[0])
                self.arena.dirty[slot] = 1
        self.policy = policy
        self.arena.forget()

    def _rules(self) -> policies.Policy:
        if self.policy is None:
            raise BlockError("the ledger holds events or ticks before any policy")
        return self.policy

    def _tolerance_ms(self) -> int:
        return int(self._rules().record["ledger_future_tolerance_minutes"][0]) * MINUTE_MS

    def _events(self, value: bytes, append_ms: int | None, outcome: Outcome) -> None:
        rules = self._rules()
        block = open_block(value, self._position.index)
        events = block.events
        latest = admit.NO_LIMIT if append_ms is None else append_ms + self._tolerance_ms()
        verdict = np.empty(events.size, np.uint8)
        self._recent.admit(events, self._position.marks, latest, verdict)
        counts = np.bincount(verdict, minlength=admit.VERDICTS).tolist()
        outcome.applied += counts[admit.ADMITTED]
        outcome.skipped += counts[admit.REDELIVERED]
        outcome.duplicates += counts[admit.REPEATED]
        if counts[admit.FUTURE]:
            outcome.refused += refusals(value, verdict == admit.FUTURE)
        admitted = verdict == admit.ADMITTED
        canary = of_canaries(value)
        if canary is not None:
            heard = np.flatnonzero(admitted & canary)
            outcome.applied -= heard.size
            outcome.answers = [answer(value, at, self.partition) for at in heard.tolist()]
            admitted &= ~canary
        outcome.erased = self._markers.leave_out(block, admitted)
        outcome.applied -= outcome.erased
        slots = self.arena.slots_of(block, admitted.view(np.uint8))
        self._names.learn(block, admitted)
        self._spent[:] = 0
        start = 0
        while start < events.size:
            start, crossed = judge.fold_events(
                self.arena.rows, self.arena.memos, self.arena.quiet, slots, events, start,
                admitted.view(np.uint8), self.last_tick_ms, rules.record, self._scores, self.arena.dirty,
                self._spent, self._out, self._copies,
            )  # fmt: skip
            if crossed:
                self._say(self._crossed(crossed), rules, append_ms, outcome)
        outcome.contact_cents = {
            Channel(one): int(self._spent[one]) for one in np.flatnonzero(self._spent).tolist()
        }

    def _tick(self, append_ms: int | None, outcome: Outcome) -> None:
        """Run every whole hour that all sources have now passed."""
        for tick_ms in self._ticking.due():
            rules = self._rules()
            self._breaker.tick(tick_ms, len(self.arena), outcome)
            start, found = 0, list[alerts.Crossed]()
            while start < len(self.arena):
                start, crossed = judge.sweep(
                    self.arena.rows, self.arena.memos, self.arena.quiet, start, len(self.arena), tick_ms,
                    rules.record, self._scores, self.arena.dirty, self._out, self._copies,
                )  # fmt: skip
                found += self._crossed(crossed) if crossed else ()
            # What can be saved comes first, within the budget too. Slots differ after a restore, names do not.
            found.sort(key=_urgency)
            self._say(found, rules, append_ms, outcome)
            if tick_ms % DAY_MS == 0:
                outcome.insights += self._survey.midnight(self.arena, tick_ms, rules)
                self.on_midnight(tick_ms)
                self._markers.expire(tick_ms)
                outcome.rolls |= self._markers.young(tick_ms)
            outcome.ticks.append(tick_ms)
        if self.last_tick_ms >= 0 and self.policy is not None:
            self._breaker.arrived(self.last_tick_ms, append_ms, self.policy)

    def _crossed(self, count: int) -> Iterator[alerts.Crossed]:
        crossings, rows = self._out[:count].tolist(), copied(self._copies[:count])
        for at, fields in enumerate(crossings):
            crossing = dict(zip(alerts.OF_A_CROSSING, fields, strict=True))
            yield alerts.Crossed(self.arena.customer(crossing["slot"]).decode(), crossing, rows[at])

    def _say(
        self, found: Iterable[alerts.Crossed], rules: policies.Policy, append_ms: int | None, outcome: Outcome
    ) -> None:
        for one in found:
            machine = Machine(int(one.crossing["machine"]))
            if machine is Machine.HOLD:
                outcome.holds.append(alerts.hold(one, rules))
                continue
            said = Produced(self._alert(one, rules), machine, Change(int(one.crossing["change"])))
            self._breaker.hear(said, one.row, rules, append_ms, outcome)

    def _alert(self, crossed: alerts.Crossed, rules: policies.Policy) -> Alert:
        within = True
        service = crossed.crossing["machine"] == Machine.SERVICE
        if service and crossed.crossing["change"] != Change.CLEARED:
            share = -(-int(rules.record["service_budget_per_day"][0]) // self.partitions)
            within = self._position.spend(int(crossed.crossing["now_ms"]) // DAY_MS, share)
        app_id = self._markers.app_id(self.app_id, crossed.customer.encode())
        return alerts.make(app_id, crossed, rules, within, self._survey)

    def snapshot(self) -> Snapshot:
        """What changed since the last snapshot, as changelog records; the position is the last of them.

        Everything in it must become durable together, or nothing.
        """
        rows = self.arena.take_dirty(self.next_offset - 1)
        records: list[tuple[bytes, bytes | None]] = [(ROW_KEY + customer, value) for customer, value in rows]
        records += self._recent.take_dirty() + self._names.take_dirty() + self._markers.take_dirty()
        records += self._breaker.take_dirty() + self._survey.take_dirty()
        self._position.publication += 1
        self._position.ledger = self._ledger
        # A row that is gone leaves no record in the end, so it is not counted.
        count = sum(value is not None for _, value in records) + 1
        records.append(self._position.pack(count, self._recent.count, self._ticking, self.policy))
        self._moved = False
        return Snapshot(records)

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Take back one changelog record; call in log order, then ``restored`` once."""
        if key[:1] not in OF_THE_STATE and key != Position.KEY:
            self.strangers += 1  # nothing of ours has such a key: someone wrote to the wrong topic
            return
        if value is None:
            if key[:1] == ROW_KEY:
                self.arena.erase(key[1:])
            return
        self._position.seen(key)
        if key[:1] == ROW_KEY:
            self.arena.restore(key[1:], value)
        elif key[:1] == Recent.KEY:
            self._recent.restore(key, value)
        elif key[:1] == Names.KEY:
            self._names.restore(key, value)
        elif key[:1] == Markers.KEY:
            self._markers.restore(key, value)
        elif key[:1] in (Breaker.KEY, Shelf.KEY):
            self._breaker.restore(key, value)
        elif key == Position.KEY:
            toml = self._position.unpack(value, self._recent, self._ticking)
            # A changelog holds many positions and mostly one policy.
            if toml != (None if self.policy is None else self.policy.toml):
                self.policy = None if toml is None else _policy(toml, "the stored policy")
        elif key == Survey.KEY:
            self._survey.restore(value)

    def pass_over(self, key: bytes) -> None:
        """Hear of a record that a person let go; it may be nothing of ours."""
        self._position.seen(key, gone=True)

    def restore_rows(self, sheaf: Sheaf, first: int, end: int) -> None:
        """``restore`` of many records at once, each of which has a row's key (``ROW_KEY``) and a value."""
        self._position.seen_rows(end - first)
        self.arena.restore_rows(sheaf, first, end, len(ROW_KEY))

    def restored(self, complete: bool = True) -> None:
        """End a restore. ``complete`` says whether the changelog was read to a proven end.

        Raises ``RestoreError`` for a changelog that was cut, or whose last publication is not whole.
        """
        if not complete:
            raise RestoreError("the changelog was not read to its end")
        self._position.check_whole()
        self._position.check_ledger(self._ledger)
        self._recent.rebuild()
        self._breaker.rebuild()
        self.arena.restored()
        self._moved = False

    def settled(self, slots: NDArray[np.int64]) -> NDArray[np.void]:
        """Copies of the rows in these slots, settled to the last tick's day: equal for equal ledgers."""
        rows: NDArray[np.void] = self.arena.rows[slots]
        if self.policy is not None and self.last_tick_ms >= 0:
            for row in rows:
                settle(row, self.last_tick_ms // DAY_MS, self.policy.record[0])
        return rows

    def settled_rows(self) -> dict[bytes, NDArray[np.void]]:
        """The same for every customer, by id; each has the shape (1,)."""
        slots = np.flatnonzero(self.arena.rows["day"][: len(self.arena)] != state.NEVER)
        rows = self.settled(slots)
        return {self.arena.customer(slot): rows[at : at + 1] for at, slot in enumerate(slots.tolist())}


def under(policy: policies.Policy, value: bytes) -> bytes:
    """A ledger record, or ``policy`` where it brings one; told again, a policy changes nothing."""
    try:
        told = is_control(value) and decode_control(value).control is Control.POLICY
    except BlockError:
        return value  # the judge says what is wrong with it, and where
    return policy_entry(policy.toml, policy.version) if told else value


def _urgency(one: alerts.Crossed) -> tuple[int, str, int]:
    return -int(one.crossing["savable_cents"]), one.customer, int(one.crossing["machine"])
