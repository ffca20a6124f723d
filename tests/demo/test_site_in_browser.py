"""The demo's site in a real Chromium: its arrows can be clicked, and its lying script lies."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness_tui.config.taskfile import load_task
from harness_tui.demo.records import read_votes
from harness_tui.demo.tour import TASK

from .demo_site import RIGHT, SiteProcess

if TYPE_CHECKING:
    from playwright.async_api import Page

CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
FIRST = "4100"
ARROW, UNVOTE = f"a[href^='vote?id={FIRST}&how=up']", f"a[href^='vote?id={FIRST}&how=un']"


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    from playwright.async_api import async_playwright

    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, chromium_sandbox=os.geteuid() != 0)
        yield await browser.new_page()
        await browser.close()


async def test_the_task_files_selectors_find_what_they_name(tmp_path: Path, page: Page) -> None:
    """Vote through the login page by nothing but the selectors of upvote.toml."""
    task = load_task(TASK)
    assert task.stories and task.login and task.verify
    with SiteProcess(tmp_path) as site:
        await page.goto(f"http://127.0.0.1:{site.port}/news")
        assert await page.locator(task.stories.row).count() == 30
        assert await page.locator(task.stories.title).count() == 30
        await page.click(task.stories.arrow.replace("{id}", FIRST))
        assert await page.locator(task.login.when_selector).count() == 2
        assert await page.locator(task.login.submit).count() == 1
        form = page.locator("form", has=page.locator(task.login.submit))
        await form.locator(task.login.user_field).fill(RIGHT[0])
        await form.locator(task.login.password_field).fill(RIGHT[1])
        await page.click(task.login.submit)
        seen, gone = (condition.selector.replace("{first.id}", FIRST) for condition in task.verify.page)
        assert await page.locator(seen).is_visible()
        assert await page.locator(gone).count() == 0
        assert [vote["story"] for vote in read_votes(site.state)] == [FIRST]


async def test_a_hidden_arrow_is_not_a_vote(tmp_path: Path, page: Page) -> None:
    with SiteProcess(tmp_path, "hidden_arrow") as site:
        await page.goto(f"http://127.0.0.1:{site.port}/news")
        await page.click(ARROW)
        for _ in range(2):
            assert not await page.locator(ARROW).is_visible()
            assert await page.locator(UNVOTE).count() == 0
            await page.reload()
        assert read_votes(site.state) == []


async def test_the_front_page_does_not_scroll_sideways(tmp_path: Path, page: Page) -> None:
    with SiteProcess(tmp_path) as site:
        for width in (640, 1280):
            await page.set_viewport_size({"width": width, "height": 800})
            await page.goto(f"http://127.0.0.1:{site.port}/news")
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
