"""Streams of the Responses API as servers send them, built from the output items they end with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

STREAM_PARTS = 3
"""Pieces a text is streamed in."""

USAGE = {
    "input_tokens": 120,
    "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 16},
    "output_tokens": 40,
    "output_tokens_details": {"reasoning_tokens": 25},
    "total_tokens": 160,
}


def message(text: str, ident: str = "msg_1", **more: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"id": ident, "type": "message", "status": "completed", "role": "assistant", "content": [part], **more}


def refusal(text: str) -> dict[str, Any]:
    return {**message(""), "content": [{"type": "refusal", "refusal": text}]}


def call(name: str, arguments: str, ident: str = "call_1", **more: Any) -> dict[str, Any]:
    return {
        "id": f"fc_{ident}",
        "type": "function_call",
        "status": "completed",
        "call_id": ident,
        "name": name,
        "arguments": arguments,
        **more,
    }


def reasoning(summary: str = "", secret: str = "", ident: str = "rs_1", **more: Any) -> dict[str, Any]:
    found = [{"type": "summary_text", "text": summary}] if summary else []
    return {"id": ident, "type": "reasoning", "summary": found, "encrypted_content": secret or None, **more}


def created() -> list[dict[str, Any]]:
    response = {"id": "resp_1", "object": "response", "status": "in_progress", "error": None, "output": []}
    return [{"type": f"response.{kind}", "response": response} for kind in ("created", "in_progress")]


def ended(output: list[dict[str, Any]], status: str = "completed", **more: Any) -> dict[str, Any]:
    response = {"id": "resp_1", "object": "response", "status": status, "error": None, "output": output, **more}
    return {"type": f"response.{status}", "response": response}


def streamed(output: list[dict[str, Any]], status: str = "completed", **more: Any) -> list[dict[str, Any]]:
    """The whole stream of a response as api.openai.com sends it."""
    more = {"usage": USAGE, **more}
    body = [event for index, item in enumerate(output) for event in item_events(item, index)]
    return [*created(), *body, ended(output, status, **more)]


def item_events(item: dict[str, Any], index: int) -> Iterator[dict[str, Any]]:
    place = {"output_index": index, "item_id": item.get("id")}
    hollow = {"content": [], "summary": [], "arguments": "", "encrypted_content": None, "status": "in_progress"}
    empty = {key: hollow.get(key, value) for key, value in item.items()}
    yield {"type": "response.output_item.added", "output_index": index, "item": empty}
    if "arguments" in item:
        yield from _text("function_call_arguments", place, item["arguments"], "arguments")
    for number, part in enumerate(item.get("summary") or ()):
        yield from _text("reasoning_summary_text", {**place, "summary_index": number}, part["text"], "text")
    for number, part in enumerate(item.get("content") or ()):
        here = {**place, "content_index": number}
        whole = "refusal" if part["type"] == "refusal" else "text"
        yield {"type": "response.content_part.added", **here, "part": {**part, whole: ""}}
        yield from _text(part["type"], here, part[whole], whole)
        yield {"type": "response.content_part.done", **here, "part": part}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _text(stem: str, place: dict[str, Any], text: str, whole: str) -> Iterator[dict[str, Any]]:
    size = -(-len(text) // STREAM_PARTS) or 1
    for start in range(0, len(text), size):
        yield {"type": f"response.{stem}.delta", **place, "delta": text[start : start + size]}
    yield {"type": f"response.{stem}.done", **place, whole: text}


# -- the same answer, as other servers send it -------------------------------------------------------------------

Events = list[dict[str, Any]]


def _without(*ends: str) -> Callable[[Events], Events]:
    return lambda events: [event for event in events if not event["type"].endswith(ends)]


def _changed(change: Callable[[int, dict[str, Any]], dict[str, Any]]) -> Callable[[Events], Events]:
    return lambda events: [change(number, json.loads(json.dumps(event))) for number, event in enumerate(events)]


def _no_index(number: int, event: dict[str, Any]) -> dict[str, Any]:
    event.pop("output_index", None)
    return event


def _index_zero(number: int, event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "output_index": 0} if "output_index" in event else event


def _other_ids(number: int, event: dict[str, Any]) -> dict[str, Any]:
    """Another item id in every event; call ids, which pair calls with results, stay."""
    if "item_id" in event:
        event["item_id"] = f"x_{number}"
    for item in (event.get("item"), *event.get("response", {}).get("output", ())):
        if item:
            item["id"] = f"x_{number}_{item['type']}"
    return event


def _unmarked(number: int, event: dict[str, Any]) -> dict[str, Any]:
    """Nothing tells which item an event is about, but the order of events."""
    for key in ("item_id", "output_index"):
        event.pop(key, None)
    for item in (event.get("item"), *event.get("response", {}).get("output", ())):
        if item:
            del item["id"]
    return event


def _llama(number: int, event: dict[str, Any]) -> dict[str, Any]:
    """No index anywhere, and calls without an id of their own: pieces name the call id."""
    _no_index(number, event)
    if str(event.get("item_id", "")).startswith("fc_"):
        event["item_id"] = event["item_id"].removeprefix("fc_")
    for item in (event.get("item"), *event.get("response", {}).get("output", ())):
        if item and item["type"] == "function_call":
            del item["id"]
    return event


def _empty_output(number: int, event: dict[str, Any]) -> dict[str, Any]:
    if event["type"] == "response.completed":
        event["response"]["output"] = []
    return event


def _only_calls(number: int, event: dict[str, Any]) -> dict[str, Any]:
    if event["type"] == "response.completed":
        event["response"]["output"] = [i for i in event["response"]["output"] if i["type"] == "function_call"]
    return event


def _first_deltas(events: Events) -> Events:
    """Of every text only its first piece is streamed; the rest comes with the whole."""
    deltas = [event["type"].endswith(".delta") for event in events]
    return [
        event for event, delta, before in zip(events, deltas, [False, *deltas], strict=False) if not (delta and before)
    ]


FORMS: dict[str, Callable[[Events], Events]] = {
    "as OpenAI": lambda events: events,
    "no deltas": _without(".delta"),
    "first deltas": _first_deltas,
    "items only": _without(".delta", "text.done", "arguments.done", "refusal.done", "part.done", ".added"),
    "nothing before the end": lambda events: [*events[:2], events[-1]],
    "no items added": _without(".added"),
    "no items done": _without("output_item.done", "part.done"),
    "no index": _changed(_no_index),
    "index zero": _changed(_index_zero),
    "an id an event": _changed(_other_ids),
    "as llama.cpp": _changed(_llama),
    "no marks": _changed(_unmarked),
    "no marks, no items added": lambda events: _changed(_unmarked)(_without(".added")(events)),
    "nothing at the end": _changed(_empty_output),
    "only calls at the end": _changed(_only_calls),
}
