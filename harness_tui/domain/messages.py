"""What a model reads and answers: one neutral message model for every protocol family."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Risk = Literal["read_only", "idempotent", "destructive", "network"]
"""Risk class of a tool, from harmless to far-reaching."""

RISKS: tuple[Risk, ...] = ("read_only", "idempotent", "destructive", "network")

Stop = Literal["end", "tool_calls", "length", "context_full", "refusal", "filtered", "paused", "cut", "other"]
"""Why a model stopped, the same words for every family.

"paused": the provider wants the conversation back to go on with the same turn; "cut": the stream ended with no reason,
so the answer is incomplete; "other": a reason nobody knew when this was written.
"""

Mark = Literal["reported", "priced", "estimated", "unknown"]
"""Where an amount of money comes from, from the surest to none: the provider named it; reported tokens times a known
price; estimated tokens or a price known by the model's name alone; no price."""

MARKS: tuple[Mark, ...] = ("reported", "priced", "estimated", "unknown")


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


class Image(msgspec.Struct, frozen=True, tag="image"):
    """A picture: `media` is its type (`image/png`, `image/jpeg`, ...), `data` its bytes in base64."""

    media: str
    data: str


class Opaque(msgspec.Struct, frozen=True, tag="opaque"):
    """A provider's own form of a message, kept because the neutral parts lose something of it (signatures).

    The adapter of the same family and model line sends `raw` back verbatim, as its own docstring tells; every other
    adapter ignores it and uses the neutral parts beside it.

    Attributes:
        model: the model line, as `models.family.line` has it.
    """

    family: str
    model: str
    raw: dict[str, Any]


Part = Text | Reasoning | ToolCall | ToolResult | Image | Opaque
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
        ceiling: bytes of UTF-8 a model reads of one result; the rest is spilled.
    """

    name: str
    description: str
    schema: dict[str, Any]
    risk: Risk = "destructive"
    deadline: float = 120.0
    ceiling: int = 24 * 1024


class ModelRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """One model call: what every family has. Sampling and the like are the adapter's own options (`task.Options`).

    Attributes:
        max_output: tokens the answer may have at most, because the budget holds no more; None = no such limit.
        search: the vendor's server is to search the web for it; only families with `searches` can, and without `tools`.
    """

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    max_output: int | None = None
    search: bool = False


class Delta(msgspec.Struct, frozen=True):
    """A piece of a streamed answer, for people to watch; never stored."""

    text: str
    kind: Literal["text", "reasoning", "tool"] = "text"


class Dropped(msgspec.Struct, frozen=True, array_like=True):
    """A request parameter that an endpoint (`api url model`) refused; it is left out from then on."""

    endpoint: str
    parameter: str


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The whole answer of one model call; the last item of every stream.

    Attributes:
        model: who answered, as people read it; of a router the leg that did.
        usage_reported: False when the server sent no usage and the figures are our estimate.
        usd: what the call cost, in nano-dollars (`domain.money`); None when no price is known.
        notes: what the operator should know of this call (a dropped parameter, a cut prompt), a sentence each.
        dropped: request parameters this endpoint refused, which were left out.
    """

    parts: tuple[Part, ...]
    usage: Usage = Usage()
    stop: Stop = "end"
    model: str = ""
    usage_reported: bool = True
    usd: int | None = None
    mark: Mark = "unknown"
    notes: tuple[str, ...] = ()
    dropped: tuple[Dropped, ...] = ()

    @property
    def message(self) -> Message:
        return Message("assistant", self.parts)
