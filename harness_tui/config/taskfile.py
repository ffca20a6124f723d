"""Read a task file. Whatever is wrong with it is refused here, with file, line and key, before anything starts."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from ..domain.errors import UsageError
from ..domain.safetext import clip
from ..domain.task import BROWSER_TOOLS, TaskFile
from .task_rules import Problem, nearest, problems
from .toml_lines import Step, line_of

MAX_BYTES = 256 * 1024

_TYPES = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}


def load_task(path: Path, known_tools: Collection[str] = BROWSER_TOOLS) -> TaskFile:
    """The task in `path`.

    Raises UsageError (exit 2) with file, line and key:
    `upvote.toml:14: unknown key "strat_url" in [login]; did you mean "start_url"?`
    """
    source = _read(path)
    try:
        data = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise _refusal(path, *_syntax(str(error), source)) from None
    except RecursionError:
        raise _refusal(path, 1, "this is nested too deeply") from None
    try:
        task = msgspec.convert(data, TaskFile)
    except msgspec.ValidationError as error:
        problem = _translated(str(error), data)
        raise _refusal(path, line_of(source, problem.path), problem.text) from None
    for problem in problems(task, known_tools):
        raise _refusal(path, line_of(source, problem.path), problem.text)
    return task


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UsageError(f"There is no task file {clip(str(path), 200)}.", "Check the path given to --task.") from None
    except OSError as error:
        raise UsageError(
            f"Cannot read {clip(str(path), 200)}: {error.strerror}.", "Check the path given to --task."
        ) from None
    if len(raw) > MAX_BYTES:
        raise UsageError(f"{clip(str(path), 200)} is larger than {MAX_BYTES // 1024} KiB: no task file is.")
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise _refusal(path, raw.count(b"\n", 0, error.start) + 1, "this is not UTF-8 text") from None


def _refusal(path: Path, line: int, text: str) -> UsageError:
    stop = "" if text.endswith("?") else "."
    return UsageError(f"{clip(str(path), 200)}:{line}: {text}{stop}")


def _syntax(message: str, source: str) -> tuple[int, str]:
    """(line, text) of the parser's error."""
    what, _, place = message.partition(" (at ")
    line = re.match(r"line (\d+)", place)
    return int(line[1]) if line else source.rstrip("\n").count("\n") + 1, f"this is not TOML: {clip(what, 120)}"


# -- msgspec's sentences in ours -----------------------------------------------------------------------------------


def _translated(message: str, data: dict[str, Any]) -> Problem:
    what, _, place = message.partition(" - at `")
    path: tuple[Step, ...] = tuple(
        int(index) if index else name for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", place)
    )
    if match := re.fullmatch(r"Object contains unknown field `(.*)`", what, re.S):
        name, fields = match[1], _fields(path)
        return Problem((*path, name), f'unknown key "{clip(name, 60)}"{_in(path)}{nearest(name, fields)}')
    if match := re.fullmatch(r"Object missing required field `(.*)`", what):
        return Problem(path, f'the key "{match[1]}"{_in(path)} is missing')
    if match := re.fullmatch(r"Expected `(.*)`, got `(.*)`", what):
        return Problem(path, f"{_subject(path)} must be {_type(match[1])}, not {_type(match[2])}")
    if match := re.fullmatch(r"Invalid enum value (.*)", what, re.S):
        allowed = ", ".join(map(str, _choices(path)))
        return Problem(path, f'{_subject(path)} must be one of {allowed}, not "{clip(str(_at(data, path)), 60)}"')
    return Problem(path, f"{_subject(path)}: {what}")


def _in(path: tuple[Step, ...]) -> str:
    """` in [verify.page]`, or "" at the top."""
    tables = ".".join(step for step in path if isinstance(step, str))
    return f" in [{tables}]" if tables else ""


def _subject(path: tuple[Step, ...]) -> str:
    if isinstance(path[-1], int):
        return f'element {path[-1] + 1} of "{path[-2]}"{_in(path[:-2])}'
    return f'"{path[-1]}"{_in(path[:-1])}'


def _type(name: str) -> str:
    wanted = [part for part in name.split(" | ") if part != "null"]
    return " or ".join(_TYPES.get(part, f"a {part}") for part in wanted)


def _at(data: Any, path: tuple[Step, ...]) -> Any:
    for step in path:
        data = data[step]
    return data


def _declared(path: tuple[Step, ...]) -> Any:
    """The type the schema gives the value at `path`."""
    declared: Any = TaskFile
    for step in path:
        if isinstance(step, int):
            declared = get_args(declared)[0]
        else:
            declared = {field.name: field.type for field in msgspec.structs.fields(declared)}[step]
        if type(None) in get_args(declared):
            declared = next(option for option in get_args(declared) if option is not type(None))
    return declared


def _fields(path: tuple[Step, ...]) -> tuple[str, ...]:
    return tuple(field.name for field in msgspec.structs.fields(_declared(path)))


def _choices(path: tuple[Step, ...]) -> tuple[Any, ...]:
    declared = _declared(path)
    return get_args(declared) if get_origin(declared) else ()
