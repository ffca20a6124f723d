"""What one call would do on the page as it is now: its card, whether the task allows it, or why it may not be."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ...domain.approval import Proposal
from ...domain.events import Fact
from ...domain.messages import ToolCall, ToolSpec
from ...domain.policy import Weighed
from ...domain.rules import Subject
from ...domain.task import TaskFile
from . import elements, scripts
from .elements import NoSuchElement, Target
from .policy import Rules, normalise, origin
from .session import Session

if TYPE_CHECKING:
    from playwright.async_api import ElementHandle

SUMMARY_CHARS = 120


class Judge:
    """Bound to one session, whose visited links and judged elements it remembers."""

    def __init__(self, task: TaskFile, world: Session, rules: Rules) -> None:
        self._task = task
        self._world = world
        self._rules = rules
        self._judged: dict[str, Target | None] = {}

    async def weigh(self, call: ToolCall, spec: ToolSpec, session: str) -> Weighed:
        """What the call would do; `session` is what its proposal is bound to. Raises Playwright's Error."""
        said = json.dumps(call.arguments, ensure_ascii=False)
        proposal = Proposal(spec.name, call.arguments, spec.risk, "low", spec.name, (), session)
        if self._world.redaction(said) != said:
            refusal = "The call carries a stored secret; only the harness fills secrets in."
            return Weighed(proposal, Subject(spec.name), refusal=refusal, why="secret")
        if spec.risk == "read_only":
            return Weighed(proposal, Subject(spec.name))
        weigh = self._navigation if spec.name == "browser_navigate" else self._action
        return await weigh(call, spec, session)

    async def target(self, call: ToolCall) -> tuple[ElementHandle, Target]:
        """The element a call means, as it is now. Raises NoSuchElement."""
        handle = await elements.resolve(self._world, call.arguments["selector"])
        return handle, await elements.describe(self._world, self._task, handle)

    def stands(self, call: ToolCall, target: Target) -> bool:
        """Whether the element still is what was judged (and perhaps approved) under the call's id."""
        return self._judged.pop(call.id, target) == target

    async def remember_links(self) -> None:
        """Take note of every link on the page that would ask when clicked. Raises nothing but a dead browser."""
        from playwright.async_api import Error

        for frame in self._world.page.frames:
            with contextlib.suppress(Error):
                nodes = frame.locator("a, area, form, button, input")
                self._rules.remember(await nodes.evaluate_all(scripts.LINKS, list(self._task.allow_selectors)))

    async def _action(self, call: ToolCall, spec: ToolSpec, session: str) -> Weighed:
        page = self._world.page.url
        if not self._rules.ours(page):
            return self._foreign(call, spec, session, page, f"The page is on {origin(page) or page}")
        subject = Subject(spec.name, hosts=_hosts(page))
        try:
            _, target = await self.target(call)
        except NoSuchElement:
            # Nothing to approve: the call runs into its own clear failure. Should the element turn up meanwhile, it
            # is not what was judged, and perform() leaves it alone.
            self._judged[call.id] = None
            proposal = self._propose(call, spec, session, f"{spec.name}: no such element", ())
            return Weighed(proposal, subject, free=True, why="no such element")
        self._judged[call.id] = target
        value = call.arguments.get("value")
        tail = f' = "{value}"' if value is not None else ""
        facts = elements.facts(spec.name, target, value)
        proposal = self._propose(call, spec, session, f"{spec.name}: {target.summary}{tail}", facts, target.approve)
        return Weighed(proposal, subject, free=target.free, why="allow_selectors" if target.free else "")

    async def _navigation(self, call: ToolCall, spec: ToolSpec, session: str) -> Weighed:
        await self.remember_links()
        url = normalise(call.arguments["url"], self._world.page.url)
        if not url:
            reason = f"{call.arguments['url']} is no http(s) URL; browser_navigate takes nothing else."
            proposal = self._propose(call, spec, session, spec.name, ())
            return Weighed(proposal, Subject(spec.name), refusal=reason, why="url")
        if not self._rules.ours(url):
            return self._foreign(call, spec, session, url, f"{url} is on {origin(url)}")
        facts = (Fact("tool", spec.name), Fact("url", url), Fact("sends", f"GET {url}"))
        proposal = self._propose(call, spec, session, f"{spec.name}: {url}", facts)
        free = self._rules.free(url)
        return Weighed(proposal, Subject(spec.name, hosts=_hosts(url)), free=free, why="allow_urls" if free else "")

    def _foreign(self, call: ToolCall, spec: ToolSpec, session: str, url: str, where: str) -> Weighed:
        reason = f"{where}, not on the task's origins ({self._rules.names()})."
        proposal = self._propose(call, spec, session, spec.name, ())
        return Weighed(proposal, Subject(spec.name, hosts=_hosts(url)), refusal=reason, why="origins")

    def _propose(
        self,
        call: ToolCall,
        spec: ToolSpec,
        session: str,
        summary: str,
        facts: tuple[Fact, ...],
        selector: str = "",
    ) -> Proposal:
        hide = self._world.redaction
        told = hide(" ".join(summary.split()))
        short = told if len(told) <= SUMMARY_CHARS else told[: SUMMARY_CHARS - 1] + "…"
        shown = tuple(Fact(fact.label, hide(fact.value)) for fact in facts)
        return Proposal(spec.name, call.arguments, spec.risk, "high", short, shown, session, selector)


def _hosts(url: str) -> tuple[str, ...]:
    netloc = urlsplit(origin(url)).netloc
    return (netloc,) if netloc else ()
