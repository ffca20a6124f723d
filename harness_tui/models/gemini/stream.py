"""The Gemini wire inward, pure: streamed responses to one Answer."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import msgspec

from ...domain.messages import Answer, Delta, ModelRequest, Opaque, Part, Reasoning, Stop, Text, ToolCall, Usage
from ...domain.safetext import clip
from ..assembly import count_of, free_id, items_of, mended, object_of, parse_arguments, text_of
from ..estimate import request_tokens, text_tokens
from ..family import Refused
from .wire import FAMILY, Wire, functions_in, model_line, spoken

_FILTERED = frozenset(
    {
        "BLOCKLIST",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "IMAGE_SAFETY",
        "LANGUAGE",
        "MODEL_ARMOR",
        "PROHIBITED_CONTENT",
        "RECITATION",
        "SAFETY",
        "SPII",
    }
)
_FAULTY = frozenset(
    {
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE",
        "TOO_MANY_TOOL_CALLS",
        "UNEXPECTED_TOOL_CALL",
    }
)
"""Reasons after which a call of the answer is not made."""

_SAYING = frozenset({"candidates", "error", "promptFeedback", "usageMetadata"})
"""What a response has one of; JSON without any is something else."""


def events_in(value: Any) -> list[Wire]:
    """The responses in JSON that came all at once: an array of them, or one."""
    return [event for event in items_of(value if isinstance(value, list) else [value]) if _SAYING & event.keys()]


class GeminiAssembly:
    """Responses in, deltas out, one Answer at the end.

    The model's parts are kept as they came, chunk by chunk: a signature belongs to the very part it came on.
    """

    def __init__(self, request: ModelRequest, model: str) -> None:
        self._request = request
        self._model = model
        self._parts: list[Wire] = []
        self._reason = ""
        self._told = ""
        self._blocked = ""
        self._usage: Usage | None = None
        self.begun = False
        """Whether anything of an answer has come."""
        self.size = 0
        """Characters received."""

    def feed(self, event: Any) -> Iterator[Delta]:
        """Take one decoded response; yield what a watcher may see of it. Raises Refused."""
        if not isinstance(event, dict):
            return
        if event.get("error"):
            raise Refused(200, {}, event["error"])
        self.begun = self.begun or not _SAYING.isdisjoint(event)
        self._usage = _usage(object_of(event, "usageMetadata")) or self._usage
        feedback = object_of(event, "promptFeedback")
        self._blocked = text_of(feedback.get("blockReason")) or self._blocked
        self._told = text_of(feedback.get("blockReasonMessage")) or self._told
        for candidate in items_of(event.get("candidates")):
            if candidate.get("index", 0) not in (0, None):
                continue
            self._reason = text_of(candidate.get("finishReason")) or self._reason
            self._told = text_of(candidate.get("finishMessage")) or self._told
            for part in items_of(object_of(candidate, "content").get("parts")):
                yield from self._part(part)

    def _part(self, part: Wire) -> Iterator[Delta]:
        text, call = text_of(part.get("text")), object_of(part, "functionCall")
        if not (text or any(part[key] for key in part.keys() - {"text", "thought"})):
            return
        self._parts.append(part)
        self.size += len(json.dumps(part, ensure_ascii=False))
        if piece := text or (json.dumps(call["args"], ensure_ascii=False) if call.get("args") else ""):
            yield Delta(mended(piece), "tool" if not text else "reasoning" if part.get("thought") else "text")

    @property
    def spent(self) -> int:
        """Tokens the call has cost so far: as reported, else as estimated; 0 before anything came."""
        return self._spent().total if self.begun else 0

    def _spent(self) -> Usage:
        said = "".join(text_of(part.get("text")) for part in self._parts)
        called = "".join(map(json.dumps, functions_in(self._parts)))
        return self._usage or Usage(request_tokens(self._request), text_tokens(said) + text_tokens(called))

    def answer(self) -> Answer:
        """The whole answer. Calls are kept only of an answer that ended, and that its provider finds no fault with."""
        stop, note = self._stop()
        sound = stop not in ("cut", "filtered") and self._reason not in _FAULTY
        parts = list(self._neutral(with_calls=sound))
        if sound:
            calls = [part for part in parts if isinstance(part, ToolCall)]
            parts += self._verbatim(calls)
            stop = "tool_calls" if calls and stop in ("end", "other") else stop
        return Answer(
            tuple(parts), self._spent(), stop, self._model, self._usage is not None, notes=(note,) if note else ()
        )

    def _stop(self) -> tuple[Stop, str]:
        told = f": {clip(mended(self._told), 200).rstrip('.')}." if self._told else "."
        if self._blocked:
            return "filtered", f"The prompt was blocked, {clip(mended(self._blocked), 40)}{told}"
        match self._reason:
            case "" | "FINISH_REASON_UNSPECIFIED":
                return "cut", ""
            case "STOP" | "FUNCTION_CALL":  # the latter of some servers that only speak like it
                return "end", ""
            case "MAX_TOKENS":
                return "length", ""
            case reason:
                stop: Stop = "filtered" if reason in _FILTERED else "other"
                return stop, f"The provider ended the answer with {clip(mended(reason), 40)}{told}"

    def _neutral(self, *, with_calls: bool) -> Iterator[Part]:
        """The parts in their order, texts of one kind that follow each other as one."""
        taken = {call.id for message in self._request.messages for call in message.calls}
        for kind, run in groupby(self._parts, key=_kind):
            if kind is not ToolCall:
                text = "".join(text_of(part.get("text")) for part in run)
                if text:
                    yield Reasoning(mended(text)) if kind is Reasoning else Text(mended(text))
            elif with_calls:
                for function in functions_in(list(run)):
                    ident = free_id(mended(text_of(function.get("id"))), taken, len(self._request.messages))
                    taken.add(ident)
                    raw = json.dumps(function.get("args"))
                    arguments, error = parse_arguments(raw)
                    name = mended(text_of(function.get("name"))) or "unnamed"
                    yield ToolCall(ident, name, arguments, error, raw if error else "")

    def _verbatim(self, calls: Sequence[ToolCall]) -> Iterator[Opaque]:
        """The parts as they came, when the neutral ones lose something of them and they can be sent again."""
        rebuilt = functions_in([wire for call in calls for wire in spoken(call)])
        plain = all(part.keys() <= {"text", "thought", "functionCall"} for part in self._parts)
        if plain and rebuilt == functions_in(self._parts):
            return
        if all(
            not call.error and call.name == function.get("name")
            for call, function in zip(calls, functions_in(self._parts), strict=True)
        ):
            with contextlib.suppress(ValueError, RecursionError):
                parts = msgspec.json.decode(json.dumps(self._parts))
                yield Opaque(FAMILY, model_line(self._model), {"parts": parts})


def _kind(part: Wire) -> type[Text] | type[Reasoning] | type[ToolCall]:
    if object_of(part, "functionCall"):
        return ToolCall
    return Reasoning if part.get("thought") else Text


def _usage(wire: Wire) -> Usage | None:
    """Usage as reported; None if absent or all zero. On this wire input includes cached tokens, output no thoughts."""
    thoughts = count_of(wire, "thoughtsTokenCount")
    usage = Usage(
        input=count_of(wire, "promptTokenCount") + count_of(wire, "toolUsePromptTokenCount"),
        output=count_of(wire, "candidatesTokenCount") + thoughts,
        cache_read=count_of(wire, "cachedContentTokenCount"),
        reasoning=thoughts,
    )
    return usage if usage.total else None
