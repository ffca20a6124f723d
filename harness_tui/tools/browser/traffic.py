"""What one page is asking the network for right now: how we know that an action has come to rest."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import Frame, Page, Request, Response

QUIET = 2.0
"""Seconds we wait for a page's own requests to end after an action."""
_STEP = 0.04
_CALM = 3


class Traffic:
    """The requests of one page.

    Attributes:
        document: the last answer to a navigation of the top frame, None before and after a failed load.
        barred: URL of the top frame's document if no tunnel to its host was opened, or "".
    """

    def __init__(self, page: Page) -> None:
        self.document: Response | None = None
        self.barred = ""
        self._page = page
        self._inflight: set[Request] = set()
        self._navigating: Request | None = None
        page.on("request", self._on_request)
        page.on("response", self._on_response)
        page.on("requestfinished", self._on_end)
        page.on("requestfailed", self._on_failed)
        page.on("framenavigated", self._on_navigated)

    async def rest(self, patience: float) -> None:
        """Return once no navigation is under way (at most `patience` s) and nothing is asked for (QUIET s)."""
        now = asyncio.get_running_loop().time
        began, calm = now(), 0
        while calm < _CALM and now() - began < patience and not self._page.is_closed():
            await asyncio.sleep(_STEP)
            busy = self._navigating is not None or (self._inflight and now() - began < QUIET)
            calm = 0 if busy else calm + 1

    def _top(self, request: Request) -> bool:
        with contextlib.suppress(Exception):  # a request of a frame that is not there yet has none
            return request.is_navigation_request() and request.frame == self._page.main_frame
        return False

    def _on_request(self, request: Request) -> None:
        self._inflight.add(request)
        if self._top(request):
            self.document, self.barred = None, ""
            self._navigating = request

    def _on_response(self, response: Response) -> None:
        if self._top(response.request):
            self.document = response

    def _on_failed(self, request: Request) -> None:
        if self._navigating is request and "ERR_TUNNEL" in (request.failure or ""):
            self.barred = request.url
        self._on_end(request)

    def _on_end(self, request: Request) -> None:
        self._inflight.discard(request)
        if self._navigating is request:
            self._navigating = None

    def _on_navigated(self, frame: Frame) -> None:
        if frame == self._page.main_frame:
            self._inflight.clear()
            self._navigating = None
