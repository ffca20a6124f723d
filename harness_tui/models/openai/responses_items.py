"""Output items of the responses wire, pure: what of them is text, and whether they must go back as they came."""

from __future__ import annotations

import json
from typing import Any, Literal

from ..assembly import items_of, text_of
from ..estimate import text_tokens

FIELDS: dict[str, tuple[str, Literal["text", "reasoning", "tool"]]] = {
    "output_text": ("message", "text"),
    "refusal": ("message", "text"),
    "summary_text": ("reasoning", "reasoning"),
    "reasoning_text": ("reasoning", "reasoning"),
    "arguments": ("function_call", "tool"),
}
"""Field: (the item it is of, how it is shown)"""

_NEUTRAL = frozenset({"type", "id", "status", "call_id", "name", "arguments"})
"""Keys of a call that its neutral form carries, or that mean nothing to a server without memory."""


class Item:
    """One output item being streamed.

    Attributes:
        wire: the item as last sent.
        whole: whether the server has sent it finished.
        pieces: (field, number) of its texts: what came of them.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.wire: dict[str, Any] = {}
        self.whole = False
        self.pieces: dict[tuple[str, int], list[str]] = {}

    def text(self, field: str) -> str:
        """All that came of one text."""
        return _joined(field, ["".join(self.pieces[key]) for key in sorted(self.pieces) if key[0] == field])

    @property
    def begun(self) -> bool:
        """Whether there is anything of it; some servers open a message and then only make calls."""
        return bool(self.pieces) or self.kind == "function_call"

    @property
    def tokens(self) -> int:
        return text_tokens(text_of(self.wire.get("name"))) + sum(text_tokens(self.text(field)) for field in FIELDS)

    @property
    def faithful(self) -> bool:
        """Whether `wire` says all that was streamed, so that it can go back in place of it."""
        return self.whole and texts_of(self.wire) == {field: text for field in FIELDS if (text := self.text(field))}

    @property
    def more(self) -> bool:
        """Whether the item has something that its neutral part has not and that a server takes back."""
        match self.kind:
            case "message":
                return bool(self.wire.get("phase"))
            case "function_call":
                return any(value for key, value in self.wire.items() if key not in _NEUTRAL)
            case "reasoning":
                return travels(self.wire)
            case _:
                return True


def travels(reasoning: dict[str, Any]) -> bool:
    """Whether a reasoning item says something by itself: a server that stores nothing does not find it by its id."""
    return bool(reasoning.get("encrypted_content") or items_of(reasoning.get("content")))


def texts_of(wire: dict[str, Any]) -> dict[str, str]:
    """The texts of an item by field, those that are not empty."""
    found: dict[str, list[str]] = {}
    for part in (*items_of(wire.get("summary")), *items_of(wire.get("content"))):
        found.setdefault(text_of(part.get("type")), []).append(part_text(part))
    arguments = wire.get("arguments")
    found["arguments"] = [json.dumps(arguments) if isinstance(arguments, dict) else text_of(arguments)]
    own = [field for field, (kind, _) in FIELDS.items() if kind == wire.get("type")]
    return {field: text for field in own if (text := _joined(field, found.get(field, [])))}


def part_text(part: dict[str, Any]) -> str:
    """The text of one part of a message."""
    return text_of(part.get("refusal" if part.get("type") == "refusal" else "text"))


def _joined(field: str, parts: list[str]) -> str:
    """Texts of one field; summaries are paragraphs of their own."""
    return ("\n\n" if field == "summary_text" else "").join(part for part in parts if part)
