"""Editing what waits for a decision, as text: what an editor is given, and what is made of what comes back.

A call is its arguments as JSON, a loop's change its diff. Lines that begin with `#` on top explain, and are not read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any, NoReturn

import msgspec

from .errors import UsageError
from .safetext import clip, safe
from .views import ApprovalRow

COMMENT = "#"
MAX_DEPTH = 100
"""Lists and objects within each other; JSON has no bound of its own, and everything behind this recurses."""
_WIDTH = 100

_canonical = msgspec.json.Encoder(order="deterministic").encode


class Edit(msgspec.Struct, frozen=True, omit_defaults=True):
    """What to put in the place of what was asked for; the fields of the same names of `EditApproval`."""

    arguments: dict[str, Any] | None = None
    diff: str | None = None


def suffix(row: ApprovalRow) -> str:
    """How a file with the text is to be called, so that an editor knows what is in it."""
    return ".diff" if row.kind == "change" else ".json"


def as_text(row: ApprovalRow, diff: str = "") -> str:
    """What the operator edits, explained on top. Raises UsageError for what cannot be edited.

    Args:
        diff: of a change, whole.
    """
    if row.kind == "in_doubt":
        raise UsageError(f"{row.id} is in doubt: what may have happened cannot be edited.", "Resolve it.")
    told = [
        f"{row.id}  {row.tool or row.kind}: {clip(row.summary, _WIDTH)}",
        "Change what is below; it will wait again, under a new digest, and runs only when that is approved.",
        "Saved without a change, or emptied, it stays as it is.",
    ]
    if row.kind == "change":
        told.append("It is the whole diff, in git's format; it must apply to the commit it was made on.")
    head = "".join(f"{COMMENT} {line}\n" for line in told)
    return head + (diff if row.kind == "change" else f"{_shown(row.arguments)}\n")


def from_text(row: ApprovalRow, text: str, diff: str = "") -> Edit | None:
    """What was made of it; None when it is unchanged or emptied. Raises UsageError naming line and column.

    Args:
        diff: of a change, as `as_text` was given it.
    """
    body = _without_comments(text.removeprefix("\ufeff"))
    if not body.strip():
        return None
    if row.kind == "change":
        new = body.lstrip("\n")
        new = new if new.endswith("\n") else f"{new}\n"
        return None if new in (diff, f"{diff}\n") else Edit(diff=new)
    arguments = parsed(body)
    return None if same(arguments, row.arguments) else Edit(arguments=arguments)


def _without_comments(text: str) -> str:
    """The text with its lines of comment on top emptied: places in it stay what the editor shows."""
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if not line.startswith(COMMENT) and line.strip():
            break
        lines[number] = "\n"
    return "".join(lines)


def parsed(text: str) -> dict[str, Any]:
    """Arguments from JSON: one object. Raises UsageError naming line and column.

    What JSON leaves open is refused, since the reader would pick one meaning in silence: a name given twice, NaN.
    """
    found = _read(text)
    if not isinstance(found, dict):
        raise UsageError("The arguments of a call are one JSON object, in { }.")
    return found


def _read(text: str) -> Any:
    try:
        found = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
        _bounded(found)
        _canonical(found)
    except json.JSONDecodeError as error:
        raise UsageError(f"Line {error.lineno}, column {error.colno}: this is not JSON: {error.msg}.") from None
    except RecursionError:
        raise UsageError("Lists and objects are nested too deep in this JSON.") from None
    except UnicodeEncodeError:
        raise UsageError("This JSON holds half of a character (a lone surrogate).", "Give it whole.") from None
    except (ValueError, OverflowError):
        raise UsageError("This JSON holds a number that is too large.") from None
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise UsageError(f'"{safe(name)}" is given twice.', "Give it once.")
        found[name] = value
    return found


def _no_number(word: str) -> NoReturn:
    raise UsageError(f"{word} is no number of JSON.")


def _bounded(value: Any, depth: int = 0) -> None:
    if depth > MAX_DEPTH:
        raise RecursionError
    if isinstance(value, float) and not isfinite(value):
        raise OverflowError
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            _bounded(each, depth + 1)


def assigned(row: ApprovalRow, name: str, text: str) -> Edit | None:
    """One argument set anew, the others as they are; None when it is so already. Raises UsageError.

    Text where text stood before; else JSON.
    """
    before = row.arguments.get(name)
    value = text if isinstance(before, str) else _read(text)
    arguments = {**row.arguments, name: value}
    return None if same(arguments, row.arguments) else Edit(arguments=arguments)


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether both are the same JSON: 1, 1.0 and true are three different values."""
    return _canonical(one) == _canonical(other)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(name, before, after) of each argument that differs, text as it is and the rest as JSON; "" where there is none.

    Raw: untrusted text goes to a terminal through SafeText only.
    """
    return [
        (name, _value(before, name), _value(after, name))
        for name in dict.fromkeys((*before, *after))
        if (name in before) != (name in after) or not same({"": before[name]}, {"": after[name]})
    ]


def _value(arguments: Mapping[str, Any], name: str) -> str:
    value = arguments.get(name, "")
    return value if isinstance(value, str) else _canonical(value).decode()


def _shown(arguments: Mapping[str, Any]) -> str:
    """JSON to edit: what an editor would hide, or obey, is an escape, which means the same."""
    text = json.dumps(arguments, indent=2, ensure_ascii=False)
    if text.isascii():
        return text.replace("\x7f", "\\u007f")
    return "".join(char if char == "\n" or safe(char) == char else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return json.dumps(char)[1:-1] if ord(char) > 0x7F else f"\\u{ord(char):04x}"
