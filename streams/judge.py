"""From the ledger to alerts: one judge for each ledger partition this worker owns.

The judgement itself is ``Pipeline.step``. Here it is given records, and what it says is published: at once
when there is an alert, else after a short while, and later still while there is a backlog, because rows
that change often then cost one record instead of many.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from aiokafka.errors import IllegalStateError
from faust.types import TP

from schemas.alerts import DeadLetter, Incident
from schemas.policy import Policy
from streams import shadow
from streams.accepted import LostRecords, Span, begin, remedy
from streams.clock import monotonic_s, now_ms
from streams.config import Config
from streams.connection import aiokafka_of
from streams.exits import Exit, stop_now
from streams.markers import MarkersError
from streams.metrics import Metrics
from streams.outbox import Fenced, NotPublished, Outbox, Publication
from streams.outcome import Outcome, hold_records, newest
from streams.owned import Customers, Owned
from streams.pipeline import HoleError, Pipeline, Record, RestoreError, under
from streams.record import is_newer
from streams.restore import Awaited, BadRecord, LetGo, RestoreStuck, restore, restore_exit
from streams.standby import Standby
from streams.transport import Chunk, Consumer, Standing

log = logging.getLogger("whaleline")

TAKING_OVER = 4
PUBLISHING = 8
"""So many partitions at once: more of them only wait for each other at the broker."""

TURN_S, SLOW_S = 0.05, 5.0
"""After judging for so long the event loop gets its turn, so that heartbeats and writes go on; and while a
publication has gone on for longer than ``SLOW_S`` nothing is judged, so that no backlog starves it to its end."""

LONG_PAST_MS = 60_000
LOG_APPEND_TIME = 1


class Judge:
    """All ledger partitions of this worker; lives on the event loop."""

    def __init__(
        self, config: Config, metrics: Metrics, policy: Policy | None = None, erasure_key: bytes | None = None
    ) -> None:
        """``policy`` is a shadow's, which the ledger's do not touch."""
        self._policy, self._erasure_key = policy, erasure_key
        self._config, names = config, config.topics
        by_hand = () if config.shadow_of is not None else (names.desk_actions,)
        self._quiet = (names.holds, names.incidents, names.erasures, *by_hand)
        self.metrics, self._topic = metrics, names.ledger
        self._ledger: UUID | None = None
        self._customers: UUID | None = None
        self._consumer: Consumer | None = None
        self._taking_over = asyncio.Semaphore(TAKING_OVER)
        self._publishing = asyncio.Semaphore(PUBLISHING)
        self._publishing_since: dict[int, float] = {}
        self._published = asyncio.Event()
        self.standby = Standby(config, self._pipeline, metrics)
        self._assignment = 0
        self._away = True
        self.owned: dict[int, Owned] = {}
        self.customers = Customers(self.owned)

    # ---------------------------------------------------------------- partitions come and go

    async def settle(self, consumer: Consumer, mine: set[int], ledger: UUID, customers: UUID) -> None:
        """Exactly these ledger partitions are ours now; each becomes ready in its own time.

        ``ledger`` and ``customers`` are the topics' UUIDs.
        """
        self._consumer = consumer
        self.over(ledger, customers)
        self._assignment += 1
        self._away = False
        for kept in self.owned.values():
            kept.waiting_since = monotonic_s()
        for partition in set(self.owned) - mine:
            await self._disown(partition)
        for partition in sorted(mine):
            one = self.owned.get(partition)
            if one is None:
                one = Owned(self._pipeline(partition), self._outbox(partition), self.standby.take(partition))
                self.owned[partition] = one
                one.task = asyncio.create_task(self._live(partition, one), name=f"whaleline-judge-{partition}")
            elif one.opened:
                await self._begin(partition, one)
        self.standby.follow(set(range(self._config.ledger_partitions)) - mine)

    def over(self, ledger: UUID, customers: UUID) -> None:
        """It is these topics that are judged, and no other ones of the same names."""
        if self._ledger not in (None, ledger):
            stop_now(Exit.MISSING, f"Topic {self._topic} was deleted and made again while this worker judged it.")
        self._ledger, self._customers = ledger, customers

    async def stand_by(self) -> None:
        """Read all partitions along, and wait until little is left to read; nothing where ``standby`` is off."""
        self.standby.follow(range(self._config.ledger_partitions))
        await self.standby.near()

    def _pipeline(self, partition: int) -> Pipeline:
        config = self._config
        told = config.shadow_of or config  # a shadow's alerts have the ids of the live ones
        return Pipeline(told.app_id, partition, config.ledger_partitions, self._ledger, self._erasure_key)

    def _outbox(self, partition: int) -> Outbox:
        assert self._ledger is not None
        config = self._config
        return Outbox(aiokafka_of(config), config.app_id, config.topics, self._ledger, partition)

    async def _disown(self, partition: int) -> None:
        one = self.owned.pop(partition)
        one.ready = False
        if one.task is not None:
            one.task.cancel()
            await asyncio.wait({one.task})
        if one.follower is not None:
            await one.follower.leave()
        self.metrics.restored(partition, None)
        await one.outbox.close()

    async def give_up(self) -> None:
        """Publish what was judged, and judge nothing more until the next assignment."""
        self._assignment += 1
        self._away = True
        ready = [(partition, one) for partition, one in self.owned.items() if one.ready]
        for _, one in ready:
            one.ready = False
        await asyncio.gather(*(self._publish(partition, one) for partition, one in ready))

    async def finish(self) -> None:
        """Publish for the last time and leave."""
        await self.give_up()
        await self.standby.close()
        for partition in list(self.owned):
            await self._disown(partition)

    async def _live(self, partition: int, one: Owned) -> None:
        """Take a partition over, then publish what its judge says, until it is taken away."""
        try:
            async with self._taking_over:
                await self._take_over(partition, one)
            await self._begin(partition, one)
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._interval_s(partition)):
                        await one.urgent.wait()
                one.urgent.clear()
                if one.ready:
                    await self._publish(partition, one)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            stop_now(Exit.STUCK, f"Ledger partition {partition}: {type(error).__name__}.")

    async def _take_over(self, partition: int, one: Owned) -> None:
        """Fence whoever judged here before, then read back everything they published."""
        begun, config, nonce = monotonic_s(), self._config, secrets.token_bytes(16)
        try:
            if one.follower is not None:
                one.follower.until.nonce = nonce
            await one.outbox.open(nonce)
            try:
                count = await self._restore(partition, one, nonce)
            except RestoreError:
                if self._policy is None or one.pipeline.policy is not None:
                    raise
                # No position was met: a shadow's copy was cut short, and is made again.
            if self._policy is not None:
                if one.pipeline.policy is None:
                    copied = await shadow.copy(config, partition, one.outbox)
                    log.info("ledger partition %d: %d records copied from the live state", partition, copied)
                    one.pipeline, nonce = self._pipeline(partition), secrets.token_bytes(16)
                    await one.outbox.prove(nonce)
                    count = await self._restore(partition, one, nonce)
                one.pipeline.rule_by(self._policy)
        except (Fenced, NotPublished, RestoreError, RestoreStuck, MarkersError) as error:
            stop_now(restore_exit(error), f"Ledger partition {partition} cannot be taken over: {error}.")
        except BadRecord as error:
            bad = Span(config.topics.customers, partition, error.offset, error.offset)
            stop_now(
                Exit.NEWER_LAYOUT if error.newer else Exit.POISON,
                f"Ledger partition {partition}: its changelog {bad.topic}/{partition} at {error}. {remedy(bad)}: "
                "it goes to the dead letters, and what it was about stands as it was left before.",
            )
        if one.pipeline.strangers:
            log.warning(
                "ledger partition %d: %d records on %s are not ours and are passed over",
                *(partition, one.pipeline.strangers, config.topics.customers),
            )
        one.opened, one.waiting_since = True, monotonic_s()
        seconds = monotonic_s() - begun
        self.metrics.restored(partition, seconds)
        log.info(
            "ledger partition %d: %d records restored in %.2f s, reading on at offset %d",
            *(partition, count, seconds, one.pipeline.next_offset),
        )

    async def _restore(self, partition: int, one: Owned, nonce: bytes) -> int:
        follower, one.follower = one.follower, None
        if follower is not None and (count := await follower.caught_up()) is not None:
            one.pipeline = follower.pipeline
            return count
        return await restore(
            aiokafka_of(self._config),
            self._config.topics.customers,
            partition,
            Awaited(nonce),
            one.pipeline,
            check_crcs=not self._config.embedded_broker,
            let_go=self._config.accepted(),
            aside=partial(self._put_aside, partition, one),
            tell=partial(self.metrics.restoring, partition),
        )

    def _put_aside(self, partition: int, one: Owned, what: LetGo) -> None:
        """A broken record of the changelog leaves with the next publication, for whoever looks into it."""
        topic = self._config.topics.customers
        detail = "a record of the changelog that a person let go (accept_lost)"
        letter = DeadLetter("let_go", detail, topic, str(self._customers), partition, *what)
        one.unsaid.append(Outcome(refused=[letter]))
        self.metrics.lost(Span(topic, partition, what.offset, what.offset))

    async def _begin(self, partition: int, one: Owned) -> None:
        """Seek the ledger to where the judge stands, and start judging.

        If the partitions come and go meanwhile, this does nothing: the next assignment begins anew.
        """
        tp, at, consumer, assignment = (
            TP(self._topic, partition),
            one.pipeline.next_offset,
            self._consumer,
            self._assignment,
        )
        assert consumer is not None
        try:
            standing = (await consumer.thread.standing([tp]))[tp]
            at = self._start(partition, one, at, standing)
            await consumer.seek_wait({tp: at})
        except IllegalStateError:
            return  # the partition has just left
        if assignment != self._assignment:
            return
        consumer._committed_offset[tp] = standing.committed
        one.ready = True
        consumer.release([tp])

    def _start(self, partition: int, one: Owned, at: int, standing: Standing) -> int:
        """Where judging goes on: where it was left, if nothing is missing that nobody has let go."""
        past = "ledger and customers topic have to be made anew together"
        log_holds = standing.begin, standing.end
        try:
            lost = begin(self._config.accepted(), (self._topic, partition), at, log_holds, past)
        except LostRecords as error:
            stop_now(Exit.MISSING, str(error))
        if lost is not None:
            self.metrics.lost(lost)
            one.pipeline.next_offset = at = standing.begin
        return at

    def passed_ms(self) -> int | None:
        """The time that every source has passed, by the newest of our ledger partitions; None without any."""
        return max((one.pipeline.passed_ms for one in self.owned.values() if one.ready), default=None)

    def waiting_s(self) -> float:
        """For how long a restored partition of this assignment has been waiting for its position, if one is.

        Between two assignments nothing waits: a broker that is away may be away for long.
        """
        if self._away:
            return 0.0
        since = [one.waiting_since for one in list(self.owned.values()) if one.opened and not one.ready]
        return monotonic_s() - min(since) if since else 0.0

    # ---------------------------------------------------------------- in

    async def hear(self, tp: TP, chunk: Chunk) -> None:
        """Judge one chunk of the ledger; one of an older assignment is passed over, it will be read again."""
        one = self.owned.get(tp.partition)
        begun = monotonic_s()
        for record in chunk.records:
            if one is None or not one.ready:
                return
            self._step(tp.partition, one, record)
            if monotonic_s() - begun > TURN_S:
                await self._turn()
                begun = monotonic_s()

    async def _turn(self) -> None:
        await asyncio.sleep(0)
        while monotonic_s() - min(self._publishing_since.values(), default=monotonic_s()) > SLOW_S:
            self._published.clear()
            await self._published.wait()

    def _step(self, partition: int, one: Owned, record: Any) -> None:
        begun = monotonic_s()
        append_ms = record.timestamp if record.timestamp_type == LOG_APPEND_TIME else None
        try:
            value = record.value if self._policy is None else under(self._policy, record.value)
            outcome = one.pipeline.step(Record(record.offset, append_ms, value))
        except HoleError as error:
            stop_now(Exit.MISSING, f"{self._topic}/{partition}: {error}.")
        except MarkersError as error:
            stop_now(Exit.CONFIGURATION, f"{self._topic}/{partition}: {error}.")
        except Exception as error:
            code = Exit.NEWER_LAYOUT if is_newer(record.value) else Exit.POISON
            stop_now(code, f"{self._topic}/{partition} at offset {record.offset}: {type(error).__name__}.")
        self.metrics.judged(outcome, monotonic_s() - begun, now_ms())
        for words in outcome.conflicts:
            log.warning("ledger partition %d: %s", partition, words)
        # A backlog of midnights says much; only the last word on each matters.
        one.insights.update((insight.key, insight) for insight in outcome.insights)
        if outcome.says_something:
            one.unsaid.append(outcome)
            if not self._works_off(one):
                one.urgent.set()

    # ---------------------------------------------------------------- out

    def ready(self) -> dict[int, Pipeline]:
        """Whoever judges now, by ledger partition."""
        return {partition: one.pipeline for partition, one in sorted(self.owned.items()) if one.ready}

    def lag(self, partition: int) -> int:
        """How many records of one of our ledger partitions are not judged yet."""
        assert self._consumer is not None
        end = self._consumer.thread.end(TP(self._topic, partition))
        return max(end.end - self.owned[partition].pipeline.next_offset, 0) if end is not None else 0

    def _interval_s(self, partition: int) -> float:
        lagging = self.lag(partition) > 0 or self._works_off(self.owned[partition])
        config = self._config
        return (config.publish_interval_lag_ms if lagging else config.publish_interval_ms) / 1_000

    def _works_off(self, one: Owned) -> bool:
        """Whether what is judged here is long past, however fresh its ledger record is: nobody waits for it."""
        return self._config.source_clock == "wall" and now_ms() - one.pipeline.passed_ms > LONG_PAST_MS

    async def _publish(self, partition: int, one: Owned) -> None:
        """Publish everything that is not yet published; nothing if nothing happened."""
        async with one.lock, self._publishing:
            if not one.pipeline.moved:
                return
            # No await from here to the transaction: rows, alerts and position belong to one moment.
            at, snapshot = one.pipeline.next_offset, one.pipeline.snapshot()
            outcomes, one.unsaid = one.unsaid, []
            insights, one.insights = list(one.insights.values()), {}
            what = Publication(
                snapshot.records,
                [alert for outcome in outcomes for alert in outcome.alerts],
                [letter for outcome in outcomes for letter in outcome.refused],
                hold_records(outcomes),
                [alert for outcome in outcomes for alert in outcome.held],
                newest(incident for outcome in outcomes for incident in outcome.incidents),
                insights + [answer for outcome in outcomes for answer in outcome.answers],
                [receipt for outcome in outcomes for receipt in outcome.receipts],
                self._quiet if any(outcome.rolls for outcome in outcomes) else (),
            )
            begun = self._publishing_since[partition] = monotonic_s()
            try:
                await one.outbox.publish(what)
            except Fenced as error:
                stop_now(Exit.FENCED, f"Ledger partition {partition}: {error}.")
            except NotPublished as error:
                stop_now(Exit.WRITE_FAILED, f"Publishing: {error}.")
            finally:
                del self._publishing_since[partition]
                self._published.set()
            self.metrics.published(what, outcomes, self._topic, monotonic_s() - begun, now_ms())
            _warn(one, what.incidents)
            if self._consumer is not None:
                self._consumer.durable[TP(self._topic, partition)] = at


def _warn(owned: Owned, incidents: Sequence[Incident]) -> None:
    """Log the begin and the end of an incident: a person has to look at it."""
    for one in incidents:
        if one.released_ms is not None:
            log.warning("incident %s: its %d alerts were let go", one.incident_id, one.count)
        elif one.incident_id not in owned.warned:
            owned.warned.add(one.incident_id)
            log.warning("incident %s: alerts are held, see `whaleline incidents list`", one.incident_id)
