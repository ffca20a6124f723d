"""`@tool`: an ordinary Python function becomes something a model may ask for; it stays callable as before."""

from __future__ import annotations

import copy
import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, ParamSpec, TypeVar, overload

from ..domain.errors import UsageError
from ..domain.messages import RISKS, Risk, ToolSpec
from .arguments import Arguments, BadArguments, description

P = ParamSpec("P")
R = TypeVar("R")

DEADLINE = 120.0
"""Seconds one call may take unless the tool says otherwise."""

CEILING = 24 * 1024
"""Bytes of one result a model reads unless the tool says otherwise."""

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Tool(Generic[P, R]):
    """A function with the spec a model reads. On a method of a toolbox: bound like any method.

    Attributes:
        spec: name, description, JSON schema, risk, deadline and ceiling, read from the function.
        is_async: whether `call` gives an awaitable.
    """

    def __init__(self, function: Callable[P, R], risk: Risk, deadline: float, ceiling: int) -> None:
        name = getattr(function, "__name__", "")
        if not _NAME.fullmatch(name):
            raise UsageError(f"A tool needs a name of letters, digits, _ and -, not {name!r}.", "Define it with `def`.")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise UsageError(f"{name} cannot be a tool: it yields.", "Return the whole result.")
        self._function = function
        self._arguments = Arguments(function)
        self.is_async = inspect.iscoroutinefunction(function)
        said = description(inspect.getdoc(function) or "")
        self.spec = ToolSpec(name, said, self._arguments.schema, risk, deadline, ceiling)
        functools.update_wrapper(self, function)

    def __repr__(self) -> str:
        return f"<tool {self.spec.name} ({self.spec.risk})>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._function(*args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> Tool[..., R]:
        if instance is None:
            return self
        bound = copy.copy(self)
        bound._function = self._function.__get__(instance)
        return bound

    def problem(self, arguments: Mapping[str, Any]) -> str:
        """What is wrong with a model's `arguments`, or ""."""
        try:
            self._arguments.read(arguments)
        except BadArguments as wrong:
            return str(wrong)
        return ""

    def call(self, arguments: Mapping[str, Any]) -> Any:
        """Call the function with a model's arguments, converted to the declared types.

        Returns what the function returns: for an async function, its coroutine. Raises BadArguments where `problem`
        names one, and whatever the function raises.
        """
        return self._function(**self._arguments.read(arguments))  # type: ignore[call-arg]


@overload
def tool(function: Callable[P, R], /) -> Tool[P, R]: ...


@overload
def tool(
    *, risk: Risk = "destructive", deadline: float = DEADLINE, ceiling: int = CEILING
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    risk: Risk = "destructive",
    deadline: float = DEADLINE,
    ceiling: int = CEILING,
) -> Any:
    """Make a tool of a sync or async function: `@tool`, or `@tool(risk="read_only", deadline=5)`.

    The description is the docstring up to its `Args:` section, which describes the parameters (Google style); the
    schema comes from the type hints.

    Args:
        risk: read_only | idempotent | destructive | network. Unsaid means destructive, so that it asks.
        deadline: seconds one call may take.
        ceiling: bytes of one result the model reads; the rest is spilled, not lost.

    Raises UsageError when the function cannot be a tool.
    """
    if risk not in RISKS:
        raise UsageError(f'The risk "{risk}" is not known.', f"Use one of {', '.join(RISKS)}.")
    if not deadline > 0:
        raise UsageError(f"A tool's deadline must be more than 0 seconds, not {deadline}.")
    if ceiling < 1:
        raise UsageError(f"A tool's ceiling must be at least 1 byte, not {ceiling}.")
    if function is None:
        return lambda wrapped: Tool(wrapped, risk, deadline, ceiling)
    return Tool(function, risk, deadline, ceiling)
