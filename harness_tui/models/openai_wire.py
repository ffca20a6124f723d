"""The chat-completions wire, both ways and pure: neutral messages to request JSON, streamed chunks to one Answer."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
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
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


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
        for choice in _items(chunk.get("choices")):
            if choice.get("index", 0) not in (0, None):
                continue
            self._finish = _said(choice.get("finish_reason")) or self._finish
            yield from self._delta(_object(choice, "delta"))

    def _delta(self, delta: dict[str, Any]) -> Iterator[Delta]:
        if thought := _said(delta.get("reasoning")) or _said(delta.get("reasoning_content")):
            self._reasoning.append(thought)
            yield self._seen(thought, Delta(_mended(thought), "reasoning"))
        refusal = _said(delta.get("refusal"))
        self._refused = self._refused or bool(refusal)
        if text := _said(delta.get("content")) + refusal:
            self._text.append(text)
            yield self._seen(text, Delta(_mended(text)))
        for fragment in _items(delta.get("tool_calls")):
            if piece := self._fragment(fragment):
                yield self._seen(piece, Delta(_mended(piece), "tool"))

    def _seen(self, text: str, delta: Delta) -> Delta:
        self.size += len(text)
        return delta

    def _fragment(self, fragment: dict[str, Any]) -> str:
        function = _object(fragment, "function")
        ident, name = _said(fragment.get("id")), _said(function.get("name"))
        slot = self._slot(fragment.get("index"), ident, name)
        slot.id = slot.id or ident
        slot.name = slot.name or name
        slot.extra |= {key: value for key, value in fragment.items() if key not in _KNOWN and value is not None}
        piece = function.get("arguments")
        if isinstance(piece, dict | list):
            piece = msgspec.json.encode(piece).decode()
        piece = _said(piece)
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
            parts.append(Reasoning(_mended("".join(self._reasoning))))
        if self._text:
            parts.append(Text(_mended("".join(self._text))))
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
            ident = _free_id(_mended(slot.id), taken, len(self._request.messages))
            taken.add(ident)
            name = _mended(slot.name) or "unnamed"
            raw = _mended("".join(slot.pieces))
            arguments, error = parse_arguments(raw)
            if stop == "length" and not raw:
                error = "the output limit cut the call before its arguments"
            yield ToolCall(ident, name, arguments, error, raw if error else "")
            if slot.extra:
                yield Opaque(FAMILY, line(self._model), {"call": ident, "extra": slot.extra})


_KNOWN = frozenset({"index", "id", "type", "function"})


def parse_arguments(raw: str) -> tuple[dict[str, Any], str]:
    """Return (arguments, error). No text at all and `null` mean a call without arguments."""
    if not raw.strip():
        return {}, ""
    try:
        value = msgspec.json.decode(raw)
    except RecursionError:
        return {}, "the arguments are nested too deeply"
    except (msgspec.DecodeError, ValueError) as error:
        return {}, f"the arguments are not JSON: {error}"
    if value is None:
        return {}, ""
    if not isinstance(value, dict):
        return {}, f"the arguments must be a JSON object, not {_JSON_NAMES.get(type(value), 'a value')}"
    return value, ""


_JSON_NAMES = {list: "an array", str: "a string", int: "a number", float: "a number", bool: "a boolean"}


def _free_id(ident: str, taken: Collection[str], turn: int) -> str:
    """`ident` if it is new in the conversation, else a deterministic one: results are paired with calls by id."""
    if ident and ident not in taken:
        return ident
    number = 0
    while (made := f"{ident or 'call'}_{turn}_{number}") in taken:
        number += 1
    return made


def _said(value: Any) -> str:
    """Text of a field that may be absent, null or, as some servers have it, a list of typed pieces."""
    if isinstance(value, str):
        return value
    return "".join(_said(piece.get("text")) for piece in _items(value))


def _items(value: Any) -> list[dict[str, Any]]:
    """The objects of a list that may be absent, null or something else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _object(wire: dict[str, Any], key: str) -> dict[str, Any]:
    value = wire.get(key)
    return value if isinstance(value, dict) else {}


def _mended(text: str) -> str:
    """Join surrogate pairs that came as two escapes; a lone half becomes U+FFFD, for it can never be written down."""
    if not _LONE_SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _usage(wire: Any) -> Usage | None:
    """Usage as reported; None if absent or all zero, as servers without counters send it."""
    if not isinstance(wire, dict):
        return None
    asked, given = _object(wire, "prompt_tokens_details"), _object(wire, "completion_tokens_details")
    usage = Usage(
        input=_count(wire, "prompt_tokens"),
        output=_count(wire, "completion_tokens"),
        cache_read=_count(asked, "cached_tokens"),
        cache_write=_count(asked, "cache_write_tokens"),
        reasoning=_count(given, "reasoning_tokens"),
    )
    return usage if usage.total else None


def _count(wire: dict[str, Any], key: str) -> int:
    value = wire.get(key)
    return max(0, int(value)) if isinstance(value, int | float) and value == value and abs(value) < 1e15 else 0
