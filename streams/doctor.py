"""``whaleline doctor``: what of a deployment is not as it should be, and what to do about each.

``streams.examine`` looks, here is judged what was seen: no socket and no clock, so that every fault can be planted
in a test.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from streams.config import Config
from streams.topics import Finding

Place = tuple[str, int]
"""A topic and one of its partitions."""

STILL_MS = 70 * 60_000
"""Each hour is told in the ledger: one that was not is late by more than ten minutes."""
SKEW_MS = 5_000
SOURCE_SLACK = 10
"""Transaction markers of a producer count as lag that nobody can work off."""
SAFE_REPLICAS = 3


class Gravity(IntEnum):
    """How bad it is."""

    NOTE = 0
    WARNING = 1
    FAULT = 2


@dataclass(frozen=True, slots=True)
class Ailment:
    """One thing that is not as it should be, and what to do about it; two sentences."""

    gravity: Gravity
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Copy:
    """One partition's replicas."""

    leader: int
    replicas: int
    in_sync: int


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the workers' group: where it runs, and which partitions it has."""

    name: str
    host: str
    partitions: frozenset[Place]


@dataclass(frozen=True, slots=True)
class Bounds:
    """A partition's log, and the group's offset in it at two moments some seconds apart (None: never)."""

    begin: int
    end: int
    before: int | None
    after: int | None

    @property
    def lag(self) -> int:
        """How much of the log is not done."""
        return max(self.end - (self.begin if self.after is None else self.after), 0)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found of a deployment. Nothing here names a customer."""

    brokers: int
    topics: Mapping[str, Mapping[int, Copy]]
    planned: tuple[Finding, ...]
    settings: Mapping[str, str]
    members: tuple[Member, ...]
    bounds: Mapping[Place, Bounds]
    now_ms: int
    newest_ms: int | None = None
    topic_ids: bool = True
    hanging: tuple[str, ...] | None = ()
    """None where the brokers would not say."""
    kernels_compiled: bool = True
    kernels_kept: bool = True
    policy: str | None = None


def topics_as_planned(config: Config, seen: Seen) -> Iterator[Ailment]:
    """Every topic is there, with the partitions and settings of the plan."""
    for one in seen.planned:
        gravity = Gravity.FAULT if one.fatal else Gravity.WARNING
        if one.kind == "missing":
            yield Ailment(gravity, one.sentence.split(":")[0], "Run `whaleline topics apply`.")
        elif one.kind == "partitions":
            remedy = (
                "These topics keep their partitions for good: set ledger_partitions to what is there, or "
                "take a new topics prefix."
                if one.fatal
                else "Set source_partitions to what is there, so that the plan and the topic agree."
            )
            yield Ailment(gravity, one.sentence, remedy)
        elif one.kind == "config":
            setting = one.sentence.split(" has ")[1].split("=")[0]
            planned = one.sentence.rsplit(" ", 1)[1]
            change = f"kafka-configs.sh --alter --entity-type topics --entity-name {one.topic}"
            yield Ailment(gravity, one.sentence, f"Run `{change} --add-config {setting}={planned}`.")
        else:
            yield Ailment(Gravity.NOTE, one.sentence, "Give this user the right DescribeConfigs on the topic.")


def copies_in_sync(config: Config, seen: Seen) -> Iterator[Ailment]:
    """Every partition has a leader and all its replicas."""
    for topic, copies in sorted(seen.topics.items()):
        leaderless = sorted(partition for partition, one in copies.items() if one.leader < 0)
        behind = sorted(at for at, one in copies.items() if one.leader >= 0 and one.in_sync < one.replicas)
        if leaderless:
            yield Ailment(
                Gravity.FAULT,
                f"{topic}: partitions {_list(leaderless)} have no leader: nobody can read or write them",
                "Bring the brokers back that hold them; do not delete the topic.",
            )
        if behind:
            yield Ailment(
                Gravity.WARNING,
                f"{topic}: partitions {_list(behind)} have fewer replicas in sync than they should",
                "Look for a broker that is down, slow or out of disk; one more loss may stop all writes.",
            )


def copies_enough(config: Config, seen: Seen) -> Iterator[Ailment]:
    """The loss of a broker loses nothing, where there are brokers enough for that."""
    if seen.brokers < SAFE_REPLICAS:
        yield Ailment(
            Gravity.NOTE,
            f"brokers: {seen.brokers}, fewer than {SAFE_REPLICAS}: the loss of a disk loses data",
            "Fine for trying out. Take three brokers and replication = 3 for anything that matters.",
        )
        return
    thin = sorted(
        topic
        for topic, copies in seen.topics.items()
        if any(one.replicas < SAFE_REPLICAS for one in copies.values())
    )
    if thin:
        yield Ailment(
            Gravity.WARNING,
            f"{', '.join(thin)}: fewer than {SAFE_REPLICAS} replicas, though there are {seen.brokers} brokers",
            "Set replication = 3 before the topics are made; for others use kafka-reassign-partitions.sh.",
        )
    replicas = int(seen.settings.get("transaction.state.log.replication.factor", SAFE_REPLICAS))
    if replicas < SAFE_REPLICAS:
        yield Ailment(
            Gravity.WARNING,
            f"the brokers keep transactions in {replicas} replicas: with that broker no alert can be published",
            "Set transaction.state.log.replication.factor=3 and transaction.state.log.min.isr=2 on the brokers.",
        )


def broker_settings(config: Config, seen: Seen) -> Iterator[Ailment]:
    """The brokers are new enough and set up so that nothing is lost and no typing error makes a topic."""
    if not seen.topic_ids:
        yield Ailment(
            Gravity.FAULT,
            "the brokers give topics no ids: they are older than Kafka 2.8",
            "Use Kafka 4.x: without ids a topic that was made anew cannot be told from the old one.",
        )
    if seen.settings.get("auto.create.topics.enable") == "true":
        yield Ailment(
            Gravity.WARNING,
            "the brokers make topics by themselves: a misspelt name becomes a topic with one partition",
            "Set auto.create.topics.enable=false on the brokers.",
        )
    if seen.settings.get("unclean.leader.election.enable") == "true":
        yield Ailment(
            Gravity.WARNING,
            "the brokers may elect a leader that lacks records: the ledger could lose its tail",
            "Set unclean.leader.election.enable=false on the brokers.",
        )
    low, high = (seen.settings.get(f"group.{end}.session.timeout.ms") for end in ("min", "max"))
    timeout_ms = config.session_timeout_s * 1_000
    if (low is not None and timeout_ms < int(low)) or (high is not None and timeout_ms > int(high)):
        yield Ailment(
            Gravity.FAULT,
            f"session_timeout_s = {config.session_timeout_s} is refused by the brokers ({low} to {high} ms)",
            "Set session_timeout_s between the two, or change group.min.session.timeout.ms on the brokers.",
        )


def lacking(rights: Sequence[str]) -> Ailment:
    """The user who asks may not do what its kind of process does; nothing else can be looked at then."""
    return Ailment(
        Gravity.FAULT,
        f"this user may not {', '.join(rights)}",
        "`whaleline topics rights` prints the commands that give each kind of process what it needs.",
    )


def group_complete(config: Config, seen: Seen) -> Iterator[Ailment]:
    """Workers are there, every partition has one, and nobody else is in their group."""
    ours = set(seen.bounds)
    if not seen.members:
        yield Ailment(
            Gravity.FAULT,
            f"the group {config.app_id} has no member: nothing is judged",
            "Start workers: `whaleline worker`, as many as you like.",
        )
        return
    taken = {place for member in seen.members for place in member.partitions}
    strangers = sorted({topic for topic, _ in taken} - {topic for topic, _ in ours})
    if strangers:
        yield Ailment(
            Gravity.FAULT,
            f"a member of the group {config.app_id} reads {', '.join(strangers)}: that is no worker of ours",
            "Give the other application a group of its own: they take partitions from the workers.",
        )
    missing = sorted(ours - taken)
    if missing:
        yield Ailment(
            Gravity.FAULT,
            f"{len(missing)} partitions have no worker, {missing[0][0]}/{missing[0][1]} among them",
            "Wait for the rebalance and look again; if it stays, restart the worker whose /readyz is 503.",
        )
    idle = sum(not any(topic == config.topics.ledger for topic, _ in member.partitions) for member in seen.members)
    if idle and not missing:
        yield Ailment(
            Gravity.NOTE,
            f"{idle} of {len(seen.members)} workers judge nothing: there are more of them than ledger partitions",
            "They stand by. More workers than ledger partitions make nothing faster.",
        )


def positions_sound(config: Config, seen: Seen) -> Iterator[Ailment]:
    """Every offset that was committed lies in its log."""
    for (topic, partition), one in sorted(seen.bounds.items()):
        if one.after is not None and not one.begin <= one.after <= one.end:
            yield Ailment(
                Gravity.FAULT,
                f"{topic}/{partition}: offset {one.after} comes next, but the log holds {one.begin} to {one.end}",
                "Records were deleted before they were read, or the log is older than its readers: workers end "
                "with 72. How to go on without them stands in docs/operations.md, Lost records.",
            )


def work_goes_on(config: Config, seen: Seen) -> Iterator[Ailment]:
    """What lags is worked off, and time goes on."""
    if not seen.members:
        return
    lagging = {
        place: one
        for place, one in seen.bounds.items()
        if one.lag > (0 if place[0] == config.topics.ledger else SOURCE_SLACK)
    }
    stuck = sorted(place for place, one in lagging.items() if one.before == one.after)
    if stuck:
        topic, partition = stuck[0]
        yield Ailment(
            Gravity.FAULT,
            f"{len(stuck)} partitions lag and do not move, {topic}/{partition} among them "
            f"({seen.bounds[stuck[0]].lag} records)",
            "See docs/runbooks/lag-growing.md: a worker restores, a broker is slow, or a transaction hangs.",
        )
    elif lagging:
        total = sum(one.lag for one in lagging.values())
        yield Ailment(Gravity.NOTE, f"{total} records are being worked off", "Nothing, unless it becomes more.")
    if seen.newest_ms is not None and config.source_clock == "wall" and seen.now_ms - seen.newest_ms > STILL_MS:
        minutes = (seen.now_ms - seen.newest_ms) // 60_000
        yield Ailment(
            Gravity.FAULT,
            f"nothing has been written to the ledger for {minutes} minutes: time stands still",
            "A source partition has no worker, or one that will never send again holds time up: see "
            "`whaleline ledger retire`.",
        )


def clocks_agree(config: Config, seen: Seen) -> Iterator[Ailment]:
    """The broker's clock is not ahead of this machine's."""
    if seen.newest_ms is not None and seen.newest_ms - seen.now_ms > SKEW_MS:
        yield Ailment(
            Gravity.FAULT,
            f"the broker's clock is {(seen.newest_ms - seen.now_ms) / 1_000:.0f} s ahead of this machine's",
            "Let both follow the same time service (NTP): events are refused as future by the broker's clock.",
        )


def nothing_hangs(config: Config, seen: Seen) -> Iterator[Ailment]:
    """No transaction is left open for good, which would hold readers up."""
    if seen.hanging is None:
        yield Ailment(
            Gravity.NOTE,
            "whether a transaction hangs open could not be asked",
            "Give this user the right Describe on all transactional ids; brokers before Kafka 3.0 cannot say it.",
        )
    for one in seen.hanging or ():
        yield Ailment(
            Gravity.FAULT,
            f"a transaction hangs open on {one}: readers wait behind it",
            "Find it with `kafka-transactions.sh find-hanging` and end it with `abort`.",
        )


def machine_ready(config: Config, seen: Seen) -> Iterator[Ailment]:
    """This machine's kernels are compiled and kept, and its policy can be read."""
    if not seen.kernels_compiled:
        yield Ailment(
            Gravity.WARNING,
            "the kernels are not compiled on this machine: a worker's first start takes minutes",
            "Run `whaleline compile` once, as the user who runs the workers.",
        )
    if not seen.kernels_kept:
        yield Ailment(
            Gravity.WARNING,
            "compiled kernels cannot be kept: each start compiles anew",
            "Set NUMBA_CACHE_DIR to a folder that the worker may write to.",
        )
    if seen.policy is not None:
        yield Ailment(Gravity.FAULT, seen.policy, "Correct it, then `whaleline policy check FILE`.")


Check = Callable[[Config, Seen], Iterator[Ailment]]
CHECKS: tuple[Check, ...] = (
    topics_as_planned,
    copies_in_sync,
    copies_enough,
    broker_settings,
    group_complete,
    positions_sound,
    work_goes_on,
    clocks_agree,
    nothing_hangs,
    machine_ready,
)


def diagnose(config: Config, seen: Seen) -> list[Ailment]:
    """Everything that is not as it should be, the worst first."""
    found = [one for check in CHECKS for one in check(config, seen)]
    return sorted(found, key=lambda one: -one.gravity)


def _list(partitions: list[int]) -> str:
    return ", ".join(map(str, partitions[:5])) + (", ..." if len(partitions) > 5 else "")
