"""Tokens without a tokenizer: what is reserved before a call, and counted when a server reports no usage."""

from __future__ import annotations

import msgspec

from ..domain.messages import Image, ModelRequest, Part, Reasoning, Text, ToolCall, ToolResult

PER_MESSAGE = 4
"""Tokens a chat template adds around one message."""

IMAGE = 1600
"""Tokens of one picture: what vendors count for one of about a megapixel."""

_encode = msgspec.json.encode


def text_tokens(text: str) -> int:
    """About four ASCII characters a token, and one token for every other character (CJK, emoji)."""
    ascii_only = sum(char < "\x80" for char in text) if not text.isascii() else len(text)
    return -(-ascii_only // 4) + len(text) - ascii_only


def part_tokens(part: Part) -> int:
    match part:
        case Text(text=text) | Reasoning(text=text) | ToolResult(text=text):
            return text_tokens(text)
        case ToolCall(name=name, arguments=arguments, raw=raw):
            return text_tokens(name) + text_tokens(raw or _encode(arguments).decode())
        case Image():
            return IMAGE
        case _:
            return text_tokens(_encode(part.raw).decode())


def request_tokens(request: ModelRequest) -> int:
    """What the input of a call is estimated to cost, tool specs included."""
    said = sum(PER_MESSAGE + sum(map(part_tokens, message.parts)) for message in request.messages)
    specs = sum(text_tokens(t.name + t.description + _encode(t.schema).decode()) for t in request.tools)
    return said + specs
