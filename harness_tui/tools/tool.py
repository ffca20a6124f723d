"""`@tool`: an ordinary Python function becomes something a model may ask for; it stays callable as before."""

from __future__ import annotations

import copy
import functools
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Generic, ParamSpec, TypeVar, overload

from ..domain.errors import UsageError
from ..domain.messages import RISKS, Risk, ToolSpec

if TYPE_CHECKING:
    from pydantic import BaseModel

P = ParamSpec("P")
R = TypeVar("R")

DEADLINE = 120.0
"""Seconds one call may take unless the tool says otherwise."""

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_SECTION = re.compile(r"^(Args|Arguments|Parameters|Returns|Yields|Raises|Examples?|Notes?):\s*$", re.M)
_ARGUMENT = re.compile(r"^(\w+)(?: \([^)]*\))?:\s*(.*)$")


CEILING = 24 * 1024
"""Bytes of one result a model reads unless the tool says otherwise."""


class Tool(Generic[P, R]):
    """A function with the spec a model reads. On a method of a toolbox: bound like any method.

    Attributes:
        spec: name, description, JSON schema, risk, deadline and ceiling, read from the function.
        is_async: whether `call` gives an awaitable.
    """

    def __init__(self, function: Callable[P, R], risk: Risk, deadline: float, ceiling: int) -> None:
        self._function = function
        self.is_async = inspect.iscoroutinefunction(function)
        self._arguments, schema = _read(function)
        description = _description(inspect.getdoc(function) or "")
        self.spec = ToolSpec(function.__name__, description, schema, risk, deadline, ceiling)
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
        from pydantic import ValidationError

        try:
            self._arguments.model_validate(dict(arguments))
        except ValidationError as error:
            return "; ".join(_one_line(each) for each in error.errors(include_url=False)[:5])
        return ""

    def call(self, arguments: Mapping[str, Any]) -> Any:
        """Call the function with a model's arguments, converted to the declared types.

        Returns what the function returns: for an async function, its coroutine. Raises ValidationError when `problem`
        would have named one, and whatever the function raises.
        """
        given = self._arguments.model_validate(dict(arguments))
        return self._function(**{name: getattr(given, name) for name in self._arguments.model_fields})  # type: ignore[call-arg]


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


def _read(function: Callable[..., Any]) -> tuple[type[BaseModel], dict[str, Any]]:
    """The arguments of `function` as a model, and their JSON schema."""
    from pydantic import ConfigDict, PydanticUserError, create_model
    from pydantic.errors import PydanticSchemaGenerationError

    name = getattr(function, "__name__", "")
    if not _NAME.fullmatch(name):
        raise UsageError(f"A tool needs a name of letters, digits, _ and -, not {name!r}.", "Define it with `def`.")
    told = _told(inspect.getdoc(function) or "")
    try:
        hints = typing.get_type_hints(function, include_extras=True)
        fields = {
            parameter.name: _field(parameter, hints.get(parameter.name, Any), told.get(parameter.name, ""))
            for parameter in _parameters(function)
        }
        config = ConfigDict(extra="forbid", arbitrary_types_allowed=False)
        model = create_model(name, __config__=config, **fields)  # type: ignore[call-overload]
        schema = model.model_json_schema()
    except (TypeError, NameError, ValueError, PydanticUserError, PydanticSchemaGenerationError) as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise UsageError(f"{name} cannot be a tool: {said}.", "Give each parameter a type that JSON has.") from None
    return model, _untitled(schema)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Those a model fills in; the `self` of a method in a class is the toolbox's own."""
    found = list(inspect.signature(function).parameters.values())
    return found[1:] if found and found[0].name == "self" else found


def _untitled(schema: dict[str, Any]) -> dict[str, Any]:
    """Without pydantic's titles, which only repeat the names: every request carries this."""
    schema.pop("title", None)
    for each in [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]:
        _untitled(each)
    return schema


def _field(parameter: inspect.Parameter, hint: Any, told: str) -> tuple[Any, Any]:
    from pydantic import Field

    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise TypeError(f"its parameter {parameter} cannot be given by name")
    described = Annotated[hint, Field(description=told)] if told else hint
    return described, ... if parameter.default is parameter.empty else parameter.default


def _one_line(error: Any) -> str:
    place = ".".join(map(str, error["loc"]))
    said = {"missing": "is missing", "extra_forbidden": "is no argument"}.get(error["type"], "")
    return f"{place} {said}" if said else f"{place}: {error['msg'][:1].lower()}{error['msg'][1:]}"


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
