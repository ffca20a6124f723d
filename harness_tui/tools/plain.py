"""The environment of tools that need no world: functions of this process, judged by risk and level alone."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from queue import SimpleQueue
from typing import Any, Literal

import msgspec

from ..domain.approval import Judgement, Proposal
from ..domain.events import Event, Fact
from ..domain.messages import ToolCall, ToolSpec
from ..domain.seams import Interlude, Performed, ToolOutcome, Verdict
from ..domain.task import Level
from .tool import Tool

MAX_RESULT = 24 * 1024
"""Bytes of UTF-8 a model reads of one result; from more, head and tail are kept."""

_FREE: dict[Level, tuple[str, ...]] = {
    "L1": ("read_only",),
    "L2": ("read_only", "idempotent"),
    "L3": ("read_only", "idempotent"),
}


class PlainEnvironment:
    """`seams.Environment` for `@tool` functions. Nothing to open, and nothing to verify against."""

    kind = "none"
    recovery: Literal["reattach", "rebuild", "restart"] = "reattach"
    # One process is one world: an approval stays bound to it over attempts.
    session = "in-process"
    notes: tuple[str, ...] = ()

    def __init__(self, tools: Iterable[Tool[..., Any]]) -> None:
        self._tools = {each.spec.name: each for each in tools}
        self.tools: tuple[ToolSpec, ...] = tuple(self._tools[name].spec for name in sorted(self._tools))

    async def open(self) -> None:
        return None

    async def close(self) -> None:
        return None

    async def baseline(self) -> tuple[dict[str, Any] | None, tuple[Event, ...]]:
        return None, ()

    async def judge(self, call: ToolCall, level: Level) -> Judgement:
        """Allow, ask or refuse; arguments are checked against the tool's schema first."""
        found = self._tools.get(call.name)
        if found is None:
            return Judgement("refuse", reason=self._unknown(call.name), why="unknown_tool")
        wrong = call.error or found.problem(call.arguments)
        if wrong:
            return Judgement("refuse", reason=f"{call.name} was not called: {wrong}.", why="malformed")
        proposal = _proposal(found.spec, call, self.session)
        if found.spec.risk in _FREE[level]:
            return Judgement("allow", proposal)
        if level == "L2":
            return Judgement("ask", proposal)
        needs = "it only reads at L1" if level == "L1" else "L3 acts inside an enforced sandbox only, and there is none"
        return Judgement("refuse", reason=f"{call.name} is {found.spec.risk}; {needs}.", why="level")

    async def perform(self, call: ToolCall) -> ToolOutcome:
        """Run a judged call within its deadline. A failure of the tool is ok=False with its type and message."""
        found = self._tools[call.name]
        try:
            async with asyncio.timeout(found.spec.deadline) as limit:
                result, error = await (_awaited if found.is_async else _in_thread)(found, call)
        except TimeoutError:
            if not limit.expired():
                raise
            late = f"{call.name} did not finish within {found.spec.deadline:g} s; whether it took effect is unknown"
            return ToolOutcome(False, late)
        return ToolOutcome(error is None, cut(as_text(result) if error is None else _failure(error)))

    async def after_batch(self) -> Interlude:
        return Interlude()

    async def goal(self, done: Sequence[Performed], baseline: dict[str, Any] | None) -> str:
        return ""

    async def verify(self, done: Sequence[Performed], baseline: dict[str, Any] | None) -> Verdict:
        return Verdict(None, "nothing verified the claim")

    def _unknown(self, name: str) -> str:
        near = get_close_matches(name, self._tools, 1, 0.0)
        return f'There is no tool "{_short(name)}"' + (
            f'; the nearest is "{near[0]}".' if near else ", and no other one."
        )


def _proposal(spec: ToolSpec, call: ToolCall, session: str) -> Proposal:
    """What would run, argument by argument. Outside a sandbox whatever may do harm is of high risk."""
    values = {name: value if isinstance(value, str) else as_text(value) for name, value in call.arguments.items()}
    facts = (Fact("tool", spec.name), *(Fact(name, value) for name, value in values.items()))
    summary = f"{spec.name}({', '.join(f'{name}={_short(value)}' for name, value in values.items())})"
    risk: Literal["low", "high"] = "low" if spec.risk in _FREE["L2"] else "high"
    return Proposal(spec.name, call.arguments, spec.risk, risk, summary, facts, session)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


Ending = tuple[Any, BaseException | None]
"""What a call returned, or what it raised."""


async def _awaited(tool: Tool[..., Any], call: ToolCall) -> Ending:
    try:
        return await tool.call(call.arguments), None
    except (Exception, SystemExit) as error:
        return None, error


async def _in_thread(tool: Tool[..., Any], call: ToolCall) -> Ending:
    """Run a sync tool on a thread of its own."""
    loop = asyncio.get_running_loop()
    ending: asyncio.Future[Ending] = loop.create_future()
    context = contextvars.copy_context()

    def settle(value: Ending) -> None:
        if not ending.done():
            ending.set_result(value)

    def run() -> Callable[[], object]:
        value: Ending
        try:
            value = context.run(tool.call, call.arguments), None
        except BaseException as error:
            value = None, error
        return lambda: loop.call_soon_threadsafe(settle, value)

    _lend_thread(run)
    return await ending


Job = Callable[[], Callable[[], object]]
"""Work for a thread; it returns how to tell that it is done."""

_resting: list[SimpleQueue[Job]] = []
"""Inboxes of threads without work: starting a thread costs several times what the call does."""
RESTING = 16
"""Threads kept at most; as many loops at once call sync tools without starting any."""
os.register_at_fork(after_in_child=_resting.clear)


def _lend_thread(job: Job) -> None:
    """Do it on a thread that rests, else on a new one. None keeps the process alive: a tool may never return."""
    try:
        inbox = _resting.pop()
    except IndexError:
        inbox = SimpleQueue()
        threading.Thread(target=_work, args=(inbox,), name="tools", daemon=True).start()
    inbox.put(job)


def _work(inbox: SimpleQueue[Job]) -> None:
    stays = True
    while stays:
        tell = inbox.get()()
        stays = len(_resting) < RESTING
        if stays:
            _resting.append(inbox)  # before it is told, so that the next call finds it
        try:
            tell()
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more


def as_text(result: Any) -> str:
    """A result as the model reads it: text as it is, everything else as JSON."""
    if isinstance(result, str):
        return result.encode("utf-8", "backslashreplace").decode()
    if result is None:
        return "done"
    try:
        return msgspec.json.encode(result, enc_hook=str).decode()
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.EncodeError):
        return repr(result).encode("utf-8", "backslashreplace").decode()


def cut(text: str, limit: int = MAX_RESULT) -> str:
    """`text`, or its head and tail with a note of how many bytes were left out: at most `limit` bytes and the note."""
    raw = text.encode()
    if len(raw) <= limit:
        return text
    half = limit // 2
    head, tail = raw[:half].decode(errors="ignore"), raw[-half:].decode(errors="ignore")
    left_out = len(raw) - len(head.encode()) - len(tail.encode())
    return f"{head}\n[... {left_out} bytes left out ...]\n{tail}"


def _failure(error: BaseException) -> str:
    try:
        said = str(error)
    except Exception:
        said = ""
    return f"{type(error).__name__}: {said}".rstrip(": ").encode("utf-8", "backslashreplace").decode()
