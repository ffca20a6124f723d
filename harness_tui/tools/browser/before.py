"""What the list of stories was before the run's first action: what every later claim is held against."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from ...domain.task import TaskFile
from . import stories
from .login import LoginRule
from .session import Session
from .verify import Verifier

if TYPE_CHECKING:
    from playwright.async_api import Page

VERIFY_SECONDS = 120.0
"""Seconds one look at the site may take, all of its pages together."""


class Before:
    """Looks at one session's site without touching the agent's own page."""

    def __init__(self, task: TaskFile, session: Session, verifier: Verifier) -> None:
        self._task = task
        self._session = session
        self._verifier = verifier

    async def baseline(self, rule: LoginRule | None, *, signed_in: bool) -> dict[str, Any]:
        """`{stories, first, nojs, signed_in}`: live, without scripts, and signed in; `{error}` when there is no list.

        Args:
            rule: how to sign in, to see what the account voted before; None where nobody will ask.
            signed_in: whether the session is.
        """
        world, look = self._session, self._verifier.look
        async with world.other_context(scripts=True) as page:
            listed, problem = await look(page)
            if problem:
                return {"error": problem}
            known = stories.plain(listed)
            found = {"stories": known, "first": stories.first(listed)}
            if signed_in:
                found["signed_in"] = known
            elif rule is not None:
                found["signed_in"] = await self._signed_in(rule, page, known)
        async with world.other_context(scripts=False) as page:
            served, _ = await look(page)
        return {**found, "nojs": any(s.id for s in served)}

    async def _signed_in(self, rule: LoginRule, page: Page, known: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The account's own view, in a context that is thrown away: only there an earlier vote can be seen."""
        from playwright.async_api import Error

        world = self._session
        for url in rule.pages():
            with contextlib.suppress(Error):
                await world.goto(url, page)
                if not await rule.asks(page) or rule.objection(page.url):
                    continue
                outcome = await rule.sign_in(page)
                if outcome.state != "in":
                    world.note(f"earlier votes are unknown, the sign-in to look for them failed: {outcome.detail}")
                    return []
                world.note(f"signed in at {rule.origin} in a context of its own, to see what the account voted before")
                return stories.plain((await self._verifier.look(page, known))[0])
        return []
