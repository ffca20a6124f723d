"""The responses wire outward, pure: neutral messages to a request's JSON.

Requests are stateless (`store: false`): the whole conversation travels each time, and reasoning travels encrypted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

import msgspec

from ...domain.messages import Image, Message, ModelRequest, Opaque, Text, ToolCall, ToolResult, ToolSpec
from ...domain.task import Options
from ..assembly import items_of
from ..family import line
from .responses_items import texts_of, travels

FAMILY = "openai-responses"


def body_of(
    request: ModelRequest,
    model: str,
    options: Options = Options(),  # noqa: B008 - frozen
    *,
    summary: bool = True,
) -> dict[str, Any]:
    """The request's JSON; what changes between the calls of a conversation comes last.

    `summary` asks for summaries of the reasoning, which some accounts are refused.
    """
    leading = list(takewhile(lambda message: message.role == "system", request.messages))
    body: dict[str, Any] = {"model": model}
    if rules := "\n\n".join(message.text for message in leading if message.text):
        body["instructions"] = rules
    if request.search:
        body["tools"] = [{"type": "web_search", "search_context_size": "low"}]
    elif request.tools:
        body["tools"] = [_tool(spec) for spec in sorted(request.tools, key=lambda spec: spec.name)]
        if options.parallel_tools is not None:
            body["parallel_tool_calls"] = options.parallel_tools
    if options.effort:
        body["reasoning"] = {"effort": options.effort} | ({"summary": "auto"} if summary else {})
    if options.temperature is not None:
        body["temperature"] = options.temperature
    body |= {"stream": True, "store": False, "include": ["reasoning.encrypted_content"]}
    body["input"] = input_of(request.messages[len(leading) :], model)
    limits = [limit for limit in (request.max_output, options.max_tokens) if limit is not None]
    if limits:
        body["max_output_tokens"] = min(limits)
    return body


def input_of(messages: Sequence[Message], model: str) -> list[dict[str, Any]]:
    """Neutral messages as input items. An answer of this model goes back as the items it came in, if we kept them."""
    items: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "assistant":
            items += _kept(message, model) or _rebuilt(message)
        else:
            items += _told(message)
    return items


def _told(message: Message) -> Iterator[dict[str, Any]]:
    """Results first, each on its own; pictures follow as a user's, for not every server takes them in a result."""
    for part in message.parts:
        if isinstance(part, ToolResult):
            yield {"type": "function_call_output", "call_id": part.id, "output": part.text}
    content: list[dict[str, Any]] = []
    for part in message.parts:
        match part:
            case Text(text=text) if text:
                content.append({"type": "input_text", "text": text})
            case Image(media=media, data=data):
                content.append({"type": "input_image", "detail": "auto", "image_url": f"data:{media};base64,{data}"})
    if content:
        yield {"type": "message", "role": "user" if message.role == "tool" else message.role, "content": content}


def _rebuilt(message: Message) -> Iterator[dict[str, Any]]:
    """An answer from its neutral parts. Text is a plain string: `output_text` needs an id that only its server has."""
    text = ""
    for part in (*message.parts, None):
        if isinstance(part, Text):
            text += part.text
        elif text and (part is None or isinstance(part, ToolCall)):
            yield {"type": "message", "role": "assistant", "content": text}
            text = ""
        if isinstance(part, ToolCall):
            yield _call(part, {})


def _kept(message: Message, model: str) -> list[dict[str, Any]]:
    """The items this model line gave, or none: not kept, or the message no longer makes the calls they make."""
    mine = (p.raw for p in message.parts if isinstance(p, Opaque) and (p.family, p.model) == (FAMILY, line(model)))
    output = items_of(next(mine, {}).get("output"))
    calls = iter(message.calls)
    if [i.get("name") for i in output if i.get("type") == "function_call"] != [c.name for c in message.calls]:
        return []
    items: list[dict[str, Any]] = []
    for item in output:
        match item.get("type"):
            case "function_call":
                items.append(_call(next(calls), item))
            case "reasoning" if travels(item):
                items.append({"summary": [], **_accepted(item, "status")})
            case "reasoning":
                continue
            case "message" if not texts_of(item):
                continue
            case _:
                items.append(_accepted(item))
    while items and items[-1].get("type") == "reasoning":
        items.pop()  # refused unless what it led to follows
    return items


def _accepted(item: dict[str, Any], *server_only: str) -> dict[str, Any]:
    """An output item as input: without nulls, and without what servers write but do not read."""
    return {key: value for key, value in item.items() if value is not None and key not in server_only}


def _call(call: ToolCall, kept: dict[str, Any]) -> dict[str, Any]:
    # Servers parse the arguments they get back and refuse the whole request if they cannot: text that was no JSON
    # returns as a JSON object that carries it.
    arguments = kept.get("arguments")
    if call.error:
        arguments = msgspec.json.encode({"unparsable_arguments": call.raw}).decode()
    elif not isinstance(arguments, str) or arguments.lstrip()[:1] != "{":
        arguments = msgspec.json.encode(call.arguments).decode()
    mine = {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": arguments}
    return _accepted(kept, "status") | mine


def _tool(spec: ToolSpec) -> dict[str, Any]:
    # Servers that leave `strict` out mean true, which few schemas satisfy.
    about = {"name": spec.name, "description": spec.description, "parameters": spec.schema}
    return {"type": "function", **about, "strict": False}
