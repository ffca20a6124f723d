"""The chat-completions wire, both ways and pure: neutral messages to request JSON, streamed chunks to one Answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ..domain.messages import (
    Answer,
    Delta,
    Message,
    ModelRequest,
    Opaque,
    Part,
    Reasoning,
    Stop,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
)
from ..domain.task import Options
from .assembly import count_of, free_id, items_of, mended, object_of, parse_arguments, text_of
from .estimate import request_tokens, text_tokens
from .family import line

FAMILY = "openai-chat"
_STOPS: dict[str, Stop] = {
    "stop": "end",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "filtered",
    "error": "cut",
}


# -- out ---------------------------------------------------------------------------------------------------------


def body_of(
    request: ModelRequest,
    model: str,
    options: Options = Options(),  # noqa: B008 - frozen
    *,
    max_field: str = "max_tokens",
) -> dict[str, Any]:
    """The request's JSON. `max_field` is what this server calls the output limit."""
    body: dict[str, Any] = {
        "model": model,
        "messages": messages_of(request.messages, model),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.tools:
        body["tools"] = [_tool(spec) for spec in sorted(request.tools, key=lambda spec: spec.name)]
        if options.parallel_tools is not None:
            body["parallel_tool_calls"] = options.parallel_tools
    limits = [limit for limit in (request.max_output, options.max_tokens) if limit is not None]
    if limits:
        body[max_field] = min(limits)
    if options.effort:
        body["reasoning_effort"] = options.effort
    if options.seed is not None:
        body["seed"] = options.seed
    if options.temperature is not None:
        body["temperature"] = options.temperature
    return body


def messages_of(messages: Sequence[Message], model: str) -> list[dict[str, Any]]:
    """Neutral messages as the wire has them. Reasoning is left out: this protocol has no way back for it."""
    return [wire for message in messages for wire in _message(message, model)]


def _message(message: Message, model: str) -> Iterator[dict[str, Any]]:
    for part in message.parts:
        if isinstance(part, ToolResult):
            yield {"role": "tool", "tool_call_id": part.id, "content": part.text}
    calls = [_call(call, message.parts, model) for call in message.calls]
    text = message.text
    if calls:
        yield {"role": "assistant", "content": text or None, "tool_calls": calls}
    elif message.role != "tool":
        yield {"role": message.role, "content": text}
    elif text:
        yield {"role": "user", "content": text}


def _call(call: ToolCall, parts: tuple[Part, ...], model: str) -> dict[str, Any]:
    # Servers parse the arguments they get back and refuse the whole request if they cannot: text that was no JSON
    # returns as a JSON object that carries it.
    arguments = {"unparsable_arguments": call.raw} if call.error else call.arguments
    function = {"name": call.name, "arguments": msgspec.json.encode(arguments).decode()}
    extra: dict[str, Any] = {}
    for part in parts:
        if isinstance(part, Opaque) and (part.family, part.model, part.raw.get("call")) == (
            FAMILY,
            line(model),
            call.id,
        ):
            extra = part.raw["extra"]
    return {**extra, "id": call.id, "type": "function", "function": function}


def _tool(spec: ToolSpec) -> dict[str, Any]:
    function = {"name": spec.name, "description": spec.description, "parameters": spec.schema}
    return {"type": "function", "function": function}


# -- in ----------------------------------------------------------------------------------------------------------


class _Slot:
    """One tool call being streamed."""

    def __init__(self, place: int) -> None:
        self.place = place
        self.id = ""
        self.name = ""
        self.pieces: list[str] = []
        self.extra: dict[str, Any] = {}

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
        self._slots: list[_Slot] = []
        self._by_index: dict[int, _Slot] = {}
        self._finish = ""
        self._refused = False
        self._usage: Usage | None = None
        self.begun = False
        """Whether anything of an answer has come."""
        self.size = 0
        """Characters received."""

    def feed(self, chunk: Any) -> Iterator[Delta]:
        """Take one decoded chunk; yield what a watcher may see of it."""
        if not isinstance(chunk, dict):
            return
        self.begun = True
        self._usage = _usage(chunk.get("usage")) or self._usage
        for choice in items_of(chunk.get("choices")):
            if choice.get("index", 0) not in (0, None):
                continue
            self._finish = text_of(choice.get("finish_reason")) or self._finish
            yield from self._delta(object_of(choice, "delta"))

    def _delta(self, delta: dict[str, Any]) -> Iterator[Delta]:
        if thought := text_of(delta.get("reasoning")) or text_of(delta.get("reasoning_content")):
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

    def _fragment(self, fragment: dict[str, Any]) -> str:
        function = object_of(fragment, "function")
        ident, name = text_of(fragment.get("id")), text_of(function.get("name"))
        slot = self._slot(fragment.get("index"), ident, name)
        slot.id = slot.id or ident
        slot.name = slot.name or name
        slot.extra |= {key: value for key, value in fragment.items() if key not in _KNOWN and value is not None}
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
        """The whole answer. Without a finish reason it is "cut", and no call of it is kept: half a call is no call."""
        stop: Stop = _STOPS.get(self._finish, "other") if self._finish else "cut"
        parts: list[Part] = []
        if self._reasoning:
            parts.append(Reasoning(mended("".join(self._reasoning))))
        if self._text:
            parts.append(Text(mended("".join(self._text))))
        if stop != "cut":
            parts.extend(self._calls(stop))
        if stop in ("end", "other") and any(isinstance(part, ToolCall) for part in parts):
            stop = "tool_calls"
        elif stop == "end" and self._refused:
            stop = "filtered"
        return Answer(tuple(parts), self._spent(), stop, self._model, self._usage is not None)

    def _calls(self, stop: Stop) -> Iterator[Part]:
        taken = {call.id for message in self._request.messages for call in message.calls}
        for slot in sorted(self._slots, key=lambda slot: slot.place):
            ident = free_id(mended(slot.id), taken, len(self._request.messages))
            taken.add(ident)
            name = mended(slot.name) or "unnamed"
            raw = mended("".join(slot.pieces))
            arguments, error = parse_arguments(raw)
            if stop == "length" and not raw:
                error = "the output limit cut the call before its arguments"
            yield ToolCall(ident, name, arguments, error, raw if error else "")
            if slot.extra:
                yield Opaque(FAMILY, line(self._model), {"call": ident, "extra": slot.extra})


_KNOWN = frozenset({"index", "id", "type", "function"})


def _usage(wire: Any) -> Usage | None:
    """Usage as reported; None if absent or all zero, as servers without counters send it."""
    if not isinstance(wire, dict):
        return None
    asked, given = object_of(wire, "prompt_tokens_details"), object_of(wire, "completion_tokens_details")
    usage = Usage(
        input=count_of(wire, "prompt_tokens"),
        output=count_of(wire, "completion_tokens"),
        cache_read=count_of(asked, "cached_tokens"),
        cache_write=count_of(asked, "cache_write_tokens"),
        reasoning=count_of(given, "reasoning_tokens"),
    )
    return usage if usage.total else None
