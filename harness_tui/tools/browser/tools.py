"""The nine browser tools: what a model is told of them, and what each does on the session it is bound to."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ...domain.messages import Risk, ToolSpec
from ...domain.task import TaskFile
from . import elements, stories
from .elements import NoSuchElement
from .frames import Frames
from .policy import normalise, origin
from .session import ACTION, Session

if TYPE_CHECKING:
    from playwright.async_api import ElementHandle

TEXT_CHARS = 30_000
DEADLINE = 60.0
_SELECTOR = "CSS selector, or ref=e12 from browser_snapshot"


def _spec(name: str, risk: Risk, description: str, **arguments: str) -> ToolSpec:
    properties = {key: {"type": "string", "description": text} for key, text in arguments.items()}
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(arguments),
        "additionalProperties": False,
    }
    return ToolSpec(name, description, schema, risk, DEADLINE)


SPECS: dict[str, ToolSpec] = {
    spec.name: spec
    for spec in (
        _spec("browser_click", "destructive", "Click an element; waits for navigation.", selector=_SELECTOR),
        _spec("browser_fill", "destructive", "Fill an input field.", selector=_SELECTOR, value="text to put in"),
        _spec(
            "browser_get_stories",
            "read_only",
            "The page's list of stories as JSON: rank, id, title, voted, arrow (selector of the vote control).",
        ),
        _spec("browser_get_text", "read_only", "The visible text of the page."),
        _spec(
            "browser_has_class",
            "read_only",
            "Whether an element has a CSS class.",
            selector=_SELECTOR,
            class_name="name of the class",
        ),
        _spec("browser_navigate", "network", "Go to a URL.", url="http(s) URL, absolute or relative"),
        _spec(
            "browser_select",
            "destructive",
            "Choose an option of a select field.",
            selector=_SELECTOR,
            value="value or label of the option",
        ),
        _spec("browser_snapshot", "read_only", "The accessibility tree of the page with refs."),
        _spec("browser_url", "read_only", "The URL of the page now (shows a redirect to a login page)."),
    )
}


class BrowserTools:
    """Binds the tools to one session. Every tool returns (ok, text); only a dead browser raises."""

    def __init__(self, session: Session, frames: Frames, task: TaskFile) -> None:
        self._session = session
        self._frames = frames
        self._task = task
        self._reads: dict[str, Callable[[dict[str, Any]], Awaitable[tuple[bool, str]]]] = {
            "browser_url": self._url,
            "browser_get_text": self._get_text,
            "browser_get_stories": self._get_stories,
            "browser_has_class": self._has_class,
            "browser_snapshot": self._snapshot,
            "browser_navigate": self._navigate,
        }

    async def run(self, name: str, arguments: dict[str, Any]) -> tuple[bool, str]:
        """A tool that touches no single element. Raises EnvironmentLost."""
        return await self._guarded(self._reads[name](arguments))

    async def act(self, name: str, handle: ElementHandle, arguments: dict[str, Any]) -> tuple[bool, str]:
        """Click, fill or select on an element that was resolved before."""
        return await self._guarded(self._act(name, handle, arguments))

    async def _guarded(self, work: Awaitable[tuple[bool, str]]) -> tuple[bool, str]:
        from playwright.async_api import Error

        try:
            return await work
        except NoSuchElement as missing:
            return False, str(missing)
        except Error as error:
            if self._session.dead():
                raise
            return False, failure(error, self._session.page.url)

    async def _url(self, _: dict[str, Any]) -> tuple[bool, str]:
        return True, self._session.page.url

    async def _get_text(self, _: dict[str, Any]) -> tuple[bool, str]:
        text = await self._session.page.evaluate("() => document.body?.innerText ?? ''")
        return True, cut(self._session.redaction(text))

    async def _get_stories(self, _: dict[str, Any]) -> tuple[bool, str]:
        if self._task.stories is None:
            return False, "This task has no [stories] table, so there is no list to read. Use browser_snapshot."
        listed = await stories.read(self._session.page, self._task.stories)
        if not listed:
            return False, f"No stories on {self._session.page.url}. browser_snapshot shows what is there."
        rows = [
            {"rank": s.rank, "id": s.id, "title": s.title, "voted": s.voted, "arrow": s.arrow if s.present else ""}
            for s in listed
        ]
        return True, json.dumps(rows, ensure_ascii=False)

    async def _has_class(self, arguments: dict[str, Any]) -> tuple[bool, str]:
        handle = await elements.resolve(self._session, arguments["selector"])
        has = await handle.evaluate("(el, name) => el.classList.contains(name)", arguments["class_name"])
        return True, json.dumps(bool(has))

    async def _snapshot(self, _: dict[str, Any]) -> tuple[bool, str]:
        return True, cut(await self._frames.snapshot())

    async def _navigate(self, arguments: dict[str, Any]) -> tuple[bool, str]:
        session = self._session
        wanted = normalise(arguments["url"], session.page.url)
        if not wanted:
            return False, f"{arguments['url']} is no http(s) URL."
        answer = await session.goto(wanted)
        status = answer.status if answer else 0
        here = session.page.url
        moved = f" (redirected from {wanted})" if normalise(here) != wanted else ""
        text = f'HTTP {status}: {here}{moved}, title "{await session.page.title()}"'
        return status < 400, text + self._foreign(wanted)

    async def _act(self, name: str, handle: ElementHandle, arguments: dict[str, Any]) -> tuple[bool, str]:
        session = self._session
        before, limit = session.page.url, ACTION * 1000
        if name == "browser_click":
            await handle.click(timeout=limit, no_wait_after=True)
            done = "Clicked"
        elif name == "browser_fill":
            await handle.fill(arguments["value"], timeout=limit)
            done = "Filled"
        else:
            chosen = await _choose(handle, arguments["value"])
            done = f"Chose {', '.join(chosen)} in"
        await session.settle()
        here = session.page.url
        where = f"The page is now {here}." if here != before else f"The page is still {here}."
        if problem := await session.problem():
            where = f"{where} {problem}"
        return True, f"{done} {arguments['selector']}. {where}{self._foreign(before)}"

    def _foreign(self, before: str) -> str:
        here = origin(self._session.page.url)
        if here in ("", origin(before)):
            return ""
        return f" This is another origin ({here}) than asked for; the harness acts on the task's origins only."


async def _choose(handle: ElementHandle, wanted: str) -> list[str]:
    """By value, else by label. Raises NoSuchElement when there is neither."""
    options = await handle.evaluate("(el) => [...(el.options ?? [])].map((o) => [o.value, o.label])")
    limit = ACTION * 1000
    if any(value == wanted for value, _ in options):
        return await handle.select_option(value=wanted, timeout=limit)
    if any(label == wanted for _, label in options):
        return await handle.select_option(label=wanted, timeout=limit)
    raise NoSuchElement(f"No option {wanted!r}; there are: {', '.join(label for _, label in options) or 'none'}.")


def failure(error: Exception, url: str) -> str:
    """A sentence for what Playwright says at length."""
    text = str(error)
    if "net::ERR_" in text:
        code = text.partition("net::ERR_")[2].split()[0].replace("_", " ").lower()
        target = text.partition(" at ")[2].splitlines()[0]
        return f"Cannot load {target}: {code}. Try again later or go elsewhere."
    if "Page.goto" in text and "Timeout" in text:
        limit = text.partition("Timeout ")[2].split("ms")[0]
        return f"The page did not load within {float(limit) / 1000:g} s. Try again or go elsewhere."
    if "intercepts pointer events" in text:
        return f"The element on {url} is covered by another one; nothing was clicked."
    if "Timeout" in text:
        return f"The element on {url} is there but cannot be used (hidden, disabled or moving); nothing was done."
    return text.splitlines()[0][:300] if text else type(error).__name__


def cut(text: str) -> str:
    if len(text) <= TEXT_CHARS:
        return text
    return f"{text[:TEXT_CHARS]}\n[cut: {len(text) - TEXT_CHARS} more characters]"
