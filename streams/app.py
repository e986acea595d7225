"""The worker: Faust with our transport, the ingest and the judge, put together and started."""

import asyncio
import gc
import logging
import os
import tempfile
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

import faust
from aiokafka.errors import KafkaConnectionError
from faust.types import TP

from schemas import policy as policies
from schemas.policy import Policy, PolicyError
from streams.accepted import LostRecords, begin
from streams.clock import monotonic_s
from streams.config import Config, ConfigError
from streams.connection import client_of, faust_of
from streams.exits import SENTENCES, Exit, stop_now
from streams.figures import EVERY_S, Figures, ready_to_work
from streams.health import Health
from streams.heap import give_back
from streams.ingest import Ingest
from streams.judge import Judge
from streams.logs import set_up_logging
from streams.metrics import Metrics
from streams.owned import Customers
from streams.rights import missing, rights, shadow_rights
from streams.secret import load_key
from streams.shadowwatch import Watch
from streams.topics import TIMEOUT_S, BrokerUnreachable, TopicError, TopicInfo, check, connected, describe
from streams.transport import Consumer, Standing, Transport, Whole
from streams.warmup import warm
from streams.watchdog import Watchdog

log = logging.getLogger("whaleline")

CHUNK_RECORDS = 1_000
CHUNK_BYTES = 1 << 18
CHANNEL_CHUNKS = 4
"""A channel (one a topic) that lags holds no more than 1 MB so."""

REQUEST_TIMEOUT_S = 40.0
REBALANCE_TIMEOUT_S = 30.0
COMMIT_EVERY_S = 1.0
HEARTBEAT_S = 0.5
"""By its next heartbeat a worker hears that another has left or joined; nobody has those partitions until then."""

COLLECT_EVERY = 20_000
"""New objects until the youngest are looked through; Python's own 700 are soon there where rows are published."""

DESCRIBE_S = 60.0
LOOK_FOR_TOPICS_S = 20.0
READ_ALONG_S = 600.0
"""After so long a worker that stands by joins the group, however much is left to read along."""


class App(faust.App):
    """A Faust app whose partitions are settled by its ingest and its judge.

    ``customers`` has the face of a Faust table: every customer of the ledger partitions this worker owns.
    """

    ingest: Ingest
    judge: Judge
    figures: Figures
    config: Config
    customers: Customers
    _known: Mapping[str, UUID] = MappingProxyType({})
    """The topics that are read, by name, as they were at the last assignment."""

    def _new_transport(self) -> Any:
        return Transport(self.conf.broker_consumer, self, loop=self.loop)

    @property
    def whole_topics(self) -> frozenset[str]:
        """The source topics; the ledger's records are few and large, and their times are wanted."""
        return frozenset((self.config.topics.support_calls, self.config.topics.purchases))

    async def on_start(self) -> None:
        """Who stands by reads everything along before joining the group, and takes over at once then."""
        await super().on_start()
        if not self.config.standby or self.config.shadow_of is not None:
            return
        ledger, customers = self.config.topics.ledger, self.config.topics.customers
        infos = await self._identities((ledger, customers))
        self.judge.over(infos[ledger].topic_id, infos[customers].topic_id)
        if (await self.wait(self.judge.stand_by(), timeout=READ_ALONG_S)).stopped:
            await self.judge.finish()

    async def settle(self, consumer: Consumer, mine: set[TP]) -> None:
        """Set every partition's position and start or resume its work."""
        names = self.config.topics
        ledger = {tp.partition for tp in mine if tp.topic == names.ledger}
        sources = {tp for tp in mine if tp.topic in (names.support_calls, names.purchases)}
        infos = await self._identities((names.support_calls, names.purchases, names.ledger, names.customers))
        self._known = {name: one.topic_id for name, one in infos.items()}
        starts: dict[TP, int] = {}
        for tp, at in (await consumer.thread.standing(sources)).items():
            starts[tp] = self._start(tp, at)
            consumer._committed_offset[tp] = at.committed
        if starts:
            await consumer.seek_wait(starts)
        await self.ingest.settle(consumer, starts, infos)
        await self.judge.settle(consumer, ledger, infos[names.ledger].topic_id, infos[names.customers].topic_id)
        consumer.release(sources)
        read = {name: one.partitions for name, one in infos.items() if name != names.customers}
        self.figures.assigned(consumer, mine, sources, read)
        log.info("assigned: %d source and %d ledger partitions", len(sources), len(ledger))

    def _start(self, tp: TP, at: Standing) -> int:
        """Where reading a source begins: where it was left, if nothing is missing that nobody has let go."""
        start = at.begin if at.committed is None else at.committed
        # What comes at offsets past the end would count as known already: marks never go back.
        past = f"make {tp.topic} anew, so that it counts as another source"
        try:
            lost = begin(self.config.accepted(), (tp.topic, tp.partition), start, (at.begin, at.end), past)
        except LostRecords as error:
            stop_now(Exit.MISSING, str(error))
        if lost is None:
            return start
        self.judge.metrics.lost(lost)
        return at.begin

    async def give_up(self) -> None:
        """Make durable what can be, before the partitions may go to someone else."""
        await asyncio.gather(self.ingest.give_up(), self.judge.give_up())

    async def finish(self) -> None:
        """Make durable what can be, and let go of everything."""
        await asyncio.gather(self.ingest.finish(), self.judge.finish())

    def places(self) -> dict[TP, int]:
        """What comes next of each partition of which records are taken now; none in a rebalance."""
        ledger = self.config.topics.ledger
        judged = {TP(ledger, at): one.next_offset for at, one in self.judge.ready().items()}
        return {**self.ingest.places(), **judged}

    async def look_at_room(self) -> None:
        """End before more customers than this worker may hold take its memory, as a feed of made-up ids would."""
        held, most = len(self.customers), self.config.max_customers
        if held > most:
            stop_now(
                Exit.CONFIGURATION,
                f"This worker holds {held} customers, and max_customers is {most}: look at the ids that come in; "
                "start more workers, or raise it where there is memory for more.",
            )

    async def look_for_topics(self) -> None:
        """End if a topic is gone that is read: its reader would wait for ever, and time with it."""
        known = self._known
        try:
            infos = await asyncio.to_thread(describe, self.config.broker, known, **client_of(self.config))
        except (TopicError, ConfigError):
            return  # a broker that is away is waited for
        for name, topic_id in known.items():
            if name not in infos:
                stop_now(Exit.CONFIGURATION, f"Topic {name} was deleted while this worker read it.")
            if infos[name].topic_id != topic_id and known is self._known:
                stop_now(Exit.MISSING, f"Topic {name} was deleted and made again while this worker read it.")

    async def _identities(self, names: Iterable[str]) -> dict[str, TopicInfo]:
        """Ask for the topics' UUIDs at each assignment, since a topic may have been made anew."""
        names, config = list(names), self.config
        begun = monotonic_s()
        while True:
            try:
                infos = await asyncio.to_thread(describe, config.broker, names, **client_of(config))
            except BrokerUnreachable as error:
                if monotonic_s() - begun > DESCRIBE_S:
                    stop_now(Exit.STUCK, f"{error}.")
                await asyncio.sleep(1.0)
                continue
            except TopicError as error:
                stop_now(Exit.CONFIGURATION, f"{error}.")
            for name in names:
                if name not in infos:
                    stop_now(
                        Exit.CONFIGURATION,
                        f"Topic {name} does not exist: make it with `whaleline topics apply`.",
                    )
            return infos


def create_app(
    config: Config, policy: Policy | None = None, metrics: Metrics | None = None, erasure_key: bytes | None = None
) -> App:
    """Make the Faust app of this configuration; it neither connects nor starts anything."""
    metrics = metrics if metrics is not None else _metrics_of(config)
    policy = policy if policy is not None else load_policy(config)
    app = App(
        config.app_id,
        **faust_of(config),
        store="memory://",
        autodiscover=False,
        datadir=str(
            Path(tempfile.gettempdir()) / f"whaleline-{os.getuid()}"
        ),  # Faust insists on one; nothing of ours is in it
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=config.ledger_partitions,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=CHUNK_BYTES,
        broker_max_poll_records=CHUNK_RECORDS,
        broker_check_crcs=not config.embedded_broker,
        broker_commit_interval=COMMIT_EVERY_S,
        consumer_group_instance_id=config.instance_id or None,
        broker_session_timeout=config.session_timeout_s,
        broker_heartbeat_interval=min(HEARTBEAT_S, config.session_timeout_s / 4),
        broker_rebalance_timeout=max(REBALANCE_TIMEOUT_S, config.session_timeout_s),
        broker_request_timeout=max(REQUEST_TIMEOUT_S, config.session_timeout_s + 10.0),
        stream_buffer_maxsize=CHANNEL_CHUNKS,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        producer_request_timeout=30.0,
        worker_redirect_stdouts=False,
    )
    app.config = config
    shadowed = None if config.shadow_of is None else policy
    app.judge = Judge(config, metrics, shadowed, erasure_key)
    app.ingest = Ingest(config, policy, metrics, app.judge.passed_ms)
    app.customers = app.judge.customers
    app.figures = Figures(metrics, app.judge)
    _agents(app)
    if shadowed is not None:
        watch = Watch(config, shadowed, metrics, app.judge.ready)

        async def whaleline_shadow() -> None:
            await watch.run()

        app.task(whaleline_shadow)
    return app


def _agents(app: App) -> None:
    """One agent over both sources, one over the ledger, and the gauges. None raises: a doubt ends the process."""
    names = app.config.topics
    ledger = app.topic(names.ledger, schema=Whole(), value_serializer="raw")

    if app.config.shadow_of is None:  # a shadow takes nothing in
        _takes_in(app)

    @app.agent(ledger, name="whaleline-judge")
    async def judge(stream: Any) -> None:
        async for event in stream.noack().events():
            if event.message.generation_id != app.consumer_generation_id:
                continue
            try:
                await app.judge.hear(event.message.tp, event.value)
            except Exception as error:
                stop_now(Exit.POISON, f"Ledger partition {event.message.partition}: {type(error).__name__}.")

    async def figures() -> None:
        app.figures.turn()

    app.timer(EVERY_S, name="whaleline-figures")(figures)
    app.timer(EVERY_S, name="whaleline-room")(app.look_at_room)
    if not app.config.embedded_broker:
        app.timer(LOOK_FOR_TOPICS_S, name="whaleline-topics")(app.look_for_topics)


def _takes_in(app: App) -> None:
    names = app.config.topics
    sources = app.topic(names.support_calls, names.purchases, schema=Whole(), value_serializer="raw")

    @app.agent(sources, name="whaleline-ingest")
    async def ingest(stream: Any) -> None:
        async for event in stream.noack().events():
            if event.message.generation_id != app.consumer_generation_id:
                continue  # read for an older assignment; it is read again where it is still ours
            try:
                app.ingest.hear(event.message.tp, event.value)
            except Exception as error:
                tp = event.message.tp
                stop_now(Exit.POISON, f"{tp.topic}/{tp.partition}: taking in raised {type(error).__name__}.")


def load_policy(config: Config) -> Policy:
    """Read the policy file, or take the default policy; raise ConfigError with one sentence."""
    try:
        text = Path(config.policy).read_text(encoding="utf-8") if config.policy else ""
        return policies.parse(text, config.policy or "the default policy")
    except OSError as error:
        raise ConfigError(f"{config.policy}: the policy cannot be read: {error.strerror}") from None
    except (PolicyError, UnicodeDecodeError) as error:
        raise ConfigError(str(error)) from None


def check_topics(config: Config) -> None:
    """Raise ConfigError for a right or a topic that is missing or not as planned; log what only differs.

    A broker that does not answer is no fault of the configuration: ``BrokerUnreachable``.
    """
    try:
        lacking = _rights_lacking(config)
        findings = [] if lacking else check(config.broker, config.plan(), **client_of(config))
    except BrokerUnreachable:
        raise
    except TopicError as error:
        raise ConfigError(str(error)) from None
    if lacking:
        raise ConfigError(f"this user may not {', '.join(lacking)}: see `whaleline topics rights`")
    fatal = [one.sentence for one in findings if one.fatal]
    if fatal:
        raise ConfigError("; ".join(fatal))
    for one in findings:
        # The embedded broker tells nothing about its topics; that is no news.
        if not (config.embedded_broker and one.kind == "unread"):
            log.warning("%s", one.sentence)


def _rights_lacking(config: Config) -> list[str]:
    if config.embedded_broker:
        return []  # it knows of none
    with connected(config.broker, TIMEOUT_S, client_of(config)) as ask:
        wanted = rights(config.topics, config.app_id)["worker"]
        if config.shadow_of is not None:
            wanted = shadow_rights(config.shadow_of.topics, config.topics, config.app_id)
        return missing(ask, wanted)


class Worker(faust.Worker):
    """Faust's worker, which tells the watchdog when it was asked to stop."""

    watchdog: Watchdog

    async def start(self) -> None:
        """Start everything; the broker may have gone since the topics were looked at."""
        try:
            await super().start()
        except KafkaConnectionError:
            stop_now(Exit.STUCK, "The broker went away while the worker started.")

    def _schedule_shutdown(self, signal: Any) -> None:
        self.watchdog.stopping()
        super()._schedule_shutdown(signal)


def _metrics_of(config: Config) -> Metrics:
    return Metrics(of_shadow=config.shadow_of is not None)


def _cannot_start(code: Exit, error: Exception) -> int:
    log.error("exit %d: %s %s.", code, SENTENCES[code], error)
    return int(code)


def run(config: Config) -> int:
    """Check, warm, join the group and work until stopped; return the exit code.

    A worker that ends itself does so at once, with a code of ``streams.exits``.
    """
    give_back()  # before there are threads
    set_up_logging(style=config.log_style)
    metrics = _metrics_of(config)
    try:
        policy, erasure_key = load_policy(config), load_key(config)
        check_topics(config)
        health = Health(metrics.registry)
        server = health.serve(config.metrics_bind, config.metrics_port)
    except (ConfigError, OSError) as error:
        return _cannot_start(Exit.CONFIGURATION, error)
    except BrokerUnreachable as error:
        return _cannot_start(Exit.STUCK, error)
    # A kernel that compiles later would stop the heartbeats of everyone in the loop.
    warm()
    # What is there now stays: the collector of garbage need not look through it again and again.
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, 20, 20)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    app = create_app(config, policy, metrics, erasure_key)
    worker = Worker(app, loop=loop, quiet=True, redirect_stdouts=False, override_logging=False)
    worker.spinner = None
    worker.watchdog = Watchdog(app)
    worker.watchdog.start()
    health.alive, health.ready = worker.watchdog.standstill, partial(ready_to_work, app)
    try:
        worker.execute_from_commandline()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    finally:
        if server is not None:
            server.shutdown()
    return 0
