"""Stream events of the Messages protocol, as the published types of the vendor's SDK have them."""

from __future__ import annotations

from typing import Any


def start(input_tokens: int = 12, **usage: int) -> dict[str, Any]:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "tiny", "content": []}
    counts = {"input_tokens": input_tokens, "output_tokens": 1, **usage}
    return {
        "type": "message_start",
        "message": {**message, "stop_reason": None, "stop_sequence": None, "usage": counts},
    }


def block(index: int, *deltas: dict[str, Any], **wire: Any) -> list[dict[str, Any]]:
    """A whole content block: its start, its deltas, its stop."""
    return [
        {"type": "content_block_start", "index": index, "content_block": wire},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def text(index: int, *pieces: str) -> list[dict[str, Any]]:
    return block(index, *({"type": "text_delta", "text": piece} for piece in pieces), type="text", text="")


def thinking(index: int, *pieces: str, signature: str = "c2ln") -> list[dict[str, Any]]:
    deltas: list[dict[str, Any]] = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
    signed = [{"type": "signature_delta", "signature": signature}] if signature else []
    return block(index, *deltas, *signed, type="thinking", thinking="", signature="")


def tool_use(index: int, ident: str, name: str, *pieces: str, **more: Any) -> list[dict[str, Any]]:
    deltas: list[dict[str, Any]] = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return block(index, *deltas, **{"type": "tool_use", "id": ident, "name": name, "input": {}} | more)


def finish(stop: str | None = "end_turn", output_tokens: int = 9, **usage: Any) -> list[dict[str, Any]]:
    """The last two events. `details` is what comes beside the stop reason."""
    delta = {"stop_reason": stop, "stop_sequence": None, "stop_details": usage.pop("details", None)}
    counts = {"output_tokens": output_tokens, **usage}
    return [{"type": "message_delta", "delta": delta, "usage": counts}, {"type": "message_stop"}]


PING = {"type": "ping"}
