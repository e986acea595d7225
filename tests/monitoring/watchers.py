"""A real Prometheus and Alertmanager on loopback, and the webhook receiver that their alerts are to reach."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import yaml

from tests.broker.kafka import HOST, free_port

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
ALERTMANAGER = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"
PROGRAMS = {
    "prometheus": ("prometheus",),
    "promtool": ("promtool",),
    "alertmanager": ("alertmanager", "prometheus-alertmanager"),
    "amtool": ("amtool",),
}
"""What each is called; Debian puts Prometheus's name before Alertmanager's."""


class Missing(Exception):
    """A program is not installed; the message says which and how to get it."""


def program(name: str) -> str:
    """The path of one of the programs; raises ``Missing``."""
    for called in PROGRAMS[name]:
        found = shutil.which(called)
        if found:
            return found
    raise Missing(f"{name} is not installed (Debian: apt-get install prometheus prometheus-alertmanager)")


def fetch(url: str) -> Any:
    """What an HTTP server says, as JSON."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def quick_rules(text: str) -> str:
    """The same rules, that wait for seconds where in earnest they wait for minutes."""
    return re.sub(r"^( *for: )\S+$", r"\g<1>2s", text, flags=re.M)


class Receiver:
    """Takes Alertmanager's webhooks; ``told`` holds (alert, status, labels) of each."""

    def __init__(self) -> None:
        told: list[tuple[str, str, dict[str, str]]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path != "/":
                    body = {"alerts": []}  # what `whaleline notify` tells; that it arrives is enough
                told.extend((one["labels"]["alertname"], one["status"], one["labels"]) for one in body["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.told = told
        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def has(self, alert: str, status: str = "firing", **labels: str) -> bool:
        """Whether such an alert has arrived."""
        return any(
            one[:2] == (f"Whaleline{alert}", status) and labels.items() <= one[2].items()
            for one in list(self.told)
        )

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class Watchers:
    """Prometheus with our rules and Alertmanager with our routes; both end with it."""

    def __init__(self, home: Path, targets: Mapping[str, Sequence[int]]) -> None:
        """``targets``: the ports of each job's processes."""
        self._home = home
        self._processes: list[subprocess.Popen[bytes]] = []
        self.receiver = Receiver()
        self.prometheus, self.alertmanager = (f"http://{HOST}:{free_port()}" for _ in range(2))
        (home / "rules.yml").write_text(quick_rules(RULES.read_text(encoding="utf-8")), encoding="utf-8")
        routes = yaml.safe_load(ALERTMANAGER.read_text(encoding="utf-8"))
        routes["route"] |= {"group_wait": "1s", "group_interval": "1s"}
        for receiver in routes["receivers"]:
            receiver["webhook_configs"] = [{"url": self.receiver.url, "send_resolved": True}]
        (home / "alertmanager.yml").write_text(yaml.safe_dump(routes), encoding="utf-8")
        scrapes = [
            {"job_name": job, "static_configs": [{"targets": [f"{HOST}:{port}" for port in ports]}]}
            for job, ports in targets.items()
        ]
        configuration = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [self.alertmanager.split("//")[1]]}]}]},
            "scrape_configs": scrapes,
        }
        (home / "prometheus.yml").write_text(yaml.safe_dump(configuration), encoding="utf-8")

    def __enter__(self) -> Self:
        self._start(
            program("alertmanager"),
            "--config.file=alertmanager.yml",
            "--storage.path=alertmanager",
            f"--web.listen-address={self.alertmanager.split('//')[1]}",
            "--cluster.listen-address=",
        )
        self._start(
            program("prometheus"),
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=prometheus",
            f"--web.listen-address={self.prometheus.split('//')[1]}",
            "--enable-feature=exemplar-storage",
        )
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.receiver.close()

    def _start(self, *command: str) -> None:
        log = self._home / f"{Path(command[0]).name}.log"
        with log.open("wb") as out:
            self._processes.append(subprocess.Popen(command, cwd=self._home, stdout=out, stderr=out))

    def ready(self) -> bool:
        """Whether both answer."""
        try:
            for url in (self.prometheus, self.alertmanager):
                with urllib.request.urlopen(f"{url}/-/ready", timeout=2):
                    pass
        except (OSError, urllib.error.URLError):
            return False
        return True

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What an instant query finds; a series whose value is no number is none."""
        asked = urllib.parse.urlencode({"query": expression})
        found: list[dict[str, Any]] = fetch(f"{self.prometheus}/api/v1/query?{asked}")["data"]["result"]
        return [one for one in found if one["value"][1] != "NaN"]

    def firing(self) -> set[str]:
        """The alerts that fire now, without our prefix."""
        alerts = fetch(f"{self.prometheus}/api/v1/alerts")["data"]["alerts"]
        names = {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}
        return {name.removeprefix("Whaleline") for name in names}

    def exemplars(self, expression: str) -> list[dict[str, Any]]:
        """The exemplars behind a query of the last hour."""
        asked = urllib.parse.urlencode({"query": expression, "start": "0", "end": "9999999999"})
        found: list[dict[str, Any]] = fetch(f"{self.prometheus}/api/v1/query_exemplars?{asked}")["data"]
        return found


def until(what: str, holds: Callable[[], object], seconds: float, why: Callable[[], str] = str) -> None:
    """Look again and again until something holds; raise ``TimeoutError`` with what is told of it."""
    never, left = threading.Event(), int(seconds / 0.2)
    while not holds():
        left -= 1
        if left < 0:
            raise TimeoutError(f"not {what} after {seconds:.0f} s: {why()}")
        never.wait(0.2)
