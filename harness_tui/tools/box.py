"""A toolbox: tools of one kind, what each call of them would do, and how they are called."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterable
from typing import Any, Literal

import msgspec

from ..domain.approval import Proposal
from ..domain.events import Fact
from ..domain.messages import Risk, ToolCall
from ..domain.policy import Weighed
from ..domain.rules import Subject
from ..domain.seams import ToolOutcome
from ..domain.task import Level
from . import threads
from .tool import Tool

MAX_VALUE = 60
"""Characters of an argument in a one-line summary; the facts hold it whole."""


class Toolbox:
    """`@tool` functions of this process, judged by their risk class alone. Base of the boxes that know more.

    Attributes:
        session: what a proposal is bound to; an approval stands as long as it stays the same.
        notes: what the run's header must say.
        concurrent: whether reads of one turn may run at once.
    """

    session = "in-process"
    concurrent = True
    notes: tuple[str, ...] = ()
    recovery: Literal["reattach", "rebuild", "restart"] = "reattach"

    def __init__(self, tools: Iterable[Tool[..., Any]] | None = None) -> None:
        found = own_tools(self) if tools is None else tools
        self.tools: dict[str, Any] = {each.spec.name: each for each in found}

    async def open(self) -> None:
        return None

    async def close(self) -> None:
        """Never raises."""

    async def weigh(self, call: ToolCall, level: Level) -> Weighed:
        """What a well-formed call of one of `tools` would do; touches nothing. Works on a box that is not open."""
        spec = self.tools[call.name].spec
        return Weighed(self.proposal(call, spec.risk, "high" if spec.risk in _HARMFUL else "low"), Subject(call.name))

    async def perform(self, call: ToolCall) -> ToolOutcome:
        """Run a judged call within its deadline. A failure of the tool is ok=False with its type and message."""
        found = self.tools[call.name]
        try:
            async with asyncio.timeout(found.spec.deadline) as limit:
                result, error = await (_awaited if found.is_async else _in_thread)(found, call)
        except TimeoutError:
            if not limit.expired():
                raise
            late = f"{call.name} did not finish within {found.spec.deadline:g} s; whether it took effect is unknown"
            return ToolOutcome(False, late)
        if isinstance(result, ToolOutcome):
            return result
        return ToolOutcome(error is None, as_text(result) if error is None else failure(error))

    def proposal(
        self,
        call: ToolCall,
        risk_class: Risk,
        risk: Literal["low", "med", "high"],
        facts: Iterable[Fact] | None = None,
        summary: str = "",
    ) -> Proposal:
        """What would run; without `facts` and `summary`, argument by argument."""
        values = {name: value if isinstance(value, str) else as_text(value) for name, value in call.arguments.items()}
        told = tuple(Fact(name, value) for name, value in values.items()) if facts is None else tuple(facts)
        short = summary or f"{call.name}({', '.join(f'{name}={shortened(value)}' for name, value in values.items())})"
        facts = (Fact("tool", call.name), *told)
        return Proposal(call.name, call.arguments, risk_class, risk, short, facts, self.session)


_HARMFUL = ("destructive", "network")


def own_tools(box: object) -> list[Tool[..., Any]]:
    """The `@tool` methods of a toolbox, bound to it."""
    names = [name for name in dir(type(box)) if isinstance(getattr(type(box), name, None), Tool)]
    return [getattr(box, name) for name in names]


def shortened(text: str) -> str:
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 3]}..."


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

    threads.lend(run)
    return await ending


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


def failure(error: BaseException) -> str:
    try:
        said = str(error)
    except Exception:
        said = ""
    return f"{type(error).__name__}: {said}".rstrip(": ").encode("utf-8", "backslashreplace").decode()
