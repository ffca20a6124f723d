"""What policy says of one call on the page as it is now: allow, ask with a card, or refuse with a reason."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...domain.approval import Judgement, Proposal
from ...domain.events import Fact
from ...domain.messages import ToolCall, ToolSpec
from ...domain.task import Level, TaskFile
from . import elements, scripts
from .elements import NoSuchElement, Target
from .policy import Rules, malformed, normalise, origin, unknown_tool
from .session import Session
from .tools import SPECS

if TYPE_CHECKING:
    from playwright.async_api import ElementHandle

SUMMARY_CHARS = 120


class Judge:
    """Bound to one session, whose visited links and judged elements it remembers."""

    def __init__(self, task: TaskFile, world: Session, tools: Sequence[ToolSpec], rules: Rules) -> None:
        self._task = task
        self._world = world
        self._tools = tools
        self._rules = rules
        self._judged: dict[str, Target | None] = {}

    async def judge(self, call: ToolCall, level: Level, session: str) -> Judgement:
        """The judgement; `session` is what its proposal is bound to. Raises Playwright's Error."""
        spec = next((tool for tool in self._tools if tool.name == call.name), None)
        if spec is None and not (level == "L1" and call.name in self._task.tools):
            return Judgement("refuse", reason=unknown_tool(call.name, self._tools), why="unknown_tool")
        spec = spec or SPECS[call.name]
        if problem := malformed(call, spec):
            return Judgement("refuse", reason=problem, why="malformed")
        if level == "L1" and spec.risk != "read_only":
            reason = f"{spec.name} is {spec.risk}, and at L1 only read-only tools run."
            return Judgement("refuse", reason=reason, why="level")
        said = json.dumps(call.arguments, ensure_ascii=False)
        if self._world.redaction(said) != said:
            return Judgement("refuse", reason="The call carries a stored secret; only the harness fills secrets in.")
        if spec.risk == "read_only":
            return Judgement("allow", Proposal(spec.name, call.arguments, spec.risk, "low", spec.name, (), session))
        weigh = self._navigation if spec.name == "browser_navigate" else self._action
        judgement = await weigh(call, spec, session)
        if level == "L3" and judgement.verdict == "ask":
            reason = f"{spec.name} would ask at L2; at L3 it runs only inside an enforced sandbox, and there is none."
            return Judgement("refuse", reason=reason, why="level")
        return judgement

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

    async def _action(self, call: ToolCall, spec: ToolSpec, session: str) -> Judgement:
        page = self._world.page.url
        if not self._rules.ours(page):
            return self._foreign(f"The page is on {origin(page) or page}")
        try:
            _, target = await self.target(call)
        except NoSuchElement:
            # Nothing to approve: the call runs into its own clear failure. Should the element turn up meanwhile, it
            # is not what was judged, and perform() leaves it alone.
            self._judged[call.id] = None
            return Judgement("allow", self._propose(call, spec, session, f"{spec.name}: no such element", ()))
        self._judged[call.id] = target
        value = call.arguments.get("value")
        tail = f' = "{value}"' if value is not None else ""
        facts = elements.facts(spec.name, target, value)
        proposal = self._propose(call, spec, session, f"{spec.name}: {target.summary}{tail}", facts, target.approve)
        return Judgement("allow" if target.free else "ask", proposal)

    async def _navigation(self, call: ToolCall, spec: ToolSpec, session: str) -> Judgement:
        await self.remember_links()
        url = normalise(call.arguments["url"], self._world.page.url)
        if not url:
            reason = f"{call.arguments['url']} is no http(s) URL; browser_navigate takes nothing else."
            return Judgement("refuse", reason=reason)
        if not self._rules.ours(url):
            return self._foreign(f"{url} is on {origin(url)}")
        facts = (Fact("tool", spec.name), Fact("url", url), Fact("sends", f"GET {url}"))
        proposal = self._propose(call, spec, session, f"{spec.name}: {url}", facts)
        return Judgement("allow" if self._rules.free(url) else "ask", proposal)

    def _foreign(self, where: str) -> Judgement:
        return Judgement("refuse", reason=f"{where}, not on the task's origins ({self._rules.names()}).")

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
