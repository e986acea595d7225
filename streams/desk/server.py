"""The desk's HTTP side: who may come in, the page, the stream of changes, and one shape for every error."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import hdrs, web
from prometheus_client import CONTENT_TYPE_LATEST

from streams.clock import now_ms
from streams.config import Config
from streams.desk.access import Access, AccessError, Caller
from streams.desk.feed import to_json
from streams.desk.service import Desk, Refused
from streams.secret import load_key

log = logging.getLogger("whaleline.desk")

STATIC = Path(__file__).parent / "static"
MOST_BYTES = 16 * 1024
PING_S = 15.0
WRITE_S = 20.0
MOST_VIEWERS = 2_000
OPEN_PATHS = ("/livez", "/readyz")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
        " manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

DESK: web.AppKey[Desk] = web.AppKey("desk", Desk)
ACCESS: web.AppKey[Access] = web.AppKey("access", Access)
CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(desk: Desk, access: Access) -> web.Application:
    """The web application over a desk."""
    from streams.desk import api

    app = web.Application(middlewares=[_headers, _sentences, _gate], client_max_size=MOST_BYTES)
    app[DESK], app[ACCESS] = desk, access
    app.router.add_get("/", _page)
    app.router.add_get("/v1/stream", _stream)
    app.router.add_get("/livez", _live)
    app.router.add_get("/readyz", _ready)
    app.router.add_get("/metrics", _metrics)
    app.router.add_static("/static/", STATIC)
    api.add_routes(app)
    return app


def answer(body: Any, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(text=to_json(body), status=status, content_type="application/json")


@web.middleware
async def _headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every answer says what a browser may do with it."""
    response = await handler(request)
    if not response.prepared:
        response.headers.update(HEADERS)
    return response


@web.middleware
async def _sentences(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every refusal is a sentence in JSON; a bug of ours is logged, and says no more than that."""
    try:
        return await handler(request)
    except Refused as error:
        return answer({"error": str(error)}, error.status)
    except AccessError as error:
        return answer({"error": str(error)}, 401)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return answer({"error": _WORDS.get(error.status, error.reason)}, error.status)
    except (ConnectionResetError, asyncio.CancelledError):
        raise
    except Exception:
        log.exception("a request to %s failed", request.path)
        return answer({"error": "the desk made a mistake; its log says which"}, 500)


_WORDS = {
    404: "there is nothing under this address: /v1/openapi.json says what there is",
    405: "this address does not take this method: /v1/openapi.json says what there is",
    413: f"send at most {MOST_BYTES} bytes",
}


@web.middleware
async def _gate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Nobody comes in unknown, under a name that is not ours, or sent by another site."""
    access = request.app[ACCESS]
    if request.path in OPEN_PATHS:
        return await handler(request)
    if not access.host_is_ours(request.host):
        raise Refused(421, "this desk does not answer under this name: add it to hosts in the file of rights")
    caller = access.caller(request.headers, request.remote or "", now_ms())
    asked = request.headers.get("X-Desk-Role") or request.query.get("role")
    request[CALLER] = caller.as_(asked)
    if request.method not in (hdrs.METH_GET, hdrs.METH_HEAD):
        _check_sender(request, caller)
    return await handler(request)


def _check_sender(request: web.Request, caller: Caller) -> None:
    """Refuse what another site made a browser send: no page of theirs can set this header, or hide its origin."""
    if request.content_type != "application/json":
        raise Refused(415, "send JSON, with Content-Type: application/json")
    if caller.machine:
        return
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    origin = request.headers.get("Origin")
    foreign = origin is not None and origin.partition("://")[2] != request.host
    if request.headers.get("X-Desk") != "1" or site != "same-origin" or foreign:
        raise Refused(
            403, "this request did not come from the desk's own page: send X-Desk: 1 from the same origin"
        )


def caller_of(request: web.Request, least: str = "viewer") -> Caller:
    """Who asks; refuses a role below ``least``."""
    caller = request[CALLER]
    if not caller.may(least):
        raise Refused(403, f"this needs the role {least}; yours is {caller.role}")
    return caller


async def _page(_request: web.Request) -> web.StreamResponse:
    return web.FileResponse(STATIC / "index.html")


async def _live(_request: web.Request) -> web.Response:
    return answer({"live": True})


async def _ready(request: web.Request) -> web.Response:
    desk = request.app[DESK]
    status = desk.status()
    status["caught_up"] &= desk.rows.caught_up
    ready = status["caught_up"] and status["away_since_ms"] is None
    return answer({"ready": ready, **status}, 200 if ready else 503)


async def _metrics(request: web.Request) -> web.Response:
    caller_of(request)
    text = request.app[DESK].scrape()
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _stream(request: web.Request) -> web.StreamResponse:
    """Server-sent events: the whole picture, then every change; from where the viewer left off, where known."""
    caller, desk = caller_of(request), request.app[DESK]
    if desk.viewers >= MOST_VIEWERS:
        raise Refused(503, f"this desk has {MOST_VIEWERS} viewers already: open another replica")
    response = web.StreamResponse(headers={**HEADERS, "X-Accel-Buffering": "no"})
    response.content_type = "text/event-stream"
    response.charset = "utf-8"
    await response.prepare(request)
    desk.viewers += 1
    try:
        await _follow(desk, response, request.headers.get("Last-Event-ID"), caller.sees_money)
    except (ConnectionError, TimeoutError):
        pass  # a viewer who went, or who is too slow, comes again by itself and resumes
    finally:
        desk.viewers -= 1
    return response


async def _follow(desk: Desk, response: web.StreamResponse, last_id: str | None, money: bool) -> None:
    seen = desk.feed.number_of(last_id)
    while True:
        behind = None if seen is None else desk.feed.behind(seen)
        if behind is None:
            seen, data = desk.feed.number, desk.whole(money)
        elif behind:
            seen, data = behind[-1].number, b"".join(one.bytes_for(money) for one in behind)
        else:
            await desk.feed.wait(seen or 0, PING_S)
            if desk.feed.number > (seen or 0):
                continue
            data = b": still here\n\n"
        async with asyncio.timeout(WRITE_S):
            await response.write(data)


class PortTaken(RuntimeError):
    """The address to listen on is not to be had; one sentence."""


async def serve(config: Config, access: Access, bind: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; ``ready`` is told the address. Port 0 takes a free one."""
    desk = Desk(config, config.desk_budget, load_key(config))
    runner = web.AppRunner(application(desk, access), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, bind, port)
    await site.start()
    desk.start()
    asked = asyncio.Event()
    for which in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(which, asked.set)
    host, bound = runner.addresses[0][:2]
    ready(f"http://{f'[{host}]' if ':' in host else host}:{bound}")
    try:
        while not asked.is_set():
            desk.check()
            try:
                async with asyncio.timeout(1.0):
                    await asked.wait()
            except TimeoutError:
                continue
    finally:
        await desk.stop()
        await runner.cleanup()
