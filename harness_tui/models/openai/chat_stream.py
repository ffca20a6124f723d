"""The chat-completions wire, inwards and pure: streamed chunks, or one whole answer, to one Answer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec

from ...domain.messages import Answer, Delta, ModelRequest, Opaque, Part, Reasoning, Stop, Text, ToolCall, Usage
from ...domain.money import from_usd
from ..assembly import free_id, items_of, mended, object_of, parse_arguments, text_of
from ..estimate import request_tokens, text_tokens
from ..family import Refused, line
from .chat_wire import FAMILY
from .usage import usage_of

_STOPS: dict[str, Stop] = {
    "stop": "end",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "filtered",
    "sensitive": "filtered",
    "refusal": "refusal",
    "context_length_exceeded": "context_full",
    "context_window_exceeded": "context_full",
    "model_context_window_exceeded": "context_full",
    "model_length": "context_full",
    "abort": "cut",
    "error": "cut",
    "insufficient_system_resource": "cut",
}
_KNOWN = frozenset({"index", "id", "type", "function"})
_KNOWN_FUNCTION = frozenset({"name", "arguments"})
_THOUGHTS = ("reasoning", "reasoning_content")
_MAX_USD = 1e6
"""Dollars; no call costs more, and a sum must fit where it is written down."""


class _Slot:
    """One tool call being streamed."""

    def __init__(self, place: int) -> None:
        self.place = place
        self.id = ""
        self.name = ""
        self.pieces: list[str] = []
        self.extra: dict[str, Any] = {}
        self.function: dict[str, Any] = {}

    @property
    def tokens(self) -> int:
        return text_tokens(self.name) + text_tokens("".join(self.pieces))


class ChatAssembly:
    """Chunks in, deltas out, one Answer at the end. Tolerates what compatible servers really send."""

    def __init__(self, request: ModelRequest, model: str) -> None:
        self._request = request
        self._model = model
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._thought_field = ""
        self._details: list[dict[str, Any]] = []
        self._slots: list[_Slot] = []
        self._by_index: dict[int, _Slot] = {}
        self._finish = ""
        self._refused = False
        self._usage: Usage | None = None
        self._usd: int | None = None
        self.begun = False
        """Whether anything of an answer has come."""
        self.size = 0
        """Characters received."""

    def feed(self, chunk: Any) -> Iterator[Delta]:
        """Take one decoded chunk; yield what a watcher may see of it. Raises Refused for an error inside a choice."""
        if not isinstance(chunk, dict):
            return
        self.begun = True
        self._usage = usage_of(chunk.get("usage"), "prompt", "completion") or self._usage
        self._usd = _cost(object_of(chunk, "usage"), self._usd)
        for choice in items_of(chunk.get("choices")):
            if choice.get("index", 0) not in (0, None):
                continue
            if error := object_of(choice, "error"):
                raise Refused(200, {}, error)
            self._finish = text_of(choice.get("finish_reason")) or self._finish
            yield from self._delta(object_of(choice, "delta") or object_of(choice, "message"))

    def _delta(self, delta: dict[str, Any]) -> Iterator[Delta]:
        for detail in items_of(delta.get("reasoning_details")):
            self._detail(detail)
        field = next((name for name in _THOUGHTS if text_of(delta.get(name))), "")
        if field:
            thought = text_of(delta[field])
            self._thought_field = self._thought_field or field
            self._reasoning.append(thought)
            yield self._seen(thought, Delta(mended(thought), "reasoning"))
        refusal = text_of(delta.get("refusal"))
        self._refused = self._refused or bool(refusal)
        if text := text_of(delta.get("content")) + refusal:
            self._text.append(text)
            yield self._seen(text, Delta(mended(text)))
        for fragment in items_of(delta.get("tool_calls")):
            if piece := self._fragment(fragment):
                yield self._seen(piece, Delta(mended(piece), "tool"))

    def _seen(self, text: str, delta: Delta) -> Delta:
        self.size += len(text)
        return delta

    def _detail(self, detail: dict[str, Any]) -> None:
        """Keep a typed piece of reasoning in its place; running text of one piece comes in fragments."""
        self.size += sum(len(value) for value in detail.values() if isinstance(value, str))
        last = self._details[-1] if self._details else {}
        same = all(last.get(key) == detail.get(key) for key in ("type", "index"))
        running = next((key for key in ("text", "summary") if isinstance(detail.get(key), str)), "")
        if not (same and running and isinstance(last.get(running), str)):
            self._details.append(dict(detail))
            return
        said = {key: value for key, value in detail.items() if value is not None}
        last |= said | {running: last[running] + detail[running]}

    def _fragment(self, fragment: dict[str, Any]) -> str:
        function = object_of(fragment, "function")
        ident, name = text_of(fragment.get("id")), text_of(function.get("name"))
        slot = self._slot(fragment.get("index"), ident, name)
        slot.id = slot.id or ident
        slot.name = slot.name or name
        slot.extra |= {key: value for key, value in fragment.items() if key not in _KNOWN and value is not None}
        slot.function |= {k: value for k, value in function.items() if k not in _KNOWN_FUNCTION and value is not None}
        piece = function.get("arguments")
        if isinstance(piece, dict | list):
            piece = msgspec.json.encode(piece).decode()
        piece = text_of(piece)
        slot.pieces.append(piece)
        return piece

    def _slot(self, index: Any, ident: str, name: str) -> _Slot:
        """Merge by index. Some servers number every call 0 or not at all: another id with a name is another call."""
        known = self._by_index.get(index) if isinstance(index, int) else (self._slots[-1] if self._slots else None)
        if known is None or (ident and name and known.id and known.id != ident):
            known = _Slot(index if isinstance(index, int) else len(self._slots))
            self._slots.append(known)
        if isinstance(index, int):
            self._by_index[index] = known
        return known

    @property
    def spent(self) -> int:
        """Tokens the call has cost so far: as reported, else as estimated; 0 before anything came."""
        return self._spent().total if self.begun else 0

    def _spent(self) -> Usage:
        said = text_tokens("".join(self._reasoning)) + text_tokens("".join(self._text))
        output = said + sum(slot.tokens for slot in self._slots)
        return self._usage or Usage(request_tokens(self._request), output)

    def answer(self) -> Answer:
        """The whole answer.

        Without a finish reason it is "cut". Then no call of it is kept, nor of one the server broke off by its rules:
        half a call is no call.
        """
        stop: Stop = _STOPS.get(self._finish, "other") if self._finish else "cut"
        calls = [] if stop in ("cut", "filtered", "refusal") else list(self._calls(stop))
        thoughts, text = mended("".join(self._reasoning)), mended("".join(self._text))
        notes: tuple[str, ...] = ()
        if stop in ("end", "other") and thoughts.strip() and not (text.strip() or calls):
            thoughts, text = "", thoughts
            notes = ("The model gave nothing but its reasoning; it is taken as the answer.",)
        said: list[Part] = [Reasoning(thoughts)] if thoughts else []
        said += [Text(text)] if text else []
        if stop in ("end", "other") and calls:
            stop = "tool_calls"
        elif stop == "end" and self._refused:
            stop = "filtered"
        kept = self._kept(bool(calls))
        return Answer(
            (*said, *kept, *calls),
            self._spent(),
            stop,
            self._model,
            self._usage is not None,
            self._usd,
            "unknown" if self._usd is None else "reported",
            notes,
        )

    def _kept(self, called: bool) -> Iterator[Part]:
        """What the server wants back of its reasoning: typed pieces always, plain text with the calls it led to."""
        if self._details:
            yield Opaque(FAMILY, line(self._model), {"message": {"reasoning_details": _storable(self._details)}})
        elif self._reasoning and called:
            yield Opaque(FAMILY, line(self._model), {"reasoning": self._thought_field})

    def _calls(self, stop: Stop) -> Iterator[Part]:
        taken = {call.id for message in self._request.messages for call in message.calls}
        for slot in sorted(self._slots, key=lambda slot: slot.place):
            ident = free_id(mended(slot.id), taken, len(self._request.messages))
            taken.add(ident)
            name = mended(slot.name) or "unnamed"
            raw = mended("".join(slot.pieces))
            arguments, error = parse_arguments(raw)
            if stop in ("length", "context_full") and not raw:
                error = "the output limit cut the call before its arguments"
            yield ToolCall(ident, name, arguments, error, raw if error else "")
            if slot.extra or slot.function:
                kept = {"call": ident, "extra": _storable(slot.extra), "function": _storable(slot.function)}
                yield Opaque(FAMILY, line(self._model), {key: value for key, value in kept.items() if value})


def _storable(value: Any) -> Any:
    """Wire JSON that can be written down: no lone surrogates in it, however deep."""
    match value:
        case str():
            return mended(value)
        case list():
            return [_storable(item) for item in value]
        case dict():
            return {mended(key): _storable(item) for key, item in value.items()}
        case float() if not math.isfinite(value):
            return None
        case _:
            return value


def _cost(usage: dict[str, Any], before: int | None) -> int | None:
    """Nano-dollars of `usage.cost`, as gateways report it; with a key of one's own what the provider takes as well."""
    parts = [usage.get("cost")]
    if usage.get("is_byok") is True:
        parts.append(object_of(usage, "cost_details").get("upstream_inference_cost") or 0)
    costs = [float(part) for part in parts if isinstance(part, int | float) and not isinstance(part, bool)]
    if len(costs) < len(parts) or not all(0 <= cost <= _MAX_USD for cost in costs):
        return before
    return sum(map(from_usd, costs))
