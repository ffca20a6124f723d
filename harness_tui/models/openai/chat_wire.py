"""The chat-completions wire, outwards and pure: neutral messages to request JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ...domain.messages import Image, Message, ModelRequest, Opaque, Reasoning, Text, ToolCall, ToolResult, ToolSpec
from ...domain.task import Options
from ..assembly import object_of
from ..family import line

FAMILY = "openai-chat"


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
    """Neutral messages as the wire has them.

    The protocol has no way back for reasoning; a server that showed it with a call gets it back as it came (Opaque).
    """
    return [wire for message in messages for wire in _message(message, model)]


def _message(message: Message, model: str) -> Iterator[dict[str, Any]]:
    match message.role:
        case "assistant":
            yield _assistant(message, model)
        case "system":
            yield {"role": "system", "content": message.text}
        case role:  # results first, each on its own; what stands beside them is a user's word
            for part in message.parts:
                if isinstance(part, ToolResult):
                    yield {"role": "tool", "tool_call_id": part.id, "content": part.text}
            if (content := _content(message)) or role == "user":
                yield {"role": "user", "content": content}


def _content(message: Message) -> str | list[dict[str, Any]]:
    """Text alone as text, which every server takes; with pictures as typed parts."""
    if not any(isinstance(part, Image) for part in message.parts):
        return message.text
    content: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, Text) and part.text:
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, Image):
            url = f"data:{part.media};base64,{part.data}"
            content.append({"type": "image_url", "image_url": {"url": url}})
    return content


def _assistant(message: Message, model: str) -> dict[str, Any]:
    own = [p.raw for p in message.parts if isinstance(p, Opaque) and (p.family, p.model) == (FAMILY, line(model))]
    wire: dict[str, Any] = {"role": "assistant", "content": message.text}
    if calls := [_call(call, own) for call in message.calls]:
        wire |= {"content": message.text or None, "tool_calls": calls}
    for raw in own:
        wire |= object_of(raw, "message")
        if isinstance(field := raw.get("reasoning"), str):
            wire[field] = "".join(part.text for part in message.parts if isinstance(part, Reasoning))
    return wire


def _call(call: ToolCall, own: list[dict[str, Any]]) -> dict[str, Any]:
    # Servers parse the arguments they get back and refuse the whole request if they cannot: text that was no JSON
    # returns as a JSON object that carries it.
    arguments = {"unparsable_arguments": call.raw} if call.error else call.arguments
    function = {"name": call.name, "arguments": msgspec.json.encode(arguments).decode()}
    extra: dict[str, Any] = {}
    for raw in own:
        if raw.get("call") == call.id:
            extra |= object_of(raw, "extra")
            function |= object_of(raw, "function")
    return {**extra, "id": call.id, "type": "function", "function": function}


def _tool(spec: ToolSpec) -> dict[str, Any]:
    function = {"name": spec.name, "description": spec.description, "parameters": spec.schema}
    return {"type": "function", "function": function}
