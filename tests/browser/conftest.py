"""A headless browser that may talk to this machine only, and remembers what it was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--use-gl=swiftshader", "--enable-unsafe-swiftshader"]
PATIENCE_MS = 300_000
"""A loaded machine is slow: waiting ends with the thing that is waited for, not with the clock."""
HARMLESS = re.compile(r"GPU stall|GL Driver Message|Automatic fallback to software WebGL|favicon")


class Watched:
    """A page, what it asked for, and what it complained about."""

    def __init__(self, page: Any, allowed: tuple[str, ...]) -> None:
        self.page = page
        self.allowed = allowed
        self.requests: list[str] = []
        self.blocked: list[str] = []
        self.errors: list[str] = []
        page.on("console", self._told)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.route("**/*", self._asked)

    def _told(self, message: Any) -> None:
        where = (message.location or {}).get("url", "")
        if message.type in ("error", "warning") and not HARMLESS.search(message.text + where):
            self.errors.append(f"{message.type}: {message.text} {where}")

    def _asked(self, route: Any) -> None:
        url = route.request.url
        self.requests.append(url)
        if url.startswith((*self.allowed, "blob:", "data:")):
            route.continue_()
        else:
            self.blocked.append(url)
            route.abort()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's chromium, headless."""
    if not CHROMIUM.exists():
        pytest.skip("needs Debian's chromium: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS, timeout=PATIENCE_MS)
        fresh = running.new_context

        def patient(**more: Any) -> Any:
            context = fresh(**more)
            context.set_default_timeout(PATIENCE_MS)
            return context

        running.new_context = patient  # type: ignore[method-assign]
        yield running
        running.close()


@pytest.fixture(scope="session")
def watched() -> type[Watched]:
    """Makes a page watched: what it asks for is recorded, and blocked unless allowed."""
    return Watched
