"""The environment of a run: its toolboxes behind one judgement, in one sandbox, with a browser if it has one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal

from ..domain.approval import Judgement
from ..domain.editing import same
from ..domain.events import Event
from ..domain.messages import ToolCall, ToolSpec
from ..domain.policy import Weighed, judge
from ..domain.rules import RULE_ID, Rule, Where
from ..domain.seams import Interlude, Performed, ToolOutcome, Verdict
from ..domain.task import Level, Script
from ..sandbox.base import Sandbox
from .box import Toolbox

if TYPE_CHECKING:
    from .browser.environment import BrowserBox

NOTHING = Verdict(None, "nothing verified the claim")

Used = Callable[[], Mapping[str, int]]


def no_rules() -> Sequence[Rule]:
    return ()


def never_used() -> Mapping[str, int]:
    return {}


def here_and_now() -> Where:
    return Where(now=time.time_ns() // 1000)


class RunEnvironment:
    """`seams.Environment` over toolboxes.

    Args:
        boxes: a name in two of them belongs to the first.
        offered: names the task asks for; None = all. At L1 only tools that may read are shown to the model.
        sandbox: where files and children are; None when no tool has any.
        rules, used: the operator's rules as they are now, and how often each has allowed a call.
        claim: told the ids of the rules that allow the call about to start, "" once it has: no two runs can have the
            last use of a rule.
        where: workspace, run and time of a judgement.
        proposes: as in `policy.judge`.
        planned: the one call of the run an operator has approved with a plan, or None.
    """

    def __init__(
        self,
        boxes: Sequence[Toolbox],
        *,
        level: Level = "L2",
        offered: Sequence[str] | None = None,
        sandbox: Sandbox | None = None,
        browser: BrowserBox | None = None,
        rules: Callable[[], Sequence[Rule]] = no_rules,
        used: Used = never_used,
        claim: Callable[[str], None] = lambda _: None,
        where: Callable[[], Where] = here_and_now,
        proposes: bool = False,
        planned: Script | None = None,
    ) -> None:
        self.sandbox = sandbox
        self._boxes = (*boxes, browser) if browser else tuple(boxes)
        self._browser = browser
        self._rules, self._used, self._claim, self._where = rules, used, claim, where
        self._proposes, self._planned = proposes, planned
        self._turns = {box: asyncio.Lock() for box in self._boxes if not box.concurrent}
        self._box_of = {name: box for box in reversed(self._boxes) for name in box.tools}
        if offered is not None:
            self._box_of = {name: box for name, box in self._box_of.items() if name in set(offered)}
        specs = (self._box_of[name].tools[name].spec for name in sorted(self._box_of))
        self.tools: tuple[ToolSpec, ...] = tuple(s for s in specs if level != "L1" or s.risk == "read_only")
        self.kind = "browser" if browser else "workspace" if sandbox else "none"
        self.recovery: Literal["reattach", "rebuild", "restart"] = browser.recovery if browser else "reattach"
        self.session = browser.session if browser else "workspace" if sandbox else "in-process"

    @property
    def notes(self) -> tuple[str, ...]:
        """What the run's header must say."""
        return (*(self.sandbox.notes if self.sandbox else ()), *(note for box in self._boxes for note in box.notes))

    async def open(self) -> None:
        """Raises SandboxError, SetupError, UsageError; what was opened is closed again."""
        try:
            if self.sandbox:
                await self.sandbox.open()
            for box in self._boxes:
                await box.open()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        self._claim("")
        for box in reversed(self._boxes):
            await box.close()
        if self.sandbox:
            await self.sandbox.close()

    async def judge(self, call: ToolCall, level: Level) -> Judgement:
        """Allow, ask or refuse: the call must be well formed, then its box weighs it, then level and rules decide."""
        weighed = await self.weigh(call, level)
        if isinstance(weighed, Judgement):
            return weighed
        judged = judge(
            weighed,
            level,
            self._rules(),
            self._where(),
            self._used(),
            proposes=self._proposes,
            planned=self._is_planned(call),
        )
        self._claim(judged.rule if judged.verdict == "allow" and judged.rule.startswith(RULE_ID) else "")
        return judged

    def _is_planned(self, call: ToolCall) -> bool:
        """Whether it is the call that was approved with the plan; one that was edited since is another."""
        plan = self._planned
        if plan is None or not plan.approved or call.name != plan.tool:
            return False
        return same(call.arguments, plan.arguments)

    async def weigh(self, call: ToolCall, level: Level) -> Weighed | Judgement:
        """What the call would do, before level and rules are heard; a refusal where it is not well formed."""
        box = self._box_of.get(call.name)
        if box is None:
            return Judgement("refuse", reason=self._unknown(call.name), why="unknown_tool", rule="unknown tool")
        wrong = call.error or box.tools[call.name].problem(call.arguments)
        if wrong:
            return Judgement("refuse", reason=f"{call.name} was not called: {wrong}.", why="malformed", rule="schema")
        return await box.weigh(call, level)

    async def perform(self, call: ToolCall) -> ToolOutcome:
        self._claim("")  # it has started: the use is counted
        box = self._box_of[call.name]
        async with self._turns.get(box) or nullcontext():
            return await box.perform(call)

    async def baseline(self) -> tuple[dict[str, Any] | None, tuple[Event, ...]]:
        return await self._browser.baseline() if self._browser else (None, ())

    async def after_batch(self) -> Interlude:
        return await self._browser.after_batch() if self._browser else Interlude()

    async def goal(self, done: Sequence[Performed], baseline: dict[str, Any] | None) -> str:
        return await self._browser.goal(done, baseline) if self._browser else ""

    async def verify(self, done: Sequence[Performed], baseline: dict[str, Any] | None) -> Verdict:
        return await self._browser.verify(done, baseline) if self._browser else NOTHING

    def _unknown(self, name: str) -> str:
        near = get_close_matches(name, [spec.name for spec in self.tools], 1, 0.0)
        short = name if len(name) <= 60 else f"{name[:57]}..."
        return f'There is no tool "{short}"' + (f'; the nearest is "{near[0]}".' if near else ", and no other one.")
