"""On which line of a JSON text a value stands, and reading it strictly: no key twice, no NaN, nothing beside it."""

from __future__ import annotations

import json
import re
from typing import Any

from ..domain.safetext import clip
from .toml_lines import Step
from .toml_schema import Fault

_space = re.compile(r"[ \t\n\r]*").match
_value = json.JSONDecoder().raw_decode
_surrogate = re.compile(r"\\u[dD][89a-fA-F]").search


class _Refused(Exception):
    """What JSON in general may hold, and ours may not."""


def read(source: str) -> Any:
    """The value of a whole text. Raises Fault."""
    try:
        value = json.loads(source, object_pairs_hook=_object, parse_constant=_constant)
        if half := _surrogate(source):
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except UnicodeEncodeError:
        assert half
        line = source.count("\n", 0, half.start()) + 1
        raise Fault(line, "this holds half of a character, which is no text") from None
    except json.JSONDecodeError as error:
        raise Fault(error.lineno, f"this is not JSON: {error.msg} in column {error.colno}") from None
    except _Refused as error:
        raise Fault(_refused_on(source), str(error)) from None
    except RecursionError:
        raise Fault(1, "this is nested too deeply") from None
    except ValueError:  # of so many digits that Python reads none of them, and does not say where
        raise Fault(1, "a whole number must have at most 64 bits") from None


def line_of(source: str, path: tuple[Step, ...]) -> int:
    """The line (from 1) where the value at `path` begins, else the nearest value around it. `source` must be JSON."""
    at = _after(source, 0)
    for step in path:
        found = next((place for name, place in _members(source, at) if name == step), None)
        if found is None:
            break
        at = found
    return source.count("\n", 0, at) + 1


def _members(source: str, at: int) -> Any:
    """(key or index, where its value begins) of the object or array that begins at `at`; of anything else nothing."""
    if source[at] not in "{[":
        return
    named, index = source[at] == "{", 0
    at = _after(source, at + 1)
    while source[at] not in "}]":
        step: Step = index
        if named:
            step, at = _value(source, at)
            at = _after(source, _after(source, at) + 1)
        yield step, at
        at = _after(source, _value(source, at)[1])
        if source[at] == ",":
            at = _after(source, at + 1)
        index += 1


def _after(source: str, at: int) -> int:
    found = _space(source, at)
    assert found is not None  # it matches nothing as well
    return found.end()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Refused(f'the key "{clip(twice, 60)}" is there twice')
    return found


def _constant(word: str) -> Any:
    raise _Refused(f"{word} is no number here")


def _refused_on(source: str) -> int:
    """The line of the innermost list element or member that cannot be read alone."""
    strict = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant).raw_decode
    at, deeper = _after(source, 0), True
    while deeper:
        deeper = False
        for _, place in _members(source, at):
            try:
                strict(source, place)
            except _Refused:
                at, deeper = place, True
                break
    return source.count("\n", 0, at) + 1
