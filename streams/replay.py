"""Judge a recorded history again and write down all that comes of it (``streams.rejudge``)."""

import json
import os
import shutil
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from schemas.policy import Policy
from streams import shares
from streams.beside import FROM_BYTES, beside
from streams.checkpoint import begin, digest_of
from streams.ledgerfile import whole_file
from streams.parquet import is_parquet
from streams.recorded import is_recorded, read, size_of
from streams.rejudge import Progress, ReplayError, Share
from streams.sinks import alerts_to, daily_to, states_to
from streams.whale import of_insights
from streams.writer import Asked, Found, Into, Summary, judge_share, judged, line_of, write_line

__all__ = ["Outputs", "Summary", "run_replay"]


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where results go; those that may be None only where wanted.

    All are JSON lines but the curve, which is one object, and ``daily``, which is Parquet. Alerts, those held, and
    states are Parquet too where their names end so.
    """

    alerts: Path
    states: Path
    dead_letters: Path | None = None
    held: Path | None = None
    incidents: Path | None = None
    curve: Path | None = None
    problems: Path | None = None
    daily: Path | None = None


def run_replay(
    events: Path,
    outputs: Outputs,
    policy: Policy | None = None,
    *,
    jobs: int | None = None,
    resume: Path | None = None,
    progress: Progress = lambda _: None,
    **how: Any,
) -> Summary:
    """Judge ``events`` and write alerts and final states; the outputs appear only when complete.

    ``policy`` None is the default policy; a ledger brings its own, and its partitions. ``jobs`` processes share
    the partitions; None takes as many as there are processors and partitions, for an input that is worth it.
    ``resume`` is a folder that holds what an interruption leaves to go on from; it is gone when all is written.
    ``how`` holds what ``Asked`` has. Raises ``ReplayError`` and ``FileError``.
    """
    named = (getattr(outputs, one.name) for one in fields(outputs))
    wanted = [path for path in named if path is not None]
    if len(set(wanted)) < len(wanted) or events in wanted:
        raise ReplayError(f"{events}: the input and the outputs must be different files")
    if outputs.daily is not None and not is_parquet(outputs.daily):
        raise ReplayError(f"{outputs.daily}: what is written daily is Parquet: name it *.parquet")
    asked = Asked(events, policy, **how)
    if is_recorded(events):
        if policy is not None:
            raise ReplayError(f"{events} is a recorded ledger, which brings its own policies: name none")
        asked = asked._replace(partitions=read(events)[0].partitions)
    if asked.from_ms is not None and resume is not None:
        raise ReplayError("a replay from a day on cannot be resumed: begin with a later day instead")
    if jobs is None:
        jobs = (os.cpu_count() or 1) if size_of(events) >= FROM_BYTES else 1
    jobs = min(jobs, asked.partitions)
    with ExitStack() as stack:
        if resume is not None:
            whose = digest_of(events, asked, policy and policy.toml, outputs.daily is not None, jobs)
            stack.enter_context(begin(resume, whose))
        opened: dict[str, Any] = {one.name: None for one in fields(outputs)}
        for name in opened:
            path = getattr(outputs, name)
            if path is not None:
                opened[name] = stack.enter_context(SINKS.get(name, whole_file)(path))
        into = Into(**opened)
        if resume is not None:
            found = _together(asked, into, resume, jobs, progress)
        elif jobs > 1:
            room = stack.enter_context(TemporaryDirectory(prefix=".replay-", dir=outputs.states.parent))
            found = _together(asked, into, Path(room), jobs, progress)
        else:
            found = judged(asked, into, Share(), progress)
        _write_end(found, into)
    if resume is not None:
        shutil.rmtree(resume)
    return found.summary


def _together(asked: Asked, into: Into, room: Path, jobs: int, progress: Progress) -> Found:
    """The same by several processes."""
    folders = [room / str(number) for number in range(jobs)]
    daily = into.daily is not None
    arguments = [(asked, folder, daily, Share(number, jobs)) for number, folder in enumerate(folders)]
    parts = beside(judge_share, arguments, str(asked.events), lambda done: progress(int(done)))
    for name, sink in ((shares.ALERTS, into.alerts), (shares.HELD, into.held)):
        if sink is not None:
            shares.put_alerts(folders, name, sink)
    if into.daily is not None:
        shares.put_daily(folders, into.daily)
    for _, line in shares.merged([folder / shares.LETTERS for folder in folders]) if into.dead_letters else ():
        write_line(into.dead_letters, line)
    shares.put_states(folders, into.states)
    return Found.of(parts)


SINKS: Final[dict[str, Any]] = {"alerts": alerts_to, "held": alerts_to, "states": states_to, "daily": daily_to}
"""What opens an output that has a form of its own."""


def _write_end(found: Found, into: Into) -> None:
    """The last words: on each incident, and the whale curve and the problems as of the last midnight.

    A curve before the first midnight is ``null``.
    """
    for incident in sorted(found.incidents.values(), key=lambda one: (one.since_ms, one.incident_id)):
        write_line(into.incidents, incident.to_json())
    whale, problems = of_insights(found.insights)
    write_line(into.curve, json.dumps(None if whale is None else whale.as_map(), indent=2))
    for one in problems:
        write_line(into.problems, line_of(one.as_map()))
