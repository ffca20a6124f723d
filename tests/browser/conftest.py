"""Sites that end with their test, and one browser for the tests of a file that do not care about its life."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio

from harness_tui.tools.browser import environment
from harness_tui.tools.browser.chromium import Chromium

from .news_site import NewsSite


@pytest.fixture(autouse=True, scope="module")
def _light(light_browser: None) -> None:
    """All of this room's browsers."""


@pytest.fixture
def news_site() -> Iterator[Callable[..., NewsSite]]:
    """`news_site("quirk")`: a running site."""
    sites: list[NewsSite] = []

    def start(quirk: str = "") -> NewsSite:
        sites.append(NewsSite(quirk))
        return sites[-1]

    yield start
    for site in sites:
        site.close()


class _Borrowed(Chromium):
    """A started browser that stays up: what an environment opened in it (its contexts) goes, nothing else is shared."""

    def __init__(self, lender: Chromium) -> None:
        super().__init__()
        self.path, self.browser = lender.path, lender.browser

    async def start(self) -> None:
        assert not self.browser.contexts, "an environment before this one left something behind"

    async def stop(self) -> None:
        for context in self.browser.contexts:
            await context.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lender(_light: None) -> AsyncIterator[Chromium]:
    chromium = Chromium()
    await chromium.start()
    yield chromium
    await chromium.stop()


@pytest.fixture
def one_browser(lender: Chromium, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's environments run in one browser, one after another, each in contexts of its own."""
    monkeypatch.setattr(environment, "Chromium", lambda: _Borrowed(lender))
