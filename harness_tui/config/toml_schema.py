"""A TOML text against a msgspec schema: what is wrong becomes one sentence with its line, in words of the file."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from collections.abc import Collection
from difflib import get_close_matches
from typing import Any, NamedTuple, TypeVar, get_args, get_origin

import msgspec

from ..domain.safetext import clip
from .toml_lines import Step, line_of

T = TypeVar("T")

_TYPES = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}
_BITS = 64
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]|(\[\.\.\.\])")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


class Problem(NamedTuple):
    """One sentence about the value at `path`."""

    path: tuple[Step, ...]
    text: str


class Fault(Exception):
    """What is wrong, and on which line (from 1)."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text

    def at(self, name: str) -> str:
        """`name:12: sentence.`"""
        return f"{clip(name, 200)}:{self.line}: {self.text}{'' if self.text.endswith('?') else '.'}"


def text_of(raw: bytes) -> str:
    """The text of a file; raises Fault when it is not UTF-8."""
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise Fault(raw.count(b"\n", 0, error.start) + 1, "this is not UTF-8 text") from None


def parsed(source: str, schema: type[T]) -> tuple[T, dict[str, Any]]:
    """The value, and the plain tables it was made of. Raises Fault."""
    data = tables(source)
    try:
        return msgspec.convert(data, schema), data
    except msgspec.ValidationError as error:
        raise fault(source, explained(error, data, schema)) from None


def tables(source: str) -> dict[str, Any]:
    """The plain tables of a TOML text. Raises Fault."""
    try:
        data = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise Fault(*_syntax(str(error), source)) from None
    except RecursionError:
        raise Fault(1, "this is nested too deeply") from None
    except ValueError:  # of so many digits that Python reads none of them, and does not say where
        raise Fault(_unread(source), f"a whole number must have at most {_BITS} bits") from None
    if wide := _wide(data):
        raise fault(source, Problem(wide, f"{_subject(wide)} must be a whole number of at most {_BITS} bits"))
    return data


def fault(source: str, problem: Problem) -> Fault:
    return Fault(line_of(source, problem.path), problem.text)


def nearest(name: str, known: Collection[str]) -> str:
    """`; did you mean "x"?`, or "" when nothing known is near."""
    near = get_close_matches(name, sorted(known), 1, 0.6)
    return f'; did you mean "{near[0]}"?' if near else ""


def table_name(path: tuple[Step, ...]) -> str:
    """`[verify.page]`, `[prices."a b"]`, or "" at the top."""
    names = [step if _BARE.fullmatch(step) else f'"{clip(step, 60)}"' for step in path if isinstance(step, str)]
    return f"[{'.'.join(names)}]" if names else ""


def _syntax(message: str, source: str) -> tuple[int, str]:
    """(line, text) of the parser's error."""
    what, _, place = message.partition(" (at ")
    line = re.match(r"line (\d+)", place)
    return int(line[1]) if line else source.rstrip("\n").count("\n") + 1, f"this is not TOML: {clip(what, 120)}"


def _unread(source: str) -> int:
    """The line of the number `tomllib` cannot read: the first beginning of the text that it cannot read either."""
    lines = source.split("\n")

    def unread(count: int) -> bool:
        try:
            tomllib.loads("\n".join(lines[:count]))
        except ValueError as error:
            return not isinstance(error, tomllib.TOMLDecodeError)
        return False

    return bisect_left(range(1, len(lines) + 1), True, key=unread) + 1


def _wide(data: dict[str, Any]) -> tuple[Step, ...]:
    """The path of the first whole number TOML does not provide for: no limit is meant by it, and no file holds it."""
    left: list[tuple[tuple[Step, ...], Any]] = [((), data)]
    while left:
        path, value = left.pop()
        if isinstance(value, int) and not -(1 << _BITS - 1) <= value < 1 << _BITS - 1:
            return path
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        left += [((*path, step), each) for step, each in reversed(list(inner))]
    return ()


# -- msgspec's sentences in ours -----------------------------------------------------------------------------------


def explained(error: msgspec.ValidationError, data: dict[str, Any], schema: Any) -> Problem:
    """What msgspec found wrong with these tables, in words of the file."""
    what, _, place = str(error).partition(" - at `")
    path = _path(place, data, schema)
    if match := re.fullmatch(r"Object contains unknown field `(.*)`", what, re.S):
        name, fields = match[1], _fields(path, schema)
        return Problem((*path, name), f'unknown key "{clip(name, 60)}"{_in(path)}{nearest(name, fields)}')
    if match := re.fullmatch(r"Object missing required field `(.*)`", what):
        return Problem(path, f'the key "{match[1]}"{_in(path)} is missing')
    if match := re.fullmatch(r"Expected `(.*)`, got `(.*)`", what):
        return Problem(path, f"{_subject(path)} must be {_type(match[1])}, not {_type(match[2])}")
    if match := re.fullmatch(r"Invalid enum value (.*)", what, re.S):
        allowed = ", ".join(map(str, _choices(path, schema)))
        return Problem(path, f'{_subject(path)} must be one of {allowed}, not "{clip(str(_at(data, path)), 60)}"')
    return Problem(path, f"{_subject(path)}: {what}")


def _path(place: str, data: dict[str, Any], schema: Any) -> tuple[Step, ...]:
    """msgspec's path; it says `[...]` for a freely named table: the first whose value does not convert is meant."""
    path: tuple[Step, ...] = ()
    for name, index, free in _STEP.findall(place):
        step: Step = int(index) if index else name
        if free:
            wanted = get_args(_declared(path, schema))[1]
            step = next(key for key, value in _at(data, path).items() if not _converts(value, wanted))
        path = (*path, step)
    return path


def _converts(value: Any, wanted: Any) -> bool:
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError:
        return False
    return True


def _in(path: tuple[Step, ...]) -> str:
    return f" in {name}" if (name := table_name(path)) else ""


def _subject(path: tuple[Step, ...]) -> str:
    if isinstance(path[-1], int):
        return f'element {path[-1] + 1} of "{path[-2]}"{_in(path[:-2])}'
    return f'"{clip(path[-1], 60)}"{_in(path[:-1])}'


def _type(name: str) -> str:
    wanted = [part for part in name.split(" | ") if part != "null"]
    return " or ".join(_TYPES.get(part, f"a {part}") for part in wanted)


def _at(data: Any, path: tuple[Step, ...]) -> Any:
    for step in path:
        data = data[step]
    return data


def _declared(path: tuple[Step, ...], schema: Any) -> Any:
    """The type the schema gives the value at `path`."""
    declared = schema
    for step in path:
        if isinstance(step, int):
            declared = get_args(declared)[0]
        elif get_origin(declared) is dict:
            declared = get_args(declared)[1]
        else:
            declared = {field.name: field.type for field in msgspec.structs.fields(declared)}[step]
        if type(None) in get_args(declared):
            declared = next(option for option in get_args(declared) if option is not type(None))
    return declared


def _fields(path: tuple[Step, ...], schema: Any) -> tuple[str, ...]:
    return tuple(field.name for field in msgspec.structs.fields(_declared(path, schema)))


def _choices(path: tuple[Step, ...], schema: Any) -> tuple[Any, ...]:
    """What a value may be: of a `Literal`, or of several."""
    declared = _declared(path, schema)
    options = get_args(declared) if get_origin(declared) else ()
    return tuple(each for option in options for each in (get_args(option) or (option,)) if each != "")
