"""One desk at work: it reads, shows, and takes actions; everything that asks the clock or Kafka is here."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from schemas.block import release_entry
from schemas.state import LayoutError
from streams.clock import monotonic_s, now_ms
from streams.config import Config
from streams.desk import cards, rows
from streams.desk.action import Action
from streams.desk.board import Board
from streams.desk.broker import Away, Reader, Writer
from streams.desk.feed import Feed, frame
from streams.desk.forgotten import Forgotten
from streams.desk.metrics import DeskMetrics
from streams.desk.ranking import Queue
from streams.desk.standing import Standing, Taken, stand
from streams.desk.view import Change, View
from streams.intake import ledger_partition
from streams.shadow import shadow_of
from streams.shadowed import Shadowed
from streams.shadowwatch import Follower

SPACING_S = 0.005
"""Changes are told together that come within this time, or while the last ones are being told."""
READ_BACK_S = 5.0
ANEW_S = 2.0
MOST_TOUCHED = 200


class Refused(RuntimeError):
    """An action that is not taken: an HTTP status, and one sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Desk:
    """A board, those who look at it, and what they do."""

    def __init__(self, config: Config, budget: int, erasure_key: bytes | None = None) -> None:
        self.config = config
        self.board = Board(forgotten=Forgotten(erasure_key))
        self.view = View(self.board, config.currency, Queue(budget))
        self.feed = Feed(secrets.token_hex(6))
        self.rows = rows.Rows()
        self.reader = Reader(config, self.board, self._woken)
        every = set(range(config.ledger_partitions))
        self.shadow = Follower(config, shadow_of(config, "").topics, lambda: every, self._look_at_the_shadow)
        self.writer = Writer(config)
        self.viewers = 0
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.metrics = DeskMetrics(self.registry)
        self._news = asyncio.Event()
        self._read = asyncio.Condition()
        self._told: dict[str, Any] = {}
        self._whole: dict[tuple[bool, str], bytes] = {}
        self._before: set[str] = set()
        self._order: tuple[str, ...] = ()
        self._shown = self._told_once = False
        self._shadowed: list[Any] = []
        self._measured_ms = now_ms()
        self._made: dict[str, tuple[float, Any]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to read and to tell."""
        jobs = (self.reader.run(), self.rows.run(self.config), self.shadow.run(), self._tell())
        self._tasks = [asyncio.create_task(job) for job in jobs]

    async def stop(self) -> None:
        """Stop reading; what was written is in Kafka."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.writer.stop()

    def check(self) -> None:
        """Raise what ended a task that should never end."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()

    def once_in_a_while(self, name: str, make: Callable[[], Any]) -> Any:
        """What takes a walk over all cards, made anew at most every two seconds however many ask."""
        made_s, value = self._made.get(name, (float("-inf"), None))
        if monotonic_s() - made_s >= ANEW_S:
            value = make()
            self._made[name] = monotonic_s(), value
        return value

    def row(self, customer_id: str) -> NDArray[np.void] | None:
        """A customer's row, None for somebody nobody has heard of. Raises ``Refused`` while nobody can tell."""
        if not self.rows.caught_up:
            raise Refused(503, "the customers' rows are still being read; ask again in a moment")
        try:
            return self.rows.row(customer_id)
        except LayoutError as error:
            raise Refused(503, str(error)) from error

    # ------------------------------------------------------------ telling

    def status(self) -> dict[str, Any]:
        """How far this desk can be believed: whether Kafka answers, and whether all has been read."""
        return {
            "away_since_ms": self.reader.away_since_ms,
            "caught_up": self._shown,
            "unread": self.board.unread,
        }

    def whole(self, money: bool) -> bytes:
        """The whole picture for a role, as the event that replaces whatever a viewer has."""
        known = self._whole.get((money, self.feed.last_id))
        if known is None:
            body = {**self._common(None), "order": self.view.order, "cards": self._cards(self.view.order, money)}
            known = frame("whole", self.feed.last_id, body)
            self._whole = {key: value for key, value in self._whole.items() if key[1] == self.feed.last_id}
            self._whole[money, self.feed.last_id] = known
        return known

    async def _look_at_the_shadow(self, fold: Shadowed) -> None:
        """Tell whoever looks at its page when it has changed."""
        now = [*fold.asked, *fold.begun.values()]
        if now != self._shadowed:
            self._shadowed = now
            self.board.pages.add("shadow")
            self._woken()

    def _woken(self) -> None:
        self._news.set()

    async def _tell(self) -> None:
        """Look at the board whenever something was read, and tell the viewers what is new."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._news.wait()
            self._news.clear()
            if self.reader.caught_up:
                change = self.view.look(now_ms())
                self._shown = True
                status = self.status()
                if change is not None or status != self._told:
                    self._told = status
                    self._publish(change)
                if change is not None and self._told_once:
                    self._measure(change)
                self._told_once = True
            async with self._read:
                self._read.notify_all()
            await asyncio.sleep(SPACING_S)

    def _measure(self, change: Change) -> None:
        """Note how long alerts took to be told; what was there at the start is no news."""
        at_ms = now_ms()
        for customer_id in change.customers:
            one = self.board.standing(customer_id)
            if one is not None and one.heard[-1].at_ms > self._measured_ms:
                self.metrics.shown_seconds.observe(max(0, at_ms - one.heard[-1].at_ms) / 1_000)
        self._measured_ms = at_ms

    def scrape(self) -> bytes:
        """The metrics as Prometheus reads them."""
        metrics, reader = self.metrics, self.reader
        for state, count in self.view.counts.items():
            metrics.cards.labels(state).set(count)
        metrics.viewers.set(self.viewers)
        metrics.behind.set(reader.behind)
        metrics.unread.set(self.board.unread)
        metrics.away.set(reader.away_since_ms is not None)
        return generate_latest(self.registry)

    def _publish(self, change: Change | None) -> None:
        drawn = () if change is None else change.customers
        shown = set(self.view.order)
        held = [one for one in drawn if one in shown or one in self._before]
        common = {**self._common(change), "order": None if self.view.order == self._order else self.view.order}
        self._before, self._order = shown, self.view.order
        self.feed.publish(
            {**common, "cards": self._cards(held, False)}, {**common, "cards": self._cards(held, True)}
        )

    def _common(self, change: Change | None) -> dict[str, Any]:
        view = self.view
        return {
            "now_ms": now_ms(),
            "beyond": view.beyond,
            "counts": {state: count for state, count in sorted(view.counts.items()) if count},
            "touched": [] if change is None else change.customers[:MOST_TOUCHED],
            "pages": [] if change is None else change.pages,
            "status": self.status(),
        }

    def _cards(self, customers: Any, money: bool) -> list[dict[str, Any]]:
        at_ms = now_ms()
        found = (self.view.card(one, at_ms, money=money) for one in customers)
        return [one for one in found if one is not None]

    # ------------------------------------------------------------ acting

    async def act(self, action: Action) -> Taken:
        """Take an action once, however often it is sent; return what became of it. Raises ``Refused``."""
        began_s, outcome = monotonic_s(), "refused"
        try:
            taken = await self._take(action)
            outcome = "refused" if taken.refused else "taken"
        except Refused as error:
            outcome = "unavailable" if error.status == 503 else "refused"
            raise
        finally:
            self.metrics.actions.labels(action.verb, outcome).inc()
        self.metrics.action_seconds.observe(monotonic_s() - began_s)
        return taken

    async def _take(self, action: Action) -> Taken:
        if self.reader.away_since_ms is not None or not self._shown:
            raise Refused(503, "Kafka does not answer, so nothing was written; try again when the desk says so")
        known = self.board.known(action.key, action.action_id)
        if known is not None:
            if known.action.verb != action.verb:
                raise Refused(409, "this action_id was used for another action: make a new one for each")
            return known
        partition = self._partition(action)
        if action.verb != "release":
            self._check_card(action)
        try:
            await self._effect(action, partition)
            _, offset = await self.writer.action(action, partition)
        except Away as error:
            raise Refused(503, str(error)) from error
        return await self._read_back(action, partition, offset)

    def _partition(self, action: Action) -> int:
        if action.verb != "release":
            return ledger_partition(action.key, self.config.ledger_partitions)
        incident = self.board.incidents.get(action.incident_id or "")
        if incident is None:
            raise Refused(404, "there is no such incident")
        if incident.released_ms is not None:
            raise Refused(409, f"it was released by {incident.released_by} already")
        if any(self.board.releases.get(action.key, {}).values()):
            raise Refused(409, "its release is on its way: the judge has not read it yet")
        return incident.partition

    def _check_card(self, action: Action) -> None:
        """Refuse what would come to nothing, with the reason that reading it back would give."""
        customer_id = action.customer_id or ""
        one, place = self.board.standing(customer_id), self.view.places.get(customer_id)
        if one is None or place is None:
            raise Refused(404, "no alert of this customer is known here")
        if all(heard.alert.alert_id != action.alert_id for heard in one.heard):
            raise Refused(404, "this alert is not known here: look at the card again")
        if place.state == "cleared" and action.verb in ("acknowledge", "assign", "snooze", "resolve", "override"):
            raise Refused(409, f"it has cleared meanwhile. {cards.why_so(one, 'cleared', now_ms())}")
        person = self.board.people[customer_id]
        tried = stand(person.heard.values(), [*person.actions.values(), action])
        refused = _of(tried, action).refused
        if refused:
            raise Refused(409, refused)

    async def _effect(self, action: Action, partition: int) -> None:
        """What changes the judgement goes to where the judge hears of it, before the action is written down.

        A crash between the two leaves an action that its sender repeats: the event has the action's id and counts
        once, and an incident is released once.
        """
        if action.verb == "release":
            entry = release_entry(action.incident_id or "", action.author, action.reason or "")
            await self.writer.entry(entry, partition)
        elif action.verb == "cause":
            row = self.row(action.customer_id or "")
            if row is None or not rows.has_case(row, action.case_id or ""):
                raise Refused(409, "this customer has no such case among those that are remembered")
            await self.writer.event(self._cause_event(action, int(row["last_event_ms"])))

    def _cause_event(self, action: Action, last_ms: int) -> dict[str, Any]:
        """A person's word on who caused a case. Where time is the sources', it comes after the last event."""
        at_ms = last_ms + 1 if self.config.source_clock == "source" else action.ts_ms
        return {
            "kind": "workaround_effort",  # of no length: it carries the cause and does nothing else
            "effort_ms": 0,
            "ts_ms": at_ms,
            "customer_id": action.customer_id,
            "event_id": f"desk-{action.action_id}",
            "case_id": action.case_id,
            "cause": action.cause,
        }

    async def _read_back(self, action: Action, partition: int, offset: int) -> Taken:
        """Wait until the board has read the action, and say what it came to."""

        def read() -> bool:
            return self.board.reached("desk_actions", partition) > offset

        try:
            async with asyncio.timeout(READ_BACK_S), self._read:
                await self._read.wait_for(read)
        except TimeoutError:
            return Taken(action)  # it is written; that is what was promised
        return self.board.known(action.key, action.action_id) or Taken(action)


def _of(one: Standing, action: Action) -> Taken:
    return next(taken for taken in one.taken if taken.action.action_id == action.action_id)
