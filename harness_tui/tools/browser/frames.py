"""What the operator sees of the page: a screenshot with secrets painted over, and its accessibility text."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING

from ...domain.events import FrameCaptured
from ...domain.redaction import Redaction
from ...domain.seams import Blobs
from . import scripts
from .session import ACTION, HEIGHT, WIDTH, Session

if TYPE_CHECKING:
    from playwright.async_api import Frame, Locator

QUALITY = 60
SNAPSHOT_CHARS = 2_000
PASSWORDS = "input[type=password], input[autocomplete*=password]"
FIELDS = "input, textarea"
_REF = re.compile(r" \[(?:ref=\w+|cursor=pointer|active)\]")


class Frames:
    """The camera of one session.

    Args:
        covers: CSS of further fields that hold secrets (the login rule's password field).
    """

    def __init__(self, session: Session, blobs: Blobs, covers: str = "") -> None:
        self._session = session
        self._blobs = blobs
        self._secret = f"{PASSWORDS}, {covers}" if covers else PASSWORDS

    async def capture(self, caption: str) -> FrameCaptured | None:
        """One frame, or None when the page cannot be drawn (then a note says so). Raises EnvironmentLost."""
        from playwright.async_api import Error

        session, hide = self._session, self._session.redaction
        try:
            async with asyncio.timeout(2 * ACTION):
                data = await session.page.screenshot(
                    type="jpeg",
                    quality=QUALITY,
                    scale="css",
                    mask=await self._masks(),
                    mask_color="#202020",
                    timeout=ACTION * 1000,
                )
                text = _REF.sub("", await self.snapshot())
                url, title = session.page.url, await session.page.title()
        except (Error, TimeoutError) as error:
            if not session.dead():
                session.note(f"no frame: {str(error).splitlines()[0] if str(error) else 'the page did not draw'}")
            return None
        sha = await self._blobs.put(data, kind="frame")
        return FrameCaptured(
            sha, hide(url), hide(title)[:300], hide(caption), WIDTH, HEIGHT, len(data), _cut(text, SNAPSHOT_CHARS)
        )

    async def snapshot(self) -> str:
        """The accessibility tree with refs, secrets hidden. Taken in one mode only, since another would void refs."""
        typed = Redaction()
        typed.add(await self._typed())
        text = await self._session.page.aria_snapshot(mode="ai", timeout=ACTION * 1000)
        return typed(self._session.redaction(text))

    async def _typed(self) -> list[str]:
        """What stands in password fields now, in every frame of the page."""
        values: list[str] = []
        for frame in self._session.page.frames:
            with contextlib.suppress(Exception):  # a frame may leave while we look
                values += await frame.locator(self._secret).evaluate_all("(all) => all.map((el) => el.value || '')")
                values += [value for _, value in await self._fields(frame)]
        return values

    async def _fields(self, frame: Frame) -> list[tuple[int, str]]:
        """(index among FIELDS, value) of those that hold a secret."""
        secrets = list(self._session.redaction.values)
        found: list[tuple[int, str]] = await frame.locator(FIELDS).evaluate_all(scripts.SECRET_FIELDS, secrets)
        return found

    async def _masks(self) -> list[Locator]:
        """Password fields, fields that hold a secret whatever their type, and text that shows one."""
        masks: list[Locator] = []
        for frame in self._session.page.frames:
            masks.append(frame.locator(self._secret))
            masks += [frame.get_by_text(secret) for secret in self._session.redaction.values]
            masks += [frame.locator(FIELDS).nth(index) for index, _ in await self._fields(frame)]
        return masks


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
