"""The shell tools: a program that is proven to read, and bash text under approval."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import msgspec

from ...domain.errors import HarnessError
from ...domain.messages import Risk, ToolCall
from ...domain.policy import Weighed
from ...domain.seams import ToolOutcome
from ...domain.task import Level
from ...sandbox import git
from ...sandbox.base import Command, Sandbox
from ...sandbox.tree import Escape
from ..box import Toolbox, shortened
from ..tool import tool
from . import plan as plans
from .output import outcome
from .plan import DEADLINE, MAX_DEADLINE, Plan

OPERANDS = "its operands"
"""What has changed where only the content of what a call works on has."""
KEPT = 256
"""Weighed calls that may still be performed; the oldest is forgotten."""


class ShellBox(Toolbox):
    """`shell_read` and `shell_exec`: each tool makes out its plan, and `perform` runs exactly the plan last weighed."""

    session = "workspace"

    def __init__(self, sandbox: Sandbox, *, scripted: bool = False) -> None:
        """scripted: its call was decided on by its words, before what it works on was there, which may change."""
        super().__init__()
        self.sandbox = sandbox
        self._scripted = scripted
        self._plans: OrderedDict[bytes, Plan] = OrderedDict()

    @tool(risk="read_only", deadline=DEADLINE)
    def shell_read(self, program: str, args: list[str] = [], cwd: str = "") -> Plan:  # noqa: B006 - never changed
        """Run one program that only reads, with exactly these words, without a shell: ls, cat, grep, rg, find, git log.

        Options that write, run another program or leave the workspace are refused; so are pipes, `;`, `$(...)`.

        Args:
            program: name of the program, for example git.
            args: its words, each as it is.
            cwd: directory inside the workspace to run in; empty means its root.
        """
        return plans.read(self.sandbox, program, args, cwd)

    @tool(risk="destructive", deadline=MAX_DEADLINE)
    def shell_exec(self, command: str, cwd: str = "", timeout: float = DEADLINE) -> Plan:
        """Run bash text. What is more than one plain read waits for the operator's approval.

        Everything it starts is dead when it ends: no background jobs.

        Args:
            command: the text, as for bash -c.
            cwd: directory inside the workspace to run in; empty means its root.
            timeout: seconds until it is stopped, 600 at most.
        """
        return plans.execution(self.sandbox, command, cwd, timeout)

    async def weigh(self, call: ToolCall, level: Level) -> Weighed:
        plan = await self._plan(call)
        self._plans[_key(call)] = plan
        self._plans.move_to_end(_key(call))
        while len(self._plans) > KEPT:
            self._plans.popitem(last=False)
        risk_class: Risk = "read_only" if plan.reads else self.tools[call.name].spec.risk
        return Weighed(
            self.proposal(call, risk_class, plan.risk, plan.facts, shortened(" ".join(plan.summary.split()))),
            plan.subject,
            refusal=plan.refusal,
            why=plan.why or plan.reads,
            sandboxed=plans.enclosed(self.sandbox),
            unsafe=plan.unsafe,
        )

    async def perform(self, call: ToolCall) -> ToolOutcome:
        """Run the plan that was weighed last for this call, if it would still do the same."""
        plan = self._plans.pop(_key(call), None)
        if plan is None or plan.refusal:
            return ToolOutcome(False, f"{call.name} was not run: this call was not judged as it stands.")
        now = await self._plan(call)
        changed = _difference(plan, now)
        if self._scripted and changed == OPERANDS and not now.refusal:
            plan = now
        elif changed:
            return ToolOutcome(False, f"{call.name} was not run: since it was judged, {changed} changed.")
        if plan.command is None or plan.missing:
            return ToolOutcome(False, f"{call.name} was not run: {plan.missing}")
        try:
            command = (
                await self._filterless(plan.command) if plan.reads and plan.command.argv[0] == "git" else plan.command
            )
            finished = await self.sandbox.run(command)
        except HarnessError as error:
            return ToolOutcome(False, f"{call.name} was not run: {error}")
        return outcome(finished, plan.command.deadline)

    async def _filterless(self, command: Command) -> Command:
        """Without the content filters this repository names, which git would run for files it only compares.

        Raises Escape for a repository that says its files are elsewhere, unless the sandbox holds reads in.
        """
        words, env = git.hardened(git.FILTERS)
        asked = Command(("git", *words), command.executable, command.cwd, env, command.deadline)
        listed = (await self.sandbox.run(asked)).output
        if git.WORKTREE in listed.split("\0") and "reads" not in self.sandbox.enforced:
            raise Escape("The repository's core.worktree names other files than the workspace's.", "Use shell_exec.")
        return msgspec.structs.replace(command, env={**command.env, **git.repo_overrides(listed)})

    async def _plan(self, call: ToolCall) -> Plan:
        """Blocking, since it looks at files: on a thread."""
        found: Plan = await asyncio.to_thread(self.tools[call.name].call, call.arguments)
        return found


def _key(call: ToolCall) -> bytes:
    return msgspec.json.encode([call.id, call.name, call.arguments], order="deterministic")


def _difference(weighed: Plan, now: Plan) -> str:
    """What would be different, in words, or ""."""
    if weighed == now:
        return ""
    before, after = ({fact.label: fact.value for fact in plan.facts} for plan in (weighed, now))
    labels = [label for label in before | after if before.get(label) != after.get(label)]
    return f"its {' and '.join(labels)}" if labels else now.refusal or "what it would run"
