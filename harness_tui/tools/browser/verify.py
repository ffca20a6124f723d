"""What the page says afterwards. Believing nobody: conditions on what was done, then on a freshly loaded page."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from fnmatch import fnmatchcase
from glob import escape
from typing import TYPE_CHECKING, Any

from ...domain.seams import Performed, Verdict
from ...domain.task import PageCondition, TaskFile
from . import scripts, stories
from .policy import filled, normalise
from .session import Session
from .stories import Story
from .tools import failure

if TYPE_CHECKING:
    from playwright.async_api import Page

Asks = Callable[["Page"], Awaitable[bool]]
UNVERIFIED = Verdict(None, "nothing verified the claim")
_UNSEEN = "the account's own list could not be seen; name the login page's path in [login] when_url"


class Verifier:
    """Looks at one session.

    Args:
        asks: whether a page asks for a login.
    """

    def __init__(self, task: TaskFile, session: Session, asks: Asks) -> None:
        self._task = task
        self._session = session
        self._asks = asks

    async def look(self, page: Page, known: Sequence[dict[str, Any]] = ()) -> tuple[list[Story], str]:
        """Load the start URL in `page`: its stories, or why there is no list."""
        from playwright.async_api import Error

        assert self._task.stories is not None
        try:
            await (self._session.fresh if page is self._session.page else self._session.goto)(
                self._task.start_url, page
            )
            if reason := await self._not_a_page(page):
                return [], reason
            listed = await stories.read(page, self._task.stories, known)
        except Error as error:
            if self._session.dead():
                raise
            return [], failure(error, page.url)
        return listed, "" if any(s.id for s in listed) else f"no list of stories on {page.url}"

    async def verdict(self, done: Sequence[Performed], baseline: dict[str, Any] | None, signed_in: bool) -> Verdict:
        """The verdict of `[verify]`; nothing to check is no verdict."""
        rule = self._task.verify
        votes = self._task.stories is not None and "browser_click" in self._task.tools
        if rule is None or not (rule.trace or rule.page or votes):
            return UNVERIFIED
        first = (baseline or {}).get("first")
        listed: list[Story] = []
        if rule.reload or votes:
            listed, problem = await self._reload((baseline or {}).get("stories", []))
            if problem:
                return Verdict(False, problem, checks=(f"failed: {problem}",))
        fatal = ""
        found: list[tuple[str, str]] = []
        """(what was checked, why it does not hold or ""), the weightiest first."""
        if votes:
            reason, fatal = await self._vote(listed, baseline or {}, signed_in)
            found.append((f"story {first['id'] if first else ''} was voted and no other", reason))
        for condition in rule.page:
            reason = await self.unmet(condition, baseline)
            found.append((f"{filled(condition.selector, first)} is {condition.state}", reason))
        for line in rule.trace:
            text = filled(line, first)
            found.append((f"{text} was done", "" if performed(line, done, first) else f"no {text} was done"))
        checks = tuple(f"failed: {reason}" if reason else f"ok: {text}" for text, reason in found)
        failed = [reason for _, reason in found if reason]
        if fatal:
            return Verdict(False, fatal, fatal=True, checks=checks)
        if failed:
            more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
            return Verdict(False, failed[0] + more, checks=checks)
        all_hold = f"; all {len(found)} checks hold" if len(found) > 1 else ""
        return Verdict(True, found[0][0] + all_hold, checks=checks)

    async def goal(self, done: Sequence[Performed], baseline: dict[str, Any] | None) -> str:
        """Why the goal is reached, or ""; looks at the page as it is, without loading it again."""
        rule = self._task.goal
        first = (baseline or {}).get("first")
        if rule is None or not (rule.trace or rule.page) or not all(performed(c, done, first) for c in rule.trace):
            return ""
        for condition in rule.page:
            if await self.unmet(condition, baseline):
                return ""
        met = [filled(c, first) for c in rule.trace] + [f"{filled(c.selector, first)} is {c.state}" for c in rule.page]
        return "goal reached: " + "; ".join(met)

    async def unmet(self, condition: PageCondition, baseline: dict[str, Any] | None) -> str:
        """Why a page condition does not hold on the live page, or "". Raises nothing but a dead browser."""
        from playwright.async_api import Error

        first = (baseline or {}).get("first")
        selector, page = filled(condition.selector, first), self._session.page
        if "{first." in selector:
            return f"{condition.selector}: no story was first when the run began"
        try:
            if reason := await self._not_a_page(page):
                return f"{selector}: {reason}"
            kind, _, wanted = condition.state.partition(":")
            state = await page.locator(selector).evaluate_all(scripts.STATE, {"name": wanted, "text": wanted})
            if state["count"] == 0:
                return await self._gone(condition, selector, baseline) if kind == "gone" else f"{selector} is not there"
        except Error as error:
            if self._session.dead():
                raise
            return f"{selector}: {failure(error, page.url)}"
        holds = {
            "gone": False,
            "hidden": state["shown"] == 0,
            "visible": state["shown"] > 0,
            "class": state["named"],
            "text": state["said"],
        }.get(kind)
        return "" if holds else f"{selector} is not {condition.state}"

    async def _gone(self, condition: PageCondition, selector: str, baseline: dict[str, Any] | None) -> str:
        """ "Not found" alone proves nothing: what the selector belongs to must be on the page."""
        if self._task.stories is None:
            return ""
        known = (baseline or {}).get("stories", [])
        listed = await stories.read(self._session.page, self._task.stories, known)
        if not listed:
            return f"{selector} is not there, but neither is the list of stories"
        first = (baseline or {}).get("first")
        if first and "{first." in condition.selector and first["id"] not in {s.id for s in listed}:
            return f"{selector} is not there, but neither is its story"
        return ""

    async def _reload(self, known: Sequence[dict[str, Any]]) -> tuple[list[Story], str]:
        from playwright.async_api import Error

        if self._task.stories is not None:
            return await self.look(self._session.page, known)
        page = self._session.page
        if not normalise(page.url):
            return [], await self._not_a_page(page)
        try:
            await self._session.fresh(page.url, page)
            return [], await self._not_a_page(page)
        except Error as error:
            if self._session.dead():
                raise
            return [], failure(error, page.url)

    async def _not_a_page(self, page: Page) -> str:
        """Why what is loaded cannot be judged: an error page, a login page, nothing at all."""
        if problem := await self._session.problem(page):
            return problem
        status = self._session.status(page)
        if not normalise(page.url):
            return f"nothing is loaded ({page.url})"
        if not 200 <= status < 300:
            return f"{page.url} answered HTTP {status}" if status else f"{page.url} did not answer"
        return f"{page.url} asks for a login" if await self._asks(page) else ""

    async def _vote(self, live: list[Story], baseline: dict[str, Any], signed_in: bool) -> tuple[str, str]:
        """(why the vote is not proven or "", why no further attempt can help or "")."""
        first = baseline.get("first")
        if not first:
            return f"no list was seen when the run began: {baseline.get('error', 'no baseline')}", ""
        account = baseline.get("signed_in") or []
        if first["voted"] or any(s["id"] == first["id"] and s["voted"] for s in account):
            reason = f"story {first['id']} was already voted before the run began"
            return reason, reason
        if signed_in and not account:
            reason = f"whether story {first['id']} was voted before the run began is not known: {_UNSEEN}"
            return reason, reason
        before = account if signed_in else baseline["stories"]
        reason = _changed(live, first, before, "the page", both_ways=True)
        if reason or not baseline.get("nojs"):
            return reason, ""
        # Scripts can hide an arrow without a vote; what the site itself sends, they cannot change.
        async with self._session.other_context(scripts=False) as page:
            served, problem = await self.look(page, baseline["stories"])
        return problem or _changed(served, first, before, "the page as the site sends it"), ""


def _changed(
    now: Sequence[Story],
    first: dict[str, Any],
    before: Sequence[dict[str, Any]],
    where: str,
    *,
    both_ways: bool = False,
) -> str:
    """Why the change is not "this story was voted, and no other", or "".

    Stories that were not on the list before have no state to compare with and are left out.
    """
    story = next((s for s in now if s.id == first["id"]), None)
    if story is None:
        return f"story {first['id']} is no longer on {where}, so its vote cannot be seen"
    if not story.voted:
        return f"story {first['id']} is not voted on {where}"
    was = {s["id"]: s["voted"] for s in before if s["id"] != first["id"]}
    others = [s.id for s in now if s.id in was and s.voted != was[s.id] and (s.voted or both_ways)]
    return f"the vote of another story changed on {where}: {', '.join(others)}" if others else ""


def performed(condition: str, done: Sequence[Performed], first: dict[str, Any] | None) -> bool:
    """Whether a trace condition (`TOOL ARGUMENT-GLOB`) was met by a call that went well."""
    # What a page says goes into the pattern as the letters it is; the globs are the task's alone.
    literal = {key: escape(json.dumps(value, ensure_ascii=False)[1:-1]) for key, value in _texts(first).items()}
    pattern = filled(condition, literal)
    if " " not in pattern:
        pattern += " *"
    return any(call.ok and fnmatchcase(_said(call), pattern) for call in done)


def _texts(first: dict[str, Any] | None) -> dict[str, str]:
    return {key: value for key, value in (first or {}).items() if isinstance(value, str)}


def _said(call: Performed) -> str:
    return f"{call.tool} {json.dumps(call.arguments, separators=(',', ':'), ensure_ascii=False)}"
