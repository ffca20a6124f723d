"""From a model's selector to one element, and from the element to what an operator must know before it is touched."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from ...domain.events import Fact
from ...domain.task import TaskFile
from . import scripts, stories
from .policy import filled, with_id
from .session import ELEMENT, Session
from .stories import Story

if TYPE_CHECKING:
    from playwright.async_api import ElementHandle, Locator

_REF = re.compile(r"(?:aria-)?ref=((?:f\d+)?e\d+)\Z")


class NoSuchElement(Exception):
    """The selector matches nothing, or is none; the text is for the model."""


class Target(msgspec.Struct, frozen=True):
    """One element as it stands in the page now; equal descriptions mean that a click does the same.

    Attributes:
        page: URL of the top frame.
        what: tag and text, with the story it belongs to.
        sends: what a click asks of the site: `GET URL`, `POST URL`, or `script`.
        free: whether it matches the task's `allow_selectors`.
        approve: the first entry of the task's `[approve] selectors` it matches, or "".
    """

    page: str
    what: str
    summary: str
    sends: str
    free: bool
    approve: str


def locate(session: Session, selector: str) -> Locator:
    """A locator for CSS, Playwright selectors, or `ref=e12` of the last snapshot."""
    if ref := _REF.match(selector.strip()):
        return session.page.get_by_ref(ref[1])
    return session.page.locator(selector)


async def resolve(session: Session, selector: str) -> ElementHandle:
    """The first element that matches. Raises NoSuchElement."""
    from playwright.async_api import Error, TimeoutError

    found = locate(session, selector)
    try:
        return await found.first.element_handle(timeout=min(ELEMENT, session.patience) * 1000)
    except TimeoutError:
        raise NoSuchElement(
            f"No element matches {selector} on {session.page.url}. browser_snapshot lists what is there."
        ) from None
    except Error as error:
        if session.dead():
            raise
        told = str(error).splitlines()[0].partition(": ")[2] or str(error)
        raise NoSuchElement(f"The selector {selector} is not understood: {told}") from error


async def describe(session: Session, task: TaskFile, handle: ElementHandle) -> Target:
    """What the element is, now."""
    listed = await stories.read(session.page, task.stories) if task.stories else []
    rules, owners = _approve_rules(task, listed)
    seen = await handle.evaluate(
        scripts.DESCRIBE,
        {
            "allow": list(task.allow_selectors),
            "approve": rules,
            "row": task.stories.row if task.stories else "",
            "arrows": [story.arrow for story in listed],
        },
    )
    owner = listed[seen["story"]] if 0 <= seen["story"] < len(listed) else None
    kind = f" ({seen['type']})" if seen["type"] else ""
    name = f'{seen["tag"]}{kind} "{seen["text"]}"'
    short = seen["text"][:30] or seen["tag"]
    return Target(
        page=session.page.url,
        what=name + (f', story {owner.id} "{owner.title[:120]}"' if owner else ""),
        summary=f'{short} story {owner.id} "{owner.title}"' if owner else name,
        sends=_sends(seen),
        free=seen["allowed"],
        approve=owners[seen["approved"]] if seen["approved"] >= 0 else "",
    )


def facts(tool: str, target: Target, value: str | None = None) -> tuple[Fact, ...]:
    """The approval card of a click, or with a value of a fill or select. Nothing in it changes by itself."""
    head = (Fact("tool", tool), Fact("page", target.page), Fact("target", target.what))
    if value is not None:
        return (*head, Fact("value", value), Fact("effect", "changes the page; the harness cannot undo it"))
    return (*head, Fact("sends", target.sends), Fact("effect", "cannot be undone by the harness"))


def _sends(seen: dict[str, str]) -> str:
    if seen["href"]:
        if not seen["href"].startswith(("http:", "https:")):
            return "script"
        popup = " (in a new window, which is closed)" if seen["target"] not in ("", "_self", "_top", "_parent") else ""
        return f"GET {seen['href']}{popup}"
    return f"{seen['method'].upper()} {seen['action']}" if seen["method"] else "script"


def _approve_rules(task: TaskFile, listed: list[Story]) -> tuple[list[str], list[str]]:
    """(selectors to try, the entry of the task file each comes from)."""
    rules: list[str] = []
    owners: list[str] = []
    top = stories.first(listed)
    for entry in task.approve.selectors:
        if "{first." in entry:
            tries = [filled(entry, top)] if top else []
        elif "{id}" in entry:
            tries = [with_id(entry, story.id) for story in listed if story.id]
        else:
            tries = [entry]
        rules += tries
        owners += [entry] * len(tries)
    return rules, owners
