"""What a function takes, as a model gives it: a JSON object becomes Python values, or a sentence on what is wrong."""

from __future__ import annotations

import functools
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from types import SimpleNamespace, UnionType
from typing import Annotated, Any

from ..domain.errors import UsageError

_SECTION = re.compile(r"^(Args|Arguments|Parameters|Returns|Yields|Raises|Examples?|Notes?):\s*$", re.M)
_ARGUMENT = re.compile(r"^(\w+)(?: \([^)]*\))?:\s*(.*)$")
_SHORT = 60
"""Characters of a name a model made up that an answer repeats."""


class BadArguments(ValueError):
    """The arguments do not fit; the text says which and why, for the model that gave them."""


class Arguments:
    """The parameters of a function.

    Reading is lax only where nothing changes: a value may change its JSON type if it still reads the same (`"5"` for
    5, `5` for 5.0), so that what an operator was shown is what runs; `"yes"` is no boolean and `true` no number.

    Attributes:
        schema: JSON Schema of the object, without titles.

    Raises UsageError when a parameter cannot be given by name, or its type is none that JSON has.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        from pydantic import PydanticUserError, create_model
        from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError

        name = function.__name__
        told = described(inspect.getdoc(function) or "")
        try:
            parameters = _parameters(function)
            hints = _hints(function, parameters)
            # Fields are numbered: a parameter may be called `schema`, `copy` or `model_config`, a field may not.
            fields = {f"a{i}": _field(p, hints[p.name], told.get(p.name, "")) for i, p in enumerate(parameters)}
            self._model = create_model(name, __config__={"extra": "forbid"}, **fields)  # type: ignore[call-overload]
            self.schema = _untitled(self._model.model_json_schema(schema_generator=_generator()))
        except (
            TypeError,
            NameError,
            RecursionError,
            ValueError,
            PydanticUserError,
            PydanticSchemaGenerationError,
            PydanticInvalidForJsonSchema,
        ) as error:
            said = str(error).splitlines()[0].rstrip(".")
            raise UsageError(f"{name} cannot be a tool: {said}.", "Give each parameter a type that JSON has.") from None
        self._names = {f"a{i}": p.name for i, p in enumerate(parameters)}

    def read(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Values by parameter name; a default is a fresh copy. Raises BadArguments."""
        from pydantic import ValidationError

        given = dict(given)
        try:
            read = self._model.model_validate(given)
            shown = read.model_dump(mode="json", by_alias=True, exclude_unset=True, warnings=False)
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_input=False)
            raise BadArguments("; ".join(self._sentence(each) for each in wrong[:5])) from None
        except Exception as error:  # a validator of the tool's own types
            raise BadArguments(f"{type(error).__name__}: {error}") from None
        if changed := _changed(given, shown, ""):
            raise BadArguments(changed)
        values = read.__dict__
        return {name: values[field] for field, name in self._names.items()}

    def _sentence(self, error: Any) -> str:
        place = ".".join(str(part)[:_SHORT] for part in error["loc"])
        if error["type"] == "missing":
            return f"{place} is missing"
        if error["type"] == "extra_forbidden":
            near = get_close_matches(place, self._names.values(), 1) if len(error["loc"]) == 1 else ()
            return f"{place} is no argument" + (f"; did you mean {near[0]}?" if near else "")
        return f"{place}: {error['msg'][:1].lower()}{error['msg'][1:]}"


def _changed(given: Any, read: Any, place: str) -> str:
    """What was dropped, or reads differently now that its type was changed, or ""."""
    if isinstance(given, dict) and isinstance(read, dict):
        if dropped := [key for key in given if key not in read]:
            return f"{_at(place, dropped[0])} is no argument"
        pairs = [(key, value, read[key]) for key, value in given.items()]
    elif isinstance(given, list) and isinstance(read, list):
        pairs = [(index, *pair) for index, pair in enumerate(zip(given, read, strict=False))]
    elif _text(given) == _text(read) or (bool not in (type(given), type(read)) and given == read):
        return ""
    else:
        return f"{place}: {_text(given)[:_SHORT]} is not {_text(read)[:_SHORT]}; give the right type"
    for key, a, b in pairs:
        unlike = type(a) is not type(b) or isinstance(a, dict | list)
        if unlike and (wrong := _changed(a, b, _at(place, key))):
            return wrong
    return ""


def _at(place: str, key: object) -> str:
    return f"{place}.{key}"[:_SHORT] if place else str(key)[:_SHORT]


def _text(value: Any) -> str:
    return str(value).lower()


# -- from a signature to fields --------------------------------------------------------------------------------------


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Those a model fills in; the `self` of a method in a class is the toolbox's own."""
    found = list(inspect.signature(function).parameters.values())
    found = found[1:] if found and found[0].name == "self" else found
    for each in found:
        if each.kind not in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY):
            raise TypeError(f"its parameter {each} cannot be given by name")
    return found


def _hints(function: Callable[..., Any], parameters: list[inspect.Parameter]) -> dict[str, Any]:
    """Types by name; the return type is not looked at: only a type checker may know it."""
    written = {p.name: Any if p.annotation is p.empty else p.annotation for p in parameters}
    known = inspect.unwrap(function).__globals__
    hints = typing.get_type_hints(SimpleNamespace(__annotations__=written), known, include_extras=True)
    return {name: _accepted(hint) for name, hint in hints.items()}


def _accepted(hint: Any) -> Any:
    """The same type; `typing.TypedDict`, which pydantic refuses before Python 3.12, in the form it takes."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if typing.is_typeddict(hint):
        return _typed_dict(hint)
    if origin is Annotated:
        return Annotated[(_accepted(args[0]), *hint.__metadata__)]
    if origin in (typing.Union, UnionType):
        return typing.Union[tuple(map(_accepted, args))]  # noqa: UP007 - of a tuple
    if origin in (list, set, frozenset, tuple, dict):
        return origin[tuple(map(_accepted, args))]
    return hint


def _typed_dict(declared: Any) -> Any:
    import typing_extensions as more

    keys: dict[str, Any] = {}
    for key, hint in typing.get_type_hints(declared, include_extras=True).items():
        said = typing.get_origin(hint)  # `__required_keys__` cannot know what was written as a string
        bare = typing.get_args(hint)[0] if said in (typing.Required, typing.NotRequired) else hint
        needed = said is typing.Required or (said is not typing.NotRequired and key in declared.__required_keys__)
        keys[key] = more.Required[_accepted(bare)] if needed else more.NotRequired[_accepted(bare)]
    return more.TypedDict(declared.__name__, keys)  # type: ignore[operator]


def _field(parameter: inspect.Parameter, hint: Any, told: str) -> tuple[Any, Any]:
    from pydantic import Field

    named = Field(alias=parameter.name, description=told) if told else Field(alias=parameter.name)
    return Annotated[hint, named], ... if parameter.default is parameter.empty else parameter.default


# -- the schema ------------------------------------------------------------------------------------------------------


@functools.cache
def _generator() -> Any:
    """pydantic's schemas, but what JSON cannot hold is an error also where pydantic knows some way round it."""
    from pydantic.json_schema import GenerateJsonSchema

    class Strict(GenerateJsonSchema):
        def bytes_schema(self, schema: Any) -> Any:
            raise TypeError("JSON has no bytes")

        def complex_schema(self, schema: Any) -> Any:
            raise TypeError("JSON has no complex numbers")

        def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> Any:
            raise TypeError(f"JSON has nothing like it ({error_info.removeprefix('core_schema.')})")

        def emit_warning(self, kind: Any, detail: str) -> None:
            """A default that JSON cannot hold is left out of the schema; the function still has it."""

    return Strict


def _untitled(schema: dict[str, Any]) -> dict[str, Any]:
    """Without pydantic's titles, which only repeat the names: every request carries this."""
    schema.pop("title", None)
    for each in [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]:
        _untitled(each)
    return schema


# -- the docstring ---------------------------------------------------------------------------------------------------


def description(doc: str) -> str:
    """A docstring up to its first section."""
    section = _SECTION.search(doc)
    return doc[: section.start()].strip() if section else doc.strip()


def described(doc: str) -> dict[str, str]:
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
