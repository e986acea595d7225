"""What a worker answers over HTTP: ``/metrics``, ``/livez`` (it makes progress) and ``/readyz`` (it can work).

From a thread of its own, so that a busy event loop is no silence. Neither answer depends on whether the broker is
reachable: restarting a worker mends no broker.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

log = logging.getLogger("whaleline")

Probe = Callable[[], str | None]
"""Says in a few words what is wrong, or None."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Log no request."""


class Health:
    """The answers; ``alive`` and ``ready`` are set once there is somebody to ask."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.alive: Probe = lambda: None
        self.ready: Probe = lambda: "the worker is starting"
        self._metrics = make_wsgi_app(registry)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request, as WSGI has it."""
        path = environ.get("PATH_INFO")
        if path == "/metrics":
            scraped: Iterable[bytes] = self._metrics(environ, start_response)
            return scraped
        probe = {"/livez": self.alive, "/readyz": self.ready}.get(str(path))
        if probe is None:
            status, said = "404 Not Found", "there are /metrics, /livez and /readyz"
        else:
            fault = probe()
            status, said = ("503 Service Unavailable", fault) if fault else ("200 OK", "ok")
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{said}\n".encode()]

    def serve(self, bind: str, port: int) -> WSGIServer | None:
        """Answer on ``bind``:``port`` until ``shutdown``; port 0 serves nothing. Raises ``OSError``."""
        if not port:
            return None
        server = make_server(bind, port, self, _Server, _Silent)
        threading.Thread(target=server.serve_forever, name="whaleline-health", daemon=True).start()
        log.info("metrics at http://%s:%d/metrics", bind, port)
        return server
