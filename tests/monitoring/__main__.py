"""``make monitoring-check``: rules, dashboards and alerts against a real Prometheus and real workers.

1. promtool and amtool accept every file, each rule passes its unit tests, and a planted mistake is found.
2. Two workers, a shadow and a canary under load are scraped; each query of each dashboard parses and returns data.
3. Rubbish, a wave of alerts, a killed worker: the alerts about them reach a webhook receiver, and are resolved.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from deploy.grafana import generate
from schemas.codec import encode
from streams.shadow import shadow_of
from streams.topics import apply
from tests.broker.deployment import Deployment
from tests.broker.kafka import Kafka, Unavailable, fetch_jars, find_java, free_port
from tests.monitoring.test_monitoring_files import queries
from tests.monitoring.watchers import ALERTMANAGER, ROOT, RULES, Missing, Watchers, program, until

LOAD_PAUSE_S = 0.1
CUSTOMERS = 3_000
KINDS = ("chat", "call_closed", "email", "self_service")
SHADOW = '[policy]\nversion = 2\n[service]\nmoments = ["escalation_denied"]\n'
"""Another policy, which does not tell the load's rude calls."""
RUBBISH = 100
"""Too little to stop a worker as a flood (docs/operations.md), and enough to be told of."""


def run(*command: str) -> None:
    """Run a validator; its words are the failure's."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{Path(command[0]).name} {command[1]} failed:\n{done.stdout}{done.stderr}")


def validators(home: Path) -> None:
    """Every file passes; a rule with another threshold, a misspelt key and a wrong matcher do not."""
    promtool, amtool = program("promtool"), program("amtool")
    tests = RULES.with_name("rules.test.yml")
    run(promtool, "check", "config", str(RULES.with_name("prometheus.yml")))
    run(promtool, "test", "rules", str(tests), str(tests.with_name("rules.slow.test.yml")))
    run(amtool, "check-config", str(ALERTMANAGER))
    planted = [
        (RULES, "incidents_open{kind!=", "incidents_open{kind=", (promtool, "test", "rules", "rules.test.yml")),
        (RULES, "sum by (kind) (", "sum by (kind (", (promtool, "check", "rules", "rules.yml")),
        (RULES, "        for: 1m", "        fro: 1m", (promtool, "check", "rules", "rules.yml")),
        (ALERTMANAGER, "receiver: page", "receiver: pager", (amtool, "check-config", "alertmanager.yml")),
    ]
    (home / tests.name).write_text(tests.read_text(encoding="utf-8"), encoding="utf-8")
    for path, right, wrong, command in planted:
        text = path.read_text(encoding="utf-8")
        assert right in text, f"{path.name} does not hold {right!r} any more: plant another mistake"
        (home / path.name).write_text(text.replace(right, wrong), encoding="utf-8")
        found = subprocess.run(command, cwd=home, capture_output=True, check=False)
        assert found.returncode, f"a planted mistake was not found: {wrong!r} in {path.name}"


class Load(threading.Thread):
    """Customers who buy, chat and are sometimes failed, until ``stop``."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(daemon=True)
        self._deployment, self._stopping, self._number = deployment, threading.Event(), 0

    def run(self) -> None:
        while not self._stopping.is_set():
            now_ms = time.time_ns() // 1_000_000
            for _ in range(40):
                self._event(now_ms)
            self._stopping.wait(LOAD_PAUSE_S)

    def _event(self, now_ms: int) -> None:
        self._number += 1
        number = self._number
        customer = f"L{number * 7919 % CUSTOMERS}"
        about = {"customer_id": customer, "event_id": f"load-{number}", "ts_ms": now_ms}
        if number % 3 == 0:
            self._send("purchases", {**about, "kind": "purchase", "amount_cents": 500 + number % 9_000})
        elif number % 400 == 1:
            self._send("support", {**about, "kind": "rude_call", "observer": "qa"})
        elif number % 401 == 1:
            self._send("support", {**about, "kind": "praise"})
        else:
            self._send("support", {**about, "kind": KINDS[number % len(KINDS)], "handle_ms": 90_000})

    def _send(self, topic: str, fields: dict[str, Any]) -> None:
        self._deployment.send_bytes(topic, fields["customer_id"], encode(fields))

    def stop(self) -> None:
        """Send no more."""
        self._stopping.set()
        self.join(10)


def wave(deployment: Deployment) -> None:
    """Sixty customers with the same trouble in the same minute."""
    for number in range(60):
        about = {"customer_id": f"W{number}", "ts_ms": time.time_ns() // 1_000_000}
        chat = {**about, "kind": "chat", "event_id": "1", "case_id": "T", "reason": "no login"}
        deployment.send(
            [("support", chat), ("support", {**about, "kind": "rude_call", "event_id": "2", "observer": "qa"})]
        )


def dashboards(watchers: Watchers) -> int:
    """Every query parses and returns data; return how many there are."""
    asked = [(uid, title, query.replace("$__rate_interval", "15s")) for uid, title, query in queries()]
    empty = dict.fromkeys(asked, "not asked yet")

    def all_answer() -> bool:
        for one in list(empty):
            if watchers.query(one[2]):
                del empty[one]
        return not empty

    until("every query answered", all_answer, 40, lambda: "\n".join(map(str, empty)))
    assert not watchers.query("sum(rate(whaleline_evnts_total[15s]))"), "a query of nothing must be empty"
    return len(asked)


def calmed(watchers: Watchers) -> None:
    """Wait until nothing fires but what the load does on purpose."""

    def calm() -> bool:
        return watchers.firing() <= {"DeadLetters"}

    until("calm", calm, 20, lambda: f"these fire although nothing is wrong: {watchers.firing()}")


def told(watchers: Watchers, alert: str, status: str = "firing", **labels: str) -> None:
    """Wait until an alert has reached the receiver."""

    def arrived() -> bool:
        return watchers.receiver.has(alert, status, **labels)

    until(f"{alert} {status} at the receiver", arrived, 40, lambda: f"firing: {watchers.firing()}")
    print(f"  {alert} {status} has reached the receiver", flush=True)


def earnest(deployment: Deployment, watchers: Watchers, ports: list[int]) -> None:
    """Rubbish, a wave and a killed worker are told of, and their ends as well."""
    for number in range(RUBBISH):
        deployment.send_bytes("support", f"G{number}", b"rubbish")
    deployment.send([])
    told(watchers, "DeadLetters", reason="undecodable")
    wave(deployment)
    told(watchers, "BreakerOpen", kind="common_cause")
    released = {one["incident_id"] for one in _incidents(deployment, "list", "--json")}
    for incident in released:
        _incidents(deployment, "release", incident, "--author", "check", "--reason", "a wave made for this check")
    told(watchers, "BreakerOpen", "resolved", kind="common_cause")
    deployment.workers[1].kill()
    deployment.workers[1].wait()
    told(watchers, "WorkerDown", instance=f"127.0.0.1:{ports[1]}")
    until("taken over", lambda: watchers.query("sum(whaleline_partitions_ready) == 3"), 40)
    deployment.start()
    told(watchers, "WorkerDown", "resolved", instance=f"127.0.0.1:{ports[1]}")


def _incidents(deployment: Deployment, *arguments: str) -> list[dict[str, Any]]:
    environment = {**os.environ, **deployment.environment, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "streams.cli", "incidents", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def beside(deployment: Deployment, home: Path, port: int, *command: str) -> subprocess.Popen[bytes]:
    """Another process of the deployment, with its metrics on a port."""
    settings = {**deployment.environment, "WHALELINE_METRICS_PORT": str(port), "PYTHONPATH": str(ROOT)}
    with (home / f"{command[0]}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "streams.cli", *command],
            cwd=home,
            env={**os.environ, **settings, "HOOK_SECRET": "of this check alone"},
            stdout=log,
            stderr=log,
        )


def targets(home: Path, url: str) -> str:
    """A file of targets: the receiver, told of every alert."""
    lines = ["[[targets]]", 'name = "hook"', 'form = "webhook"', f'url = "{url}notify"', 'secret = "HOOK_SECRET"']
    path = home / "targets.toml"
    path.write_text("\n".join([*lines, "inside = true", ""]), encoding="utf-8")
    return str(path)


def check(say: Callable[[str], None]) -> None:
    """All of it."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="whaleline-monitoring-")))
        validators(home)
        say("every file is accepted, every rule is tested, four planted mistakes were found")
        find_java()
        run(sys.executable, "-m", "streams.cli", "compile")  # else the workers would, for minutes
        kafka = stack.enter_context(Kafka(fetch_jars()))
        ports = [free_port() for _ in range(5)]
        deployment = stack.enter_context(Deployment(kafka.bootstrap, "watched-", home, source_clock="wall"))
        for port in ports[:2]:
            deployment.environment["WHALELINE_METRICS_PORT"] = str(port)
            deployment.start()
        jobs = {"whaleline": ports[:2], "whaleline-canary": ports[2:3], "whaleline-notify": ports[3:4]}
        jobs["whaleline-shadow"] = ports[4:]
        watchers = stack.enter_context(Watchers(home, jobs))
        # What is measured begins when all of it works: an answer that waited for a worker to start is late.
        until("both answering", watchers.ready, 30)
        until("judging", lambda: watchers.query("sum(whaleline_partitions_ready) == 3"), 60, deployment.log)
        (home / "shadow.toml").write_text(SHADOW, encoding="utf-8")
        apply(kafka.bootstrap, shadow_of(deployment.config, "").plan())
        commands = [
            ["canary", "--every", "1s"],
            ["notify", "run", targets(home, watchers.receiver.url)],
            ["shadow", "run", "shadow.toml"],
        ]
        for port, command in zip(ports[2:], commands, strict=True):
            process = beside(deployment, home, port, *command)
            stack.callback(process.wait)
            stack.callback(process.kill)
        load = Load(deployment)
        load.start()
        stack.callback(load.stop)
        deployment.send_bytes("support", "G", b"rubbish")
        say(f"{dashboards(watchers)} queries of {len(generate.DASHBOARDS)} dashboards return data")
        assert watchers.exemplars("whaleline_alert_seconds_bucket"), "no exemplar has arrived"
        calmed(watchers)
        earnest(deployment, watchers, ports)
        lost = watchers.query('sum(whaleline_canary_events_total{outcome="lost"})')
        say(f"the canary lost {lost[0]['value'][1]} events")


def main() -> int:
    """Run the check; say how long it took."""
    begun = time.monotonic()
    try:
        check(lambda words: print(f"{time.monotonic() - begun:5.1f} s  {words}", flush=True))
    except (Missing, Unavailable) as reason:
        print(reason, file=sys.stderr)
        return 1
    print(f"{time.monotonic() - begun:5.1f} s  all is well")
    return 0


if __name__ == "__main__":
    sys.exit(main())
