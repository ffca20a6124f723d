"""The responses wire inward, pure: typed stream events to one Answer. Tolerates what compatible servers really send."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

import msgspec

from ...domain.messages import Answer, Delta, Mark, ModelRequest, Opaque, Part, Reasoning, Stop, Text, ToolCall, Usage
from ...domain.money import from_usd
from ..assembly import count_of, free_id, items_of, mended, object_of, parse_arguments, text_of
from ..estimate import request_tokens
from ..family import Refused, line
from .responses_items import FIELDS, Item, part_text, texts_of
from .responses_wire import FAMILY
from .usage import usage_of

ENDS = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})
"""Events after which nothing more of an answer comes."""

_PIECES = {
    "response.output_text": ("output_text", "content_index", "text"),
    "response.refusal": ("refusal", "content_index", "refusal"),
    "response.reasoning_summary_text": ("summary_text", "summary_index", "text"),
    "response.reasoning_text": ("reasoning_text", "content_index", "text"),
    "response.function_call_arguments": ("arguments", "content_index", "arguments"),
}
"""Events that come as `.delta` and `.done`: (field, where its number is, where `.done` has the whole)"""

_STATUSES = frozenset({"completed", "incomplete", "failed", "cancelled"})
_REASONS: dict[str, Stop] = {"max_output_tokens": "length", "": "length", "content_filter": "filtered"}
"""Why a response is incomplete; no word of it means the usual reason."""


class ResponsesAssembly:
    """Events in, deltas out, one Answer at the end.

    A text given in full counts, whatever was streamed of it before; what was not streamed of it is shown then.
    """

    def __init__(self, request: ModelRequest, model: str) -> None:
        self._request = request
        self._model = model
        self._items: list[Item] = []
        self._by: dict[str | int, Item] = {}
        self._status = ""
        self._reason = ""
        self._usage: Usage | None = None
        self._usd: int | None = None
        self.size = 0
        """Characters received."""

    @property
    def begun(self) -> bool:
        """Whether anything of an answer has come; that a response was created is nothing yet."""
        return bool(self._items or self._status)

    def feed(self, event: Any) -> Iterator[Delta]:
        """Take one decoded event; yield what a watcher may see of it. Raises Refused."""
        if not isinstance(event, dict):
            return
        kind = text_of(event.get("type"))
        stem, _, verb = kind.rpartition(".")
        if kind == "error" or (not kind and event.get("error")):
            told = event.get("error") or {key: event.get(key) for key in ("code", "message", "param")}
            raise Refused(200, {}, told)
        if kind in ENDS:
            yield from self._end(verb, object_of(event, "response"))
        elif stem == "response.output_item" and (of := _kind(wire := object_of(event, "item"))):
            if verb == "done":
                yield from self._finish(self._find(of, event, wire), wire)
            else:
                self._add(of, event, wire)
        elif kind == "response.content_part.done":
            part = object_of(event, "part")
            if (field := text_of(part.get("type"))) in FIELDS:
                yield from self._complete(event, field, "content_index", part_text(part))
        elif stem in _PIECES:
            field, number, whole = _PIECES[stem]
            if verb == "delta":
                yield from self._piece(event, field, number, text_of(event.get("delta")))
            else:
                yield from self._complete(event, field, number, text_of(event.get(whole)))

    # -- items -------------------------------------------------------------------------------------------------------

    def _add(self, kind: str, event: dict[str, Any], wire: dict[str, Any]) -> None:
        names, index = _marks(event, wire)
        item = next((self._by[name] for name in names if name in self._by), None)
        if item is None or item.kind != kind or item.whole:
            item = self._open(kind, *names, *index)
        item.wire |= wire

    def _find(self, kind: str, event: dict[str, Any], wire: dict[str, Any]) -> Item:
        """The item an event is about. Some servers send no index, or 0 for all, or another id in every event."""
        names, index = _marks(event, wire)
        for item in (self._by[name] for name in names if name in self._by):
            if item.kind == kind:
                return item
        near = [self._by[place] for place in index if place in self._by] if index else self._items
        for item in reversed(near):
            if item.kind == kind and not (wire and item.whole):
                return item
        return self._open(kind, *names, *index)

    def _open(self, kind: str, *marks: str | int) -> Item:
        item = Item(kind)
        self._items.append(item)
        self._by.update(dict.fromkeys(marks, item))
        return item

    def _piece(self, event: dict[str, Any], field: str, number: str, text: str) -> Iterator[Delta]:
        """A piece of one text."""
        item = self._find(FIELDS[field][0], event, {})
        if text and not item.whole:
            item.pieces.setdefault((field, count_of(event, number)), []).append(text)
            yield self._seen(field, text)

    def _complete(self, event: dict[str, Any], field: str, number: str, text: str) -> Iterator[Delta]:
        """One text in full."""
        item, key = self._find(FIELDS[field][0], event, {}), (field, count_of(event, number))
        if field == "arguments":
            item.wire = {name: event[name] for name in ("name", "call_id") if event.get(name)} | item.wire
        if text and not item.whole:
            seen = "".join(item.pieces.get(key, ()))
            item.pieces[key] = [text]
            yield from self._rest(field, seen, text)

    def _finish(self, item: Item, wire: dict[str, Any]) -> Iterator[Delta]:
        """A whole item."""
        item.wire |= {key: value for key, value in wire.items() if value is not None}
        item.whole = True
        self.size += len(text_of(wire.get("encrypted_content")))
        for field, text in texts_of(wire).items():
            seen = item.text(field)
            item.pieces = {key: said for key, said in item.pieces.items() if key[0] != field} | {(field, 0): [text]}
            yield from self._rest(field, seen, text)

    def _rest(self, field: str, seen: str, text: str) -> Iterator[Delta]:
        if text.startswith(seen) and text != seen:
            yield self._seen(field, text[len(seen) :])

    def _seen(self, field: str, text: str) -> Delta:
        self.size += len(text)
        return Delta(mended(text), FIELDS[field][1])

    # -- the end -----------------------------------------------------------------------------------------------------

    def _end(self, verb: str, response: dict[str, Any]) -> Iterator[Delta]:
        status, error = text_of(response.get("status")), object_of(response, "error")
        self._usage = usage_of(response.get("usage"), "input", "output")
        self._usd = _cost(response.get("usage"))
        if verb == "failed" or (status == "failed" and error):
            raise Refused(200, {}, error or {"message": "the response failed, and no reason is given"})
        self._status = status if status in _STATUSES else verb
        self._reason = text_of(object_of(response, "incomplete_details").get("reason"))
        # Ids here may differ from the stream's, and items be missing or merged: an item is the same if it is the n-th
        # of its kind, and what was sent finished stays as it is.
        told: Counter[str] = Counter()
        for wire in items_of(response.get("output")):
            if not (kind := _kind(wire)):
                continue
            same = [item for item in self._items if item.kind == kind]
            item = same[told[kind]] if told[kind] < len(same) else self._open(kind)
            told[kind] += 1
            if not item.whole:
                yield from self._finish(item, wire)
        self._items = [item for item in self._items if item.whole or (item.begun and item.kind not in told)]

    @property
    def spent(self) -> int:
        """Tokens the call has cost so far: as reported, else as estimated; 0 before anything came."""
        return self._spent().total if self.begun or self._usage else 0

    def _spent(self) -> Usage:
        return self._usage or Usage(request_tokens(self._request), sum(item.tokens for item in self._items))

    def answer(self) -> Answer:
        """The whole answer. Without an end it is "cut", and no call of it is kept: half a call is no call."""
        stop = self._stop()
        taken = {call.id for message in self._request.messages for call in message.calls}
        parts: list[Part] = []
        for item in self._items:
            if item.kind != "function_call":
                parts += _said(item)
            elif stop != "cut":
                call = self._call(item, taken)
                taken.add(call.id)
                parts.append(call)
        if self._status == "completed":
            parts += self._opaque()
        mark: Mark = "unknown" if self._usd is None else "reported"
        return Answer(tuple(parts), self._spent(), stop, self._model, self._usage is not None, self._usd, mark)

    def _stop(self) -> Stop:
        match self._status:
            case "completed" if any(item.kind == "function_call" for item in self._items):
                return "tool_calls"
            case "completed":
                return "refusal" if any(item.text("refusal") for item in self._items) else "end"
            case "incomplete":
                return _REASONS.get(self._reason, "other")
            case "" | "cancelled":
                return "cut"
            case _:
                return "other"

    def _call(self, item: Item, taken: Collection[str]) -> ToolCall:
        raw = mended(item.text("arguments") or texts_of(item.wire).get("arguments", ""))
        arguments, error = parse_arguments(raw)
        if self._status == "incomplete" and not raw:
            error = "the answer ended before the arguments of the call"
        ident = mended(text_of(item.wire.get("call_id")) or text_of(item.wire.get("id")))
        name = mended(text_of(item.wire.get("name"))) or "unnamed"
        return ToolCall(
            free_id(ident, taken, len(self._request.messages)), name, arguments, error, raw if error else ""
        )

    def _opaque(self) -> Iterator[Opaque]:
        """The items themselves, if they have more than their neutral parts and lack nothing that was streamed."""
        if any(item.more for item in self._items) and all(item.faithful for item in self._items):
            text = json.dumps([item.wire for item in self._items], ensure_ascii=False)
            with contextlib.suppress(ValueError, RecursionError):  # NaN and the like, which no journal could hold
                yield Opaque(FAMILY, line(self._model), {"output": msgspec.json.decode(mended(text))})


def _kind(wire: dict[str, Any]) -> str:
    kind = wire.get("type")
    return kind if isinstance(kind, str) else ""


def _marks(event: dict[str, Any], wire: dict[str, Any]) -> tuple[list[str], list[int]]:
    """By what an event names its item: ids, and its place."""
    names = [name for value in (event.get("item_id"), wire.get("id"), wire.get("call_id")) if (name := text_of(value))]
    index = event.get("output_index")
    return names, [index] if isinstance(index, int) else []


def _said(item: Item) -> Iterator[Part]:
    """What an item tells people: the thought itself rather than its summary."""
    if thought := item.text("reasoning_text") or item.text("summary_text"):
        yield Reasoning(mended(thought))
    if text := item.text("output_text") + item.text("refusal"):
        yield Text(mended(text))


def _cost(wire: Any) -> int | None:
    """What a gateway says the call cost, in nano-dollars."""
    cost = wire.get("cost") if isinstance(wire, dict) else None
    if isinstance(cost, bool) or not isinstance(cost, int | float) or not 0 <= cost < 1e9:
        return None
    return from_usd(cost)
