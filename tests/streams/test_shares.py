"""A replay by several processes writes, to the byte, what one process writes; and 64 partitions what one does."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from streams import beside as side
from streams import checkpoint, ledgerfile, payloads, rejudge, replay, writer
from streams.beside import beside
from streams.checkpoint import begin
from streams.ledgerfile import FileError, Frame, Head
from streams.rejudge import ReplayError
from streams.replay import Outputs, Summary, run_replay
from streams.simulate import END_MS
from tests.command import stories_file, whaleline
from tests.driver import Driver, feed
from tests.worlds import START_MS, world

SUFFIX = {"curve": "json", "daily": "parquet"}


def outputs(folder: Path) -> Outputs:
    """Everything that can be written."""
    folder.mkdir(exist_ok=True)
    named = {one.name: folder / f"{one.name}.{SUFFIX.get(one.name, 'jsonl')}" for one in fields(Outputs)}
    return Outputs(**named)


def written(events: Path, folder: Path, **how: object) -> tuple[Summary, dict[str, bytes]]:
    summary = run_replay(events, outputs(folder), **how)  # type: ignore[arg-type]
    assert not list(folder.glob(".*"))
    return summary, {one.name: one.read_bytes() for one in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stories, some junk, and a wave that is held."""
    file = stories_file(tmp_path_factory.mktemp("shares") / "events.jsonl", customers=8)
    of = (("chat", {"case_id": "T", "reason": "no login"}), ("rude_call", {"observer": "qa"}))
    wave = [
        {"version": 1, "kind": kind, "ts_ms": END_MS + at, "customer_id": f"C{number}", "event_id": kind, **more}
        for number in range(40)
        for at, (kind, more) in enumerate(of)
    ]  # fmt: skip
    with file.open("a") as out:
        for number, one in enumerate(wave):
            out.write(json.dumps(one) + "\n" + ("not an event\n" if number % 9 == 0 else ""))
    return file


def test_shares_make_the_whole(events: Path, tmp_path: Path) -> None:
    alone = written(events, tmp_path / "alone", partitions=5, jobs=1)
    assert written(events, tmp_path / "shared", partitions=5, jobs=3) == alone
    summary, files = alone
    assert summary.dead_letters == 9
    assert summary.held > 0
    assert all(files.values())


def test_the_partitions_of_a_ledger_are_shared_too(tmp_path: Path) -> None:
    driver = Driver(now_ms=START_MS, partitions=3)
    feed(driver, world(3, 200))
    driver.wait(days=30)
    frames = [
        Frame(at, one.offset, one.append_ms, one.value) for at, log in enumerate(driver.ledger) for one in log
    ]
    ledgerfile.write(tmp_path / "ledger.wll", Head("ledger", 3), frames)
    alone = written(tmp_path / "ledger.wll", tmp_path / "alone", jobs=1)
    assert alone[0].alerts > 0
    assert written(tmp_path / "ledger.wll", tmp_path / "shared", jobs=7) == alone


def test_sixty_four_partitions_judge_as_one(tmp_path: Path) -> None:
    """Where no whole-base limit is met, which each partition has a share of."""
    file = stories_file(tmp_path / "events.jsonl", customers=8)
    one, many = (written(file, tmp_path / str(count), partitions=count, jobs=1) for count in (1, 64))
    assert one[0].alerts_by_kind == many[0].alerts_by_kind
    assert one[1]["states.jsonl"] == many[1]["states.jsonl"]
    ids = [
        [json.loads(line)["alert_id"] for line in found[1]["alerts.jsonl"].splitlines()] for found in (one, many)
    ]
    assert ids[0] == ids[1]


class Broken(Exception):
    """The replay was interrupted."""


@pytest.mark.parametrize(("jobs", "broken"), [(1, (1, 4, 2)), (2, (3, 9))])
def test_what_was_interrupted_goes_on_and_nothing_shows(
    events: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int, broken: tuple[int, ...]
) -> None:
    """Cut off after any number of chunks, again and again: in the end the bytes of one that was left in peace."""
    alone = written(events, tmp_path / "alone", partitions=3, jobs=1)
    breaks = iter(broken)

    def in_turn(task: Any, arguments: Any, name: str, progress: Any) -> list[Any]:
        left = [next(breaks, 10**9)]

        def count(_: int) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Broken

        return [task(*given, count) for given in arguments]

    monkeypatch.setattr(payloads, "AT_ONCE", 60)
    monkeypatch.setattr(rejudge, "AT_ONCE", 60)
    monkeypatch.setattr(writer, "EVERY_S", 0.0)
    monkeypatch.setattr(replay, "beside", in_turn)
    folder, kept = tmp_path / "out", tmp_path / "kept"
    for _ in broken:
        with pytest.raises(Broken):
            written(events, folder, partitions=3, jobs=jobs, resume=kept)
        assert list(folder.iterdir()) == []
        assert (kept / "0" / "checkpoint").is_file()
    with pytest.raises(FileError, match="another input or with other options"):
        written(events, tmp_path / "other", partitions=4, jobs=jobs, resume=kept)
    assert written(events, folder, partitions=3, jobs=jobs, resume=kept) == alone
    assert not kept.exists()


def test_a_draft_that_a_kill_left_is_in_nobodys_way(tmp_path: Path) -> None:
    """In a container each run is the same process by its number."""
    (tmp_path / f".alerts.{os.getpid()}.part").touch()
    with ledgerfile.whole_file(tmp_path / "alerts") as out:
        out.write(b"whole")
    assert (tmp_path / "alerts").read_bytes() == b"whole"


def test_a_folder_of_something_else_is_left_alone(events: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").touch()
    with pytest.raises(FileError, match="name a new folder"):
        written(events, tmp_path / "out", resume=tmp_path)
    assert (tmp_path / "letter.txt").is_file()


def _ended(number: int, count: object) -> None:
    if number:
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_folder_of_a_replay_that_still_runs_is_left_alone(tmp_path: Path) -> None:
    kept = tmp_path / "kept", "of somebody"
    with begin(*kept), pytest.raises(FileError, match="still runs"), begin(*kept):
        pass
    with begin(*kept):
        pass


def test_a_share_whose_replay_was_killed_ends_and_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would go on writing where the next replay of the same folder does."""
    codes: list[int] = []
    monkeypatch.setattr(side, "_done", [SimpleNamespace(value=0), SimpleNamespace(value=0)])
    monkeypatch.setattr(side.os, "_exit", codes.append)
    for parent, told in ((os.getppid(), []), (-1, [1])):
        monkeypatch.setattr(side, "_parent", [parent])
        side._run(0, lambda count: count(5), ())
        assert codes == told
    with (
        checkpoint.alone(tmp_path / "0"),
        (tmp_path / "0.lock").open("wb") as lock,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _breaks(number: int, whole: Path, count: Callable[[int], None]) -> None:
    if number == 0:
        raise ReplayError("record 7 is damaged")
    for _ in range(6_000):
        count(1)
        Event().wait(0.01)
    whole.touch()


def test_what_ends_one_share_is_told_while_the_others_have_much_to_do(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    with pytest.raises(ReplayError, match="record 7"):
        beside(_breaks, [(0, whole), (1, whole)], "a file")
    assert not whole.exists()


def test_a_process_that_is_ended_is_told(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match="ended from outside"):
        beside(_ended, [(0,), (1,)], "a file")


def test_the_command_shares_when_asked(events: Path, tmp_path: Path) -> None:
    found = []
    for jobs in ("1", "2"):
        folder = tmp_path / jobs
        folder.mkdir()
        paths = ("--alerts", folder / "a", "--states", folder / "s")
        kept = ("--resume", folder / "kept") if jobs == "2" else ()
        result = whaleline("replay", events, *paths, "--partitions", "4", "--jobs", jobs, *kept)
        found.append((result.stdout, (folder / "a").read_bytes(), (folder / "s").read_bytes()))
    assert found[0] == found[1]
