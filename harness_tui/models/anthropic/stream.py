"""The Anthropic Messages wire inward, pure: stream events to deltas and one Answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from ...domain.messages import Answer, Delta, ModelRequest, Opaque, Part, Reasoning, Stop, Text, ToolCall, Usage
from ...domain.safetext import clip
from ..assembly import count_of, free_id, items_of, mended, object_of, parse_arguments
from ..estimate import request_tokens, text_tokens
from ..family import Refused, line
from .wire import FAMILY, error_of, tool_use

_STOPS: dict[str, Stop] = {
    "end_turn": "end",
    "stop_sequence": "end",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "pause_turn": "paused",
    "refusal": "refusal",
    "model_context_window_exceeded": "context_full",
}
_UNKEPT = ("cut", "refusal")
_COUNTERS = frozenset({"input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"})
_KIND_OF = {"text_delta": "text", "thinking_delta": "thinking"}


class _Block:
    """One content block being streamed; `wire` is its start, which what follows completes."""

    def __init__(self, wire: dict[str, Any]) -> None:
        self.wire = _storable(wire)
        self.kind: str = wire["type"]
        self.pieces: list[str] = []

    def add(self, delta: dict[str, Any]) -> Delta | None:
        """Take one delta; return what a watcher may see of it."""
        match delta:
            case {"type": "text_delta", "text": str(piece)} if self.kind == "text":
                shown = Delta(mended(piece))
            case {"type": "thinking_delta", "thinking": str(piece)} if self.kind == "thinking":
                shown = Delta(mended(piece), "reasoning")
            case {"type": "input_json_delta", "partial_json": str(piece)} if self.kind not in _KIND_OF.values():
                shown = Delta(mended(piece), "tool")
            case {"type": "signature_delta", "signature": str(signature)}:
                self.wire["signature"] = mended(signature)
                return None
            case {"type": "citations_delta", "citation": dict(citation)}:
                self.wire["citations"] = [*(self.wire.get("citations") or ()), _storable(citation)]
                return None
            case _:
                return None
        self.pieces.append(piece)
        return shown if piece else None

    @property
    def said(self) -> str:
        return mended("".join(self.pieces))

    @property
    def tokens(self) -> int:
        return text_tokens(self.said) + text_tokens(str(self.wire.get("name", "")))

    def call(self, ident: str, cut: bool) -> ToolCall:
        given = self.wire.get("input")
        raw = self.said or (json.dumps(given) if given else "")
        arguments, error = parse_arguments(raw)
        if cut and not raw:
            error = "the output limit cut the call before its arguments"
        return ToolCall(ident, str(self.wire.get("name") or "unnamed"), arguments, error, raw if error else "")

    def sent_back(self) -> dict[str, Any] | None:
        """The finished block as the server wants it again; None for what it would refuse: no text, no signature."""
        match self.kind:
            case "text":
                return {**self.wire, "text": self.said} if self.said.strip() else None
            case "thinking":
                return {**self.wire, "thinking": self.said} if self.wire.get("signature") else None
            case _ if self.pieces:
                return {**self.wire, "input": parse_arguments(self.said)[0]}
            case _:
                return self.wire

    @property
    def lossy(self) -> bool:
        """Whether neutral parts say less than this block."""
        match self.kind:
            case "text":
                return bool(self.wire.get("citations"))
            case "thinking":
                return bool(self.wire.get("signature"))
            case _:
                return self.kind != "tool_use"


class MessagesAssembly:
    """Events in, deltas out, one Answer at the end. Tolerates what compatible servers really send."""

    def __init__(self, request: ModelRequest, model: str) -> None:
        self._request = request
        self._model = model
        self._blocks: list[_Block] = []
        self._by_index: dict[int, _Block] = {}
        self._finish = ""
        self._details: dict[str, Any] = {}
        self._counts: dict[str, Any] = {}
        self._counted = False
        self.begun = False
        """Whether anything of an answer has come."""
        self.size = 0
        """Characters received."""

    def feed(self, event: Any) -> Iterator[Delta]:
        """Take one decoded event; yield what a watcher may see of it. Raises Refused for an `error` event."""
        match event:
            case {"type": "message_start"}:
                self.begun = True
                self._count(object_of(object_of(event, "message"), "usage"))
            case {"type": "content_block_start", "content_block": dict(wire)}:
                self.begun = True
                yield from self._start(event.get("index"), wire)
            case {"type": "content_block_delta", "delta": dict(delta)}:
                self.begun = True
                if (block := self._open(event.get("index"), delta)) is not None:
                    yield from self._delta(block, delta)
            case {"type": "message_delta"}:
                self.begun = True
                delta = object_of(event, "delta")
                self._finish = str(delta.get("stop_reason") or self._finish)
                self._details = object_of(delta, "stop_details") or self._details
                self._counted = self._count(object_of(event, "usage")) or self._counted
            case {"type": "message"}:  # a server that does not stream
                self.begun = True
                for wire in items_of(event.get("content")):
                    yield from self._start(None, wire)
                yield from self.feed({"type": "message_delta", "delta": event, "usage": event.get("usage")})
            case {"type": "error"} | {"error": dict()}:
                ident = event.get("request_id")
                raise Refused(200, {"request-id": ident} if isinstance(ident, str) else {}, error_of(event))

    def _start(self, index: Any, wire: dict[str, Any]) -> Iterator[Delta]:
        if isinstance(kind := wire.get("type"), str):
            block = self._begin(index, wire)
            if kind in _KIND_OF.values():
                yield from self._delta(block, {"type": f"{kind}_delta", kind: wire.get(kind)})

    def _begin(self, index: Any, wire: dict[str, Any]) -> _Block:
        """A new block. Some servers number every block 0, or none: what follows is of the latest with its number."""
        block = _Block(wire)
        self._blocks.append(block)
        if isinstance(index, int):
            self._by_index[index] = block
        return block

    def _open(self, index: Any, delta: dict[str, Any]) -> _Block | None:
        """The block a delta belongs to. Where its start is missing it gets one, if that can do without a name."""
        known = self._by_index.get(index) if isinstance(index, int) else next(reversed(self._blocks), None)
        kind = _KIND_OF.get(str(delta.get("type")))
        if known is None and kind is not None:
            known = self._begin(index, {"type": kind})
        return known

    def _delta(self, block: _Block, delta: dict[str, Any]) -> Iterator[Delta]:
        if shown := block.add(delta):
            self.size += len(shown.text)
            yield shown

    def _count(self, usage: dict[str, Any]) -> bool:
        """Take counters, which only ever grow; whether there were any."""
        for key in _COUNTERS & usage.keys():
            self._counts[key] = max(count_of(self._counts, key), count_of(usage, key))
        thought = count_of(object_of(usage, "output_tokens_details"), "thinking_tokens")
        self._counts["thinking_tokens"] = max(count_of(self._counts, "thinking_tokens"), thought)
        return "output_tokens" in usage

    @property
    def spent(self) -> int:
        """Tokens the call has cost so far: as reported, else as estimated; 0 before anything came."""
        return self._spent()[0].total if self.begun else 0

    def _spent(self) -> tuple[Usage, bool]:
        """(usage, whether all of it was reported). The first count of the output is none: it came before the answer."""
        counts = self._counts
        read, written = count_of(counts, "cache_read_input_tokens"), count_of(counts, "cache_creation_input_tokens")
        asked = count_of(counts, "input_tokens") + read + written
        told = count_of(counts, "output_tokens")
        estimated = sum(block.tokens for block in self._blocks)
        reported = bool(asked) and self._counted and bool(told or not estimated)
        output = told if self._counted and told else max(told, estimated)
        thought = count_of(counts, "thinking_tokens")
        return Usage(asked or request_tokens(self._request), output, read, written, thought), reported

    def answer(self) -> Answer:
        """The whole answer. "cut" without a stop reason; then, and in a refusal, no call is kept: it may be a half."""
        stop: Stop = _STOPS.get(self._finish, "other") if self._finish else "cut"
        parts, content = self._parts(stop)
        if stop in ("end", "other") and any(isinstance(part, ToolCall) for part in parts):
            stop = "tool_calls"
        if content and stop not in _UNKEPT and any(block.lossy for block in self._blocks):
            parts.append(Opaque(FAMILY, line(self._model), {"content": content}))
        usage, reported = self._spent()
        return Answer(tuple(parts), usage, stop, self._model, reported, notes=self._notes(stop))

    def _parts(self, stop: Stop) -> tuple[list[Part], list[dict[str, Any]]]:
        """(neutral parts, the same as the server's own content)."""
        taken = {call.id for message in self._request.messages for call in message.calls}
        parts: list[Part] = []
        content: list[dict[str, Any]] = []
        for block in self._blocks:
            if block.kind == "tool_use":
                if stop in _UNKEPT:
                    continue
                ident = free_id(str(block.wire.get("id") or ""), taken, len(self._request.messages))
                taken.add(ident)
                call = block.call(ident, cut=stop in ("length", "context_full") and block is self._blocks[-1])
                parts.append(call)
                content.append({**block.wire, **tool_use(call)})
                continue
            if block.kind == "text" and block.said:
                parts.append(Text(block.said))
            elif block.kind == "thinking" and block.said:
                parts.append(Reasoning(block.said))
            if (back := block.sent_back()) is not None:
                content.append(back)
        return parts, content

    def _notes(self, stop: Stop) -> tuple[str, ...]:
        told = [mended(said) for key in ("category", "explanation") if isinstance(said := self._details.get(key), str)]
        if stop != "refusal" or not told:
            return ()
        return (f"The provider's reason: {clip(' '.join(': '.join(told).split()), 300).rstrip('.')}.",)


def _storable(wire: dict[str, Any]) -> dict[str, Any]:
    """JSON of a server as the journal can keep it: no lone surrogates, no numbers JSON has not. Raises ValueError."""
    kept: dict[str, Any] = msgspec.json.decode(mended(json.dumps(wire, ensure_ascii=False)))
    return kept
