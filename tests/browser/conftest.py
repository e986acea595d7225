"""Fixtures of the tests in a browser: one Chromium, pages in it, and a broker with stories."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import world
from tests.browser.chromium import Pages, chromium
from tests.desks import DeskProcess, Stage, stage

# How busy the machine is fails no test: what is waited for comes, or it does not.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture
def pages(browser: Browser) -> Iterator[Pages]:
    one = Pages(browser)
    yield one
    one.close()
    assert one.trouble == []


@pytest.fixture(scope="module")
def on() -> Iterator[Stage]:
    """A broker with a small world on it; tests of a file share it, and keep to customers of their own."""
    with stage() as one:
        world.build(one)
        yield one


@pytest.fixture(scope="module")
def desk(on: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskProcess]:
    with DeskProcess(on.environment, tmp_path_factory.mktemp("desk") / "desk.log") as one:
        one.ready()
        one.until("rows are read", lambda: one.get("/v1/health")["customers"])
        yield one


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pictures", action="store_true", help="take the README's pictures anew")
