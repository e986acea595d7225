"""A real Chromium, headless: where it is found, and pages in it that fail a test for any error of theirs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ("--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run")  # fmt: skip
SIZES = {"phone": (390, 844), "desk": (1440, 900), "wall": (2560, 1440)}


def found() -> str:
    """The program to start; WHALELINE_CHROMIUM names another. Raises ``RuntimeError`` in a sentence."""
    given = os.environ.get("WHALELINE_CHROMIUM")
    places = [given] if given else [place for name in NAMES if (place := shutil.which(name))]
    if not places or not os.access(places[0], os.X_OK):
        raise RuntimeError(
            "these tests need a Chromium: apt-get install chromium, or name one with WHALELINE_CHROMIUM=PATH"
        )
    return places[0]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser of our own, gone afterwards."""
    root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found(), args=[*QUIET, *root])
        try:
            yield browser
        finally:
            browser.close()


class Pages:
    """Opens pages on a desk, each a viewer of its own; ``check`` fails for whatever went wrong in one of them."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[Any] = []
        self.trouble: list[str] = []
        self.received: list[str] = []

    def open(
        self,
        url: str,
        *,
        size: str = "desk",
        dark: bool = False,
        name: str = "ada",
        role: str = "",
        start: str = "",
    ) -> Page:
        """A page that has shown the desk."""
        width, height = SIZES[size]
        phone: dict[str, Any] = {"is_mobile": True, "has_touch": True} if size == "phone" else {}
        context = self._browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light",
            reduced_motion="reduce", locale="en-GB", timezone_id="UTC", **phone,
        )  # fmt: skip
        self._contexts.append(context)
        context.set_default_timeout(30_000)
        context.add_init_script(
            f"localStorage.getItem('desk-name') || localStorage.setItem('desk-name', {name!r});"
            f"localStorage.getItem('desk-role') === null && localStorage.setItem('desk-role', {role!r});"
        )
        page = context.new_page()
        page.on("pageerror", lambda error: self.trouble.append(f"error: {error}"))
        page.on("console", self._said)
        page.on("dialog", lambda dialog: self.trouble.append(f"a dialog: {dialog.message}"))
        page.on("response", self._keep)
        page.goto(url + start)
        page.wait_for_selector("#status[data-state=on]")
        return page

    def close(self) -> None:
        """Close every page."""
        for context in self._contexts:
            context.close()

    def _said(self, message: Any) -> None:
        # A request that the desk refuses is told on the console too; the page tells it in a sentence.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.trouble.append(f"{message.type}: {message.text}")

    def _keep(self, response: Any) -> None:
        if "/v1/" in response.url and "stream" not in response.url and response.status == 200:
            try:
                self.received.append(response.text())
            except Exception as error:
                self.received.append(f"({type(error).__name__})")
