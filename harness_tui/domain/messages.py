"""What a model reads and answers: one neutral message model for every protocol family."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Risk = Literal["read_only", "idempotent", "destructive", "network"]
"""Risk class of a tool, from harmless to far-reaching."""

RISKS: tuple[Risk, ...] = ("read_only", "idempotent", "destructive", "network")

Stop = Literal["end", "tool_calls", "length", "filtered", "cut", "other"]
"""Why a model stopped; "cut" means the stream ended with no reason, so the answer is incomplete."""


class Text(msgspec.Struct, frozen=True, tag="text"):
    text: str


class Reasoning(msgspec.Struct, frozen=True, tag="reasoning"):
    text: str


class ToolCall(msgspec.Struct, frozen=True, tag="tool_call", omit_defaults=True):
    """A call the model asks for.

    Attributes:
        arguments: the parsed object; empty when `error` is set.
        error: why the raw arguments could not be parsed, or "".
        raw: the unparsable argument text, kept so that the model can be shown what it sent.
    """

    id: str
    name: str
    arguments: dict[str, Any] = {}
    error: str = ""
    raw: str = ""


class ToolResult(msgspec.Struct, frozen=True, tag="tool_result", omit_defaults=True):
    id: str
    name: str
    text: str
    ok: bool = True


class Opaque(msgspec.Struct, frozen=True, tag="opaque"):
    """A provider's own part, replayed verbatim and only to the family and model line it came from."""

    family: str
    model: str
    raw: dict[str, Any]


Part = Text | Reasoning | ToolCall | ToolResult | Opaque
Role = Literal["system", "user", "assistant", "tool"]


class Message(msgspec.Struct, frozen=True):
    role: Role
    parts: tuple[Part, ...]

    @classmethod
    def say(cls, role: Role, text: str) -> Message:
        return cls(role, (Text(text),))

    @property
    def text(self) -> str:
        """All text parts joined; reasoning and calls left out."""
        return "".join(p.text for p in self.parts if isinstance(p, Text))

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        return tuple(p for p in self.parts if isinstance(p, ToolCall))


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens of one or more calls. `input` includes cached tokens; `output` includes reasoning."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0

    @property
    def total(self) -> int:
        return self.input + self.output

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input + other.input,
            self.output + other.output,
            self.cache_read + other.cache_read,
            self.cache_write + other.cache_write,
            self.reasoning + other.reasoning,
        )


class ToolSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a model is told of a tool, and what the harness must know to judge a call of it.

    Attributes:
        schema: JSON Schema of the arguments (an object).
        deadline: seconds one call may take.
    """

    name: str
    description: str
    schema: dict[str, Any]
    risk: Risk = "destructive"
    deadline: float = 120.0


class ModelRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """One model call. `max_output` is in tokens; None leaves it to the server."""

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    max_output: int | None = None
    seed: int | None = None
    temperature: float | None = None


class Delta(msgspec.Struct, frozen=True):
    """A piece of a streamed answer, for people to watch; never stored."""

    text: str
    kind: Literal["text", "reasoning", "tool"] = "text"


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The whole answer of one model call; the last item of every stream."""

    parts: tuple[Part, ...]
    usage: Usage = Usage()
    stop: Stop = "end"
    model: str = ""
    usage_reported: bool = True
    """False when the server sent no usage and the figures are our estimate."""

    @property
    def message(self) -> Message:
        return Message("assistant", self.parts)
