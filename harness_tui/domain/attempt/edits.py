"""What a model is told of a call whose arguments the operator changed: else it would believe that its own ran."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from ..editing import changes
from ..events import Carried
from ..messages import Message
from .state import Call

SHOWN = 2000
"""Characters of changed arguments a result is headed with."""

_encode = msgspec.json.Encoder().encode


def told(at: Call, text: str) -> str:
    """What came of a call as its model reads it."""
    if at.original is None or not at.changed:
        return text
    before, after = at.original.arguments, at.call.arguments
    names = [name for name, _, _ in changes(before, after)]
    new = _shown({name: after[name] for name in names if name in after})
    gone = [name for name in names if name not in after]
    without = f", and took out {', '.join(gone)}" if gone else ""
    return f"The operator changed the arguments of this call to {new}{without}. What follows is about that.\n{text}"


def handed_over(carried: Iterable[Carried]) -> list[tuple[str, Message]]:
    """What an attempt is told of calls the operator changed and approved when the one before had lost its world."""
    return [
        ("recovery", Message.say("user", _approved(each))) for each in carried if each.arguments and not each.happened
    ]


def _approved(each: Carried) -> str:
    given = _encode(each.arguments).decode()
    return (
        f"The operator changed a call you asked for, and approved it so: {each.tool} {given}\n"
        "When you come to it, ask for exactly this. Anything else in its place has to be approved anew."
    )


def _shown(arguments: dict[str, Any]) -> str:
    text = _encode(arguments).decode()
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} [{len(text) - SHOWN} characters more]"
