"""``make upgrade-check``: workers of an earlier commit are replaced one by one by those of this one, under load.

Meanwhile both work side by side on one deployment and take partitions over from each other. Then an earlier one
is started again: where the layout of rows has changed since, it must be refused in a sentence, and its partitions
wait until the session of a member that died has run out. The verdict comes from the topics, as in
``make rolling-check``.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from streams.exits import Exit
from tests.broker.deployment import ROOT, Deployment
from tests.broker.kafka import Kafka, Unavailable, fetch_jars, find_java
from tests.broker.rolling import READY_S, WORKERS, Fleet, Load, is_fine, judged, late
from tests.monitoring.watchers import until

SIDE_BY_SIDE_EVENTS = 400
"""So many events are sent between two replacements, so that each mixture has work to do."""

LAYOUT = re.compile(r"^LAYOUT = (\d+)$", re.M)


def earlier(commit: str) -> Path:
    """The tree of a commit, beside what else is built, with its kernels compiled; made once."""
    place = ROOT / "build" / "earlier" / commit
    if not (place / "compiled").exists():
        packed = subprocess.run(
            ["git", "-C", str(ROOT), "archive", commit], check=True, capture_output=True
        ).stdout
        place.mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=io.BytesIO(packed)) as tree:
            tree.extractall(place, filter="data")
        print(f"Compiling the kernels of {commit}, once; a minute or two", flush=True)
        command = [sys.executable, "-m", "streams.cli", "compile"]
        environment = {**os.environ, "PYTHONPATH": str(place)}
        subprocess.run(command, cwd=place, check=True, env=environment, stdout=subprocess.DEVNULL)
        (place / "compiled").touch()
    return place


def layout_of(tree: Path) -> int:
    """The number of the row layout that a tree writes."""
    found = LAYOUT.search((tree / "schemas" / "state.py").read_text(encoding="utf-8"))
    assert found is not None, f"{tree} does not say which layout it writes"
    return int(found[1])


class Upgrade:
    """Three workers of an earlier tree, that become three of this one."""

    def __init__(self, deployment: Deployment, tree: Path) -> None:
        self._deployment, self._tree = deployment, tree
        self.fleet, self.load = Fleet(deployment, static=False), Load(deployment)
        self.refused = 0

    def begin(self) -> None:
        """All of the earlier tree, under load."""
        for number in range(WORKERS):
            self.fleet.start(number, wait=False, tree=self._tree)
        until("all ready", lambda: all(map(self.fleet.ready, range(WORKERS))), READY_S, self._deployment.log)
        self.load.start()
        self._work()

    def replace(self) -> None:
        """One after the other. An earlier one may have been refused a row of the newer layout before its turn."""
        for number in range(WORKERS):
            if self.fleet.ended(number) is None:
                self.fleet.stop(number)
            else:
                self._refused(number)
            self.fleet.start(number)
            self._work()

    def go_back(self) -> None:
        """An earlier one comes in place of a newer one: it works, or is refused and the newer one comes back."""
        self.fleet.stop(0)
        self.fleet.start(0, wait=False, tree=self._tree)
        if layout_of(self._tree) == layout_of(ROOT):
            until("the earlier one ready", lambda: self.fleet.ready(0), READY_S, self._deployment.log)
            self._work()
            return
        until("the earlier one refused", lambda: self.fleet.ended(0) is not None, READY_S, self._deployment.log)
        self._refused(0)
        self.fleet.start(0)
        self._work()

    def _refused(self, number: int) -> None:
        assert self.fleet.ended(number) == Exit.NEWER_LAYOUT, self._deployment.log()
        assert "start a newer version" in self._deployment.log()
        self.refused += 1

    def _work(self) -> None:
        """Wait until some more events have been sent and an alert of the last failure before them is out."""
        before, wanted = self.load.failures, self.load.sent + SIDE_BY_SIDE_EVENTS
        until("more events sent", lambda: self.load.sent >= wanted, READY_S)
        until("they are told of", lambda: len(late(self._deployment)[0]) >= before, READY_S, self._deployment.log)


def rehearse(commit: str) -> dict[str, Any]:
    """All of it; what was measured."""
    find_java()
    tree = earlier(commit)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="whaleline-upgrade-")))
        kafka = stack.enter_context(Kafka(fetch_jars()))
        settings = {"source_clock": "wall", "ledger_partitions": "6", "session_timeout_s": "10"}
        deployment = stack.enter_context(Deployment(kafka.bootstrap, "upgrade-", home, **settings))
        upgrade = Upgrade(deployment, tree)
        upgrade.begin()
        stack.callback(upgrade.load.stop)
        upgrade.replace()
        refused_before, latest_s = upgrade.refused, late(deployment)[0][-1]
        upgrade.go_back()
        load = upgrade.load
        load.stop()
        until("every alert out", lambda: len(late(deployment)[0]) >= load.failures, READY_S, deployment.log)
        return {
            "from": commit,
            "layouts": [layout_of(tree), layout_of(ROOT)],
            "refused_on_the_way": refused_before,
            "refused_going_back": upgrade.refused - refused_before,
            **(found := judged(deployment, load)),
            "latest_s": latest_s,
            "latest_with_going_back_s": found["latest_s"],
        }


def main() -> int:
    """Rehearse; end with 1 if an alert was late, lost, doubled or wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.broker.upgrade", description=__doc__)
    parser.add_argument("commit", help="the commit that is upgraded from")
    try:
        found = rehearse(parser.parse_args().commit)
    except Unavailable as reason:
        print(reason, file=sys.stderr)
        return 1
    print(json.dumps(found))
    return 0 if is_fine(found) else 1


if __name__ == "__main__":
    sys.exit(main())
