"""One isolated context and page of one browser; popups, dialogs, downloads and deaths are dealt with here, once."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from ...domain.events import ToolNoted
from ...domain.redaction import Redaction
from ...domain.seams import EnvironmentLost
from .guard import Guard
from .traffic import QUIET, Traffic

if TYPE_CHECKING:
    from playwright.async_api import (
        Browser,
        BrowserContext,
        Dialog,
        Download,
        FileChooser,
        Page,
        Response,
    )

WIDTH, HEIGHT = 1280, 800
NAVIGATION = 15.0
"""Seconds a page may take until its document is there."""
ELEMENT = 2.0
"""Seconds an element may take to appear."""
ACTION = 8.0
"""Seconds a click, a fill or a screenshot may take on an element that is there."""
MAX_NOTES = 20

T = TypeVar("T")
LOST = "The browser ended under the run (killed or crashed)."


class Session:
    """What the tools are bound to.

    Attributes:
        page: the page the agent acts on; there is never a second one for it.
        redaction: secrets that must not leave in any text.
        lost: why the world is gone, or "".
    """

    page: Page

    def __init__(self, browser: Browser, guard: Guard, redaction: Redaction, *, patience: float = NAVIGATION) -> None:
        self.redaction = redaction
        self.patience = patience
        self.lost = ""
        self._browser = browser
        self._guard = guard
        self._context: BrowserContext
        self._ours: dict[Page, Traffic] = {}
        self._opening = 0
        self._notes: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Raises EnvironmentLost if the browser is gone already."""
        self._browser.on("disconnected", lambda _: self.lose(LOST))
        self._context = await self.bounded(self._new_context(scripts=True))
        self.page = await self.bounded(self._new_page(self._context))

    async def bounded(self, work: Coroutine[Any, Any, T], seconds: float | None = None) -> T:
        """Await `work`, at most `seconds` (twice the navigation's patience).

        Raises EnvironmentLost when the browser died or does not answer; Playwright's own errors pass.
        """
        from playwright.async_api import Error

        if self.lost:
            work.close()
            raise EnvironmentLost(self.lost)
        limit = seconds or 2 * self.patience
        try:
            return await asyncio.wait_for(work, limit)
        except TimeoutError:
            self.lose(f"The browser did not answer for {limit:.0f} s.")
            raise EnvironmentLost(self.lost) from None
        except Error as error:
            if self.dead():
                raise EnvironmentLost(self.lost) from error
            raise

    def dead(self) -> bool:
        if not self._browser.is_connected():
            self.lose(LOST)
        elif hasattr(self, "page") and self.page.is_closed():
            self.lose("The page closed itself.")
        return bool(self.lost)

    async def goto(self, url: str, page: Page | None = None) -> Response | None:
        """Load a URL and let it come to rest. Raises Playwright's Error when there is no document of the site's."""
        from playwright.async_api import Error

        page = page or self.page
        try:
            answer = await page.goto(url, wait_until="domcontentloaded", timeout=self.patience * 1000)
        except Error as error:
            # A load that hangs on would keep every later look at the page waiting; an error page that is still to
            # come would break the next load.
            with contextlib.suppress(Error):
                await (await page.context.new_cdp_session(page)).send("Page.stopLoading")
            if "net::ERR_" in str(error):
                with contextlib.suppress(Error):
                    await page.wait_for_url("chrome-error://*/", timeout=ELEMENT * 1000)
            if problem := await self.problem(page):
                raise Error(problem) from error
            raise
        await self.settle(page)
        if problem := await self.problem(page):
            raise Error(problem)
        return answer

    async def fresh(self, url: str, page: Page) -> None:
        """Load a URL from the site itself: no cache, no script state, no jump within the same document."""
        from playwright.async_api import Error

        cdp = await page.context.new_cdp_session(page)
        await cdp.send("Network.setCacheDisabled", {"cacheDisabled": True})
        await page.goto("about:blank", timeout=ACTION * 1000)
        try:
            await self.goto(url, page)
        finally:
            with contextlib.suppress(Error):
                await cdp.detach()

    async def settle(self, page: Page | None = None) -> None:
        """Wait until a navigation that has begun is through and the page's own requests are answered."""
        from playwright.async_api import Error

        page = page or self.page
        await self._ours[page].rest(self.patience)
        with contextlib.suppress(Error):
            await page.wait_for_load_state("domcontentloaded", timeout=self.patience * 1000)
        with contextlib.suppress(Error):
            await page.wait_for_load_state("load", timeout=QUIET * 1000)

    def status(self, page: Page | None = None) -> int:
        """HTTP status of the document in the top frame, 0 when there is none."""
        document = self._ours[page or self.page].document
        return document.status if document else 0

    async def problem(self, page: Page | None = None) -> str:
        """Why what the top frame shows does not come from the site: the guard refused it, nobody answered; or ""."""
        traffic = self._ours[page or self.page]
        if traffic.barred:
            return f"Cannot load {traffic.barred}: {self._guard.why(traffic.barred)}"
        said = await self._guard.instead(traffic.document) if traffic.document else ""
        return f"Cannot load {traffic.document.url}: {said}" if said and traffic.document else ""

    @contextlib.asynccontextmanager
    async def other_context(self, *, scripts: bool) -> AsyncIterator[Page]:
        """A page in a context of its own: the session's cookies, but neither its storage nor its cache."""
        context = await self._new_context(scripts=scripts)
        try:
            await context.add_cookies(await self._context.cookies())  # type: ignore[arg-type]
            page = await self._new_page(context)
            yield page
        finally:
            self._ours = {page: traffic for page, traffic in self._ours.items() if page.context is not context}
            with contextlib.suppress(Exception):
                await asyncio.wait_for(context.close(), ACTION)

    def notes(self) -> tuple[ToolNoted, ...]:
        """What happened by itself since the last time."""
        for refused in self._guard.news():
            self.note(f"a connection was refused: {refused}")
        taken, self._notes = self._notes, []
        return tuple(ToolNoted(self.redaction(text)) for text in taken)

    def note(self, text: str) -> None:
        if len(self._notes) < MAX_NOTES:
            self._notes.append(text)

    # -- what a page does by itself --------------------------------------------------------------------------------

    async def _new_context(self, *, scripts: bool) -> BrowserContext:
        context = await self._browser.new_context(
            proxy=self._guard.settings,
            viewport={"width": WIDTH, "height": HEIGHT},
            accept_downloads=False,
            java_script_enabled=scripts,
            # A worker could answer in the site's place, and a reload would prove nothing.
            service_workers="block",
        )
        context.set_default_timeout(ACTION * 1000)
        context.on("page", self._on_page)
        context.on("dialog", self._on_dialog)
        return context

    async def _new_page(self, context: BrowserContext) -> Page:
        self._opening += 1
        try:
            page = await context.new_page()
        finally:
            self._opening -= 1
        self._ours[page] = Traffic(page)
        for context in self._browser.contexts:
            for other in context.pages:
                self._on_page(other)  # one that came while ours was opening
        page.on("crash", lambda _: self._on_crash(page))
        page.on("download", self._on_download)
        page.on("filechooser", self._on_chooser)
        return page

    def _on_crash(self, page: Page) -> None:
        if not hasattr(self, "page") or page is self.page:
            self.lose("The page crashed.")

    def _on_page(self, page: Page) -> None:
        if page in self._ours or self._opening or page.is_closed():
            return
        self.note(f"a popup was closed ({page.url})")
        self._spawn(page.close)

    def _on_dialog(self, dialog: Dialog) -> None:
        # A page that asks "really leave?" must not keep the agent; everything else is answered with no.
        leaving = dialog.type == "beforeunload"
        if not leaving:
            self.note(f'a {dialog.type} dialog was dismissed: "{dialog.message[:200]}"')
        self._spawn(dialog.accept if leaving else dialog.dismiss)

    def _on_download(self, download: Download) -> None:
        self.note(f'a download was refused: "{file_name(download.suggested_filename)}" ({download.url[:200]})')
        self._spawn(download.cancel)

    def _on_chooser(self, _: FileChooser) -> None:
        self.note("a file chooser was refused")

    def _spawn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def quietly() -> None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(work(), ACTION)

        task = asyncio.ensure_future(quietly())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def lose(self, why: str) -> None:
        self.lost = self.lost or why


def file_name(suggested: str) -> str:
    """The last part of what a site calls a file, for people to read: no folders, nothing invisible."""
    last = re.split(r"[/\\]", suggested)[-1].strip(". ")
    return "".join(c for c in last if c.isprintable())[:100] or "unnamed"
