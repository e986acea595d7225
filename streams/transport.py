"""Faust's consumer, with three habits changed: whole fetches, explicit positions, commits that mean something.

*Whole fetches.* What one fetch brought of a partition travels through Faust as one message, a ``Chunk``,
because Faust's cost is one per message; of the source topics without an object a record (``streams.fetched``).

*Explicit positions.* Reading starts where we say: a source at its committed offset, the ledger at the
position restored with its rows. Nothing ever jumps by itself (``auto.offset.reset`` is none after that),
and each chunk says where it began, so a lost one is noticed by its reader.

*Commits that mean something.* Faust commits what its streams acknowledged, which in a rebalance includes
messages that nobody looked at. Here an offset is committed only once its reader has called it ``durable``.

Partitions that are ``held`` are not handed out: sources until their positions are set or while the merge is
full of them, ledger partitions until their rows are restored.
"""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol, cast

import faust
from aiokafka.errors import IllegalStateError, NoOffsetForPartitionError, OffsetOutOfRangeError
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from schemas.waiting import Sheaf
from streams.clock import monotonic_s
from streams.exits import Exit, stop_now
from streams.fetched import keep_whole

FETCH_WAIT_MS = 20
FETCH_MIN_BYTES = 1
FETCH_TURN_S = 0.1
"""A fetch that waits for one partition must not keep a partition waiting that was let go meanwhile."""


class Chunk(NamedTuple):
    """What one fetch brought of one partition; it may be empty where only transaction markers stood.

    ``first`` is where reading stood before it, ``next`` where it stands after it; ``records`` are aiokafka's, or
    none where they came as a ``sheaf``.
    """

    first: int
    next: int
    records: tuple[Any, ...]
    sheaf: Sheaf | None = None


class End(NamedTuple):
    """Where a partition's reader stands, where its log ended, and when the broker said so (ms UTC)."""

    position: int
    end: int
    heard_ms: int


class Standing(NamedTuple):
    """A partition's committed offset (None: never) and the bounds of its log."""

    committed: int | None
    begin: int
    end: int


class Whole(faust.Schema[Any, Any]):
    """Hands the chunk to the agent as it is; the decoding is ours."""

    def compile(self, app: Any, **_: Any) -> Any:
        """Make the function that turns a message into an event."""
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return create_event(message.key, message.value, message.headers, message)

        return decode


class Duties(Protocol):
    """What the application does when partitions come and go; the app implements it."""

    @property
    def whole_topics(self) -> Collection[str]:
        """Topics whose reader takes a fetch's records as a sheaf."""

    async def settle(self, consumer: "Consumer", mine: set[TP]) -> None:
        """Set every partition's position and start or resume its work."""

    async def give_up(self) -> None:
        """Make durable what can be, before the partitions may go to someone else."""

    async def finish(self) -> None:
        """The same, for ever."""


class Thread(driver.AIOKafkaConsumerThread):
    """The thread that talks to the broker."""

    def __post_init__(self) -> None:
        """Start with nothing read and nothing held."""
        super().__post_init__()
        self.held: frozenset[TP] = frozenset()
        self._handed: dict[TP, int] = {}
        self._answered: dict[TP, tuple[int, int]] = {}
        self._fetching = asyncio.Lock()

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust writes these three into its call; they are read when the consumer starts.
        consumer._isolation_level = "read_committed"
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        consumer._fetch_min_bytes = FETCH_MIN_BYTES
        # Every start is sought explicitly, so whatever lies outside its log is an error, not a reset.
        consumer._auto_offset_reset = "none"
        return consumer

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - Faust's own name for it
        max_records: int | None = None,
    ) -> Any:
        async with self._fetching:
            wanted = active_partitions - self.held
            if not wanted:
                # An empty set would mean all of them.
                await asyncio.sleep(FETCH_TURN_S)
                return {}
            keep_whole(consumer, cast(Duties, self.app).whole_topics)
            turn = FETCH_TURN_S if timeout is None else min(timeout, FETCH_TURN_S)
            try:
                found = await super()._fetch_records(consumer, wanted, turn, max_records)
            except OffsetOutOfRangeError as error:
                places = ", ".join(f"{tp.topic}/{tp.partition} at {at}" for tp, at in error.args[0].items())
                stop_now(Exit.MISSING, f"The log does not hold what comes next: {places}.")
            except NoOffsetForPartitionError:
                # The partitions changed under this fetch, and aiokafka looked for a position before ours was set.
                return {}
            return {tp: [chunk] for tp, chunk in self._chunks(consumer, wanted, found)} if self.flowing else {}

    @property
    def flowing(self) -> bool:
        """Whether Faust lets messages through; not so in a rebalance."""
        return bool(self.consumer.flow_active)

    def _chunks(
        self, consumer: Any, wanted: set[TP], found: Mapping[Any, list[Any]]
    ) -> Iterator[tuple[TP, Chunk]]:
        """A chunk for each partition whose position has moved, records or none."""
        for tp in wanted:
            before, at = self._handed.get(tp), self._position(consumer, tp)
            if before is None or at is None or at == before:
                continue
            self._handed[tp] = at
            records = tuple(found.get(tp, ()))
            if records and isinstance(records[0], Sheaf):
                assert len(records) == 1
                yield tp, Chunk(before, at, (), records[0])
            else:
                yield tp, Chunk(before, at, records)

    def _position(self, consumer: Any, tp: TP) -> int | None:
        state = self._state(consumer, tp)
        return state.position if state is not None and state.has_valid_position else None

    @staticmethod
    def _state(consumer: Any, tp: TP) -> Any:
        subscription = consumer._subscription.subscription
        assignment = subscription.assignment if subscription is not None else None
        if assignment is None or not assignment.active or tp not in assignment.tps:
            return None
        return assignment.state_value(tp)

    def end(self, tp: TP) -> End | None:
        """Where this partition's reader and its log's end stood when the broker last answered.

        aiokafka stamps an answer when it is processed, which after a pause may be long after it was given. But
        its request left after the answer before it had been processed: that moment is proven.
        """
        state = self._state(self._consumer, tp) if self._consumer is not None else None
        if state is None or not state.has_valid_position or state.highwater is None or state.timestamp is None:
            return None
        # The moment first: what the broker answers after it can only be newer.
        stamped_ms, end, position = int(state.timestamp), int(state.highwater), int(state.position)
        newest_ms, before_ms = self._answered.get(tp, (stamped_ms, 0))
        if stamped_ms != newest_ms:
            newest_ms, before_ms = stamped_ms, newest_ms
        self._answered[tp] = newest_ms, before_ms
        return End(position, end, before_ms)

    def waits(self, tp: TP, at: int) -> bool:
        """Whether this process has fetched or handed out something of a partition behind ``at`` that it may take.

        Nobody asks the broker: what has been fetched waits for us alone, whether it is away or not.
        """
        fetched = getattr(getattr(self._consumer, "_fetcher", None), "_records", ())
        return tp not in self.held and (self._handed.get(tp, at) > at or tp in fetched)

    async def standing(self, tps: Iterable[TP]) -> dict[TP, Standing]:
        """Ask the broker for committed offsets and log bounds."""
        return cast("dict[TP, Standing]", await self.call_thread(self._standing, list(tps)))

    async def _standing(self, tps: list[TP]) -> dict[TP, Standing]:
        if not tps:
            return {}
        consumer = self._ensure_consumer()
        begin, end = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
        return {tp: Standing(await consumer.committed(tp), begin[tp], end[tp]) for tp in tps}

    async def _seek_wait(self, consumer: Any, partitions: Mapping[TP, int]) -> None:
        # A fetch under way may still bring records of the old position: let it end first.
        async with self._fetching:
            self._handed.update(partitions)
            for tp in partitions:
                self._answered.pop(tp, None)
            await super()._seek_wait(consumer, partitions)


class Consumer(driver.Consumer):
    """The consumer as the event loop sees it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.durable: dict[TP, int] = {}
        self.unsettled_since: float | None = None
        self._settling: asyncio.Task[None] | None = None
        super().__init__(*args, **kwargs)

    @property
    def duties(self) -> Duties:
        """The application, which knows what a partition means."""
        return cast(Duties, self.app)

    @property
    def thread(self) -> Thread:
        """The thread that talks to the broker."""
        return cast(Thread, self._thread)

    def _new_consumer_thread(self) -> Thread:
        return Thread(self, loop=self.loop, beacon=self.beacon)

    def _to_message(self, tp: Any, record: Any) -> ConsumerMessage:
        tp = ensure_TP(tp)
        stamp = record.records[-1].timestamp / 1000.0 if record.records else 0.0
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            offset=record.next - 1,
            timestamp=stamp,
            timestamp_type=0,
            headers=[],
            key=None,
            value=record,
            checksum=None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    # ---------------------------------------------------------------- holding back

    def hold(self, tps: Iterable[TP]) -> None:
        """Hand out nothing more of these partitions; chunks that are on their way still arrive."""
        self.thread.held |= frozenset(tps)

    def release(self, tps: Iterable[TP]) -> None:
        """Hand these partitions out again, from where they were held."""
        self.thread.held -= frozenset(tps)

    def on_buffer_full(self, tp: TP) -> None:
        """A full channel already makes the fetcher wait; setting partitions aside too would stall it for 1 s."""

    # ---------------------------------------------------------------- commits

    def ack(self, message: Any) -> bool:
        """Forget the message: an acknowledged one may never have been looked at."""
        message.acked = True
        self._unacked_messages.discard(message)
        return True

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing: chunks know where they begin and end."""

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in list(self.durable) if topics is None or tp in topics or tp.topic in topics)

    def _filter_committable_offsets(self, tps: Iterable[TP]) -> dict[TP, int]:
        offsets = {tp: self.durable[tp] for tp in tps if tp in self.durable}
        return {tp: offset for tp, offset in offsets.items() if self._should_commit(tp, offset)}

    # ---------------------------------------------------------------- partitions come and go

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Publish and commit while the partitions are still ours, then let Faust proceed."""
        await self._stop_settling()
        await self.duties.give_up()
        await self.commit()
        for tp in revoked:
            self.durable.pop(tp, None)
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Hold everything until it has a position."""
        self.thread.held = frozenset(assigned)
        self.unsettled_since = monotonic_s()
        await super().on_partitions_assigned(assigned, generation_id)
        if not assigned:
            await self.perform_seek()  # Faust seeks nothing then, but what was ours must be let go

    async def perform_seek(self) -> None:
        """Set the positions of a new assignment.

        Faust calls this from two places, and gives up waiting after a while, without a word, as if it were
        done. So the work is a task of its own: it ends when it ends, and until then all partitions are held.
        """
        if self._settling is None and self.unsettled_since is not None:
            self._settling = asyncio.ensure_future(self._settle())
        if self._settling is not None:
            await asyncio.wait({self._settling})

    async def _settle(self) -> None:
        try:
            await self.duties.settle(self, {ensure_TP(tp) for tp in self.assignment()})
        except IllegalStateError:
            return  # a partition left while we looked at it: the next assignment is on its way
        except Exception as error:
            stop_now(Exit.STUCK, f"The partitions' positions could not be set: {type(error).__name__}: {error}.")
        self.unsettled_since = None

    async def _stop_settling(self) -> None:
        task, self._settling = self._settling, None
        self.unsettled_since = None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task})

    async def on_stop(self) -> None:
        """Publish and commit for the last time."""
        await self._stop_settling()
        await self.duties.finish()
        await super().on_stop()


class Transport(driver.Transport):
    """Faust's aiokafka transport, with our consumer."""

    Consumer = Consumer
