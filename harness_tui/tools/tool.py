"""`@tool`: an ordinary Python function becomes something a model may ask for; it stays callable as before."""

from __future__ import annotations

import copy
import functools
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Generic, ParamSpec, TypeVar, overload

import msgspec

from ..domain.errors import UsageError
from ..domain.messages import RISKS, Risk, ToolSpec

P = ParamSpec("P")
R = TypeVar("R")

DEADLINE = 120.0
"""Seconds one call may take unless the tool says otherwise."""

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_SECTION = re.compile(r"^(Args|Arguments|Parameters|Returns|Yields|Raises|Examples?|Notes?):\s*$", re.M)
_ARGUMENT = re.compile(r"^(\w+)(?: \([^)]*\))?:\s*(.*)$")


class Tool(Generic[P, R]):
    """A function with the spec a model reads.

    Attributes:
        spec: name, description, JSON schema, risk and deadline, read from the function.
        is_async: whether `call` gives an awaitable.
    """

    def __init__(self, function: Callable[P, R], risk: Risk, deadline: float) -> None:
        self._function = function
        self.is_async = inspect.iscoroutinefunction(function)
        self._arguments, schema = _read(function)
        description = _description(inspect.getdoc(function) or "")
        self.spec = ToolSpec(function.__name__, description, schema, risk, deadline)
        functools.update_wrapper(self, function)

    def __repr__(self) -> str:
        return f"<tool {self.spec.name} ({self.spec.risk})>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._function(*args, **kwargs)

    def problem(self, arguments: Mapping[str, Any]) -> str:
        """What is wrong with a model's `arguments`, or ""."""
        try:
            msgspec.convert(dict(arguments), self._arguments)
        except msgspec.ValidationError as error:
            return str(error)
        return ""

    def call(self, arguments: Mapping[str, Any]) -> Any:
        """Call the function with a model's arguments, converted to the declared types.

        Returns what the function returns: for an async function, its coroutine. Raises msgspec.ValidationError when
        `problem` would have named one, and whatever the function raises.
        """
        given = msgspec.convert(dict(arguments), self._arguments)
        named = {name: getattr(given, name) for name in self._arguments.__struct_fields__}
        return self._function(**named)  # type: ignore[call-arg]


@overload
def tool(function: Callable[P, R], /) -> Tool[P, R]: ...


@overload
def tool(*, risk: Risk = "destructive", deadline: float = DEADLINE) -> Callable[[Callable[P, R]], Tool[P, R]]: ...


def tool(
    function: Callable[..., Any] | None = None, /, *, risk: Risk = "destructive", deadline: float = DEADLINE
) -> Any:
    """Make a tool of a sync or async function: `@tool`, or `@tool(risk="read_only", deadline=5)`.

    The description is the docstring up to its `Args:` section, which describes the parameters (Google style); the
    schema comes from the type hints.

    Args:
        risk: read_only | idempotent | destructive | network. Unsaid means destructive, so that it asks.
        deadline: seconds one call may take.

    Raises UsageError when the function cannot be a tool.
    """
    if risk not in RISKS:
        raise UsageError(f'The risk "{risk}" is not known.', f"Use one of {', '.join(RISKS)}.")
    if not deadline > 0:
        raise UsageError(f"A tool's deadline must be more than 0 seconds, not {deadline}.")
    if function is None:
        return lambda wrapped: Tool(wrapped, risk, deadline)
    return Tool(function, risk, deadline)


def _read(function: Callable[..., Any]) -> tuple[type[msgspec.Struct], dict[str, Any]]:
    """The arguments of `function` as a struct, and their JSON schema."""
    name = getattr(function, "__name__", "")
    if not _NAME.fullmatch(name):
        raise UsageError(f"A tool needs a name of letters, digits, _ and -, not {name!r}.", "Define it with `def`.")
    told = _told(inspect.getdoc(function) or "")
    try:
        hints = typing.get_type_hints(function, include_extras=True)
        fields = [
            _field(parameter, hints.get(parameter.name, Any), told.get(parameter.name, ""))
            for parameter in inspect.signature(function).parameters.values()
        ]
        struct = msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True)
        schema = msgspec.json.schema(struct)
    except (TypeError, NameError, ValueError) as error:
        raise UsageError(f"{name} cannot be a tool: {error}.", "Give each parameter a type that JSON has.") from None
    definitions = schema.pop("$defs")
    flat = definitions.pop(name)
    flat.pop("title", None)
    return struct, {**flat, "$defs": definitions} if definitions else flat


def _field(parameter: inspect.Parameter, hint: Any, told: str) -> Any:
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise TypeError(f"its parameter {parameter} cannot be given by name")
    described = Annotated[hint, msgspec.Meta(description=told)] if told else hint
    default = parameter.default
    if default is parameter.empty:
        return parameter.name, described
    if isinstance(default, list | dict | set | bytearray):
        return parameter.name, described, msgspec.field(default_factory=functools.partial(copy.deepcopy, default))
    return parameter.name, described, default


def _description(doc: str) -> str:
    section = _SECTION.search(doc)
    return doc[: section.start()].strip() if section else doc.strip()


def _told(doc: str) -> dict[str, str]:
    """Parameter name -> description, from the `Args:` section of a docstring."""
    told: dict[str, str] = {}
    sections = list(_SECTION.finditer(doc))
    for number, section in enumerate(sections):
        if section[1] not in ("Args", "Arguments", "Parameters"):
            continue
        end = sections[number + 1].start() if number + 1 < len(sections) else len(doc)
        name, indent = "", None
        for line in doc[section.end() : end].splitlines():
            text = line.strip()
            depth = len(line) - len(line.lstrip())
            if not text:
                continue
            indent = depth if indent is None else indent
            match = _ARGUMENT.match(text) if depth <= indent else None
            if match:
                name = match[1]
                told[name] = match[2]
            elif name:
                told[name] = f"{told[name]} {text}".strip()
    return told
