"""A stand-in for an Ollama server on a real loopback socket: no model, the bytes a real one sends.

It reads words as tokens and cuts a prompt that is longer than its window to half of it, as Ollama does since 2025.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class OllamaServer:
    """Attributes:
    window: `context_length` of the loaded model in `/api/ps`; None = an older server, which does not tell.
    num_ctx: `PARAMETER num_ctx` of the Modelfile; None = not set.
    extra: tokens more than the words of a prompt (the template).
    answer_tokens: `completion_tokens`; with finish "length" the window is full.
    mute: `/api/...` never answers; `broken`: it answers nonsense.
    """

    window: int | None = 4096
    num_ctx: int | None = None
    trained: int = 131072
    extra: int = 20
    answer_tokens: int = 2
    finish: str = "stop"
    mute: bool = False
    broken: bool = False
    cached: bool = False
    port: int = 0
    asked: list[str] = field(default_factory=list)
    _before: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            fields = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head.split("\r\n")[1:])}
            raw = await reader.readexactly(int(fields.get("content-length", 0)))
            path = head.split(" ")[1]
            self.asked.append(path)
            if path.startswith("/api/") and self.mute:
                await reader.read()
                return
            writer.write(self._reply(path, json.loads(raw) if raw else {}))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _reply(self, path: str, body: dict[str, Any]) -> bytes:
        if path == "/v1/chat/completions":
            return self._chat(body)
        if self.broken:
            return _http("application/json", b'{"models": [null, 7, {"name": 1, "context_length": "4k"}')
        return _http(
            "application/json; charset=utf-8", json.dumps(self._ps() if path == "/api/ps" else self._show()).encode()
        )

    def _ps(self) -> Any:
        details = {"parent_model": "", "format": "gguf", "family": "llama", "parameter_size": "3.2B"}
        entry = {"name": "tiny:latest", "model": "tiny:latest", "size": 2019393189, "details": details, "size_vram": 0}
        return {"models": [entry | ({"context_length": self.window} if self.window else {})]}

    def _show(self) -> Any:
        stops = 'stop                           "<|eot_id|>"'
        ctx = f"num_ctx                        {self.num_ctx}\n" if self.num_ctx else ""
        info = {"general.architecture": "llama", "llama.attention.head_count": 24, "llama.context_length": self.trained}
        return {"parameters": ctx + stops, "model_info": info, "capabilities": ["completion", "tools"]}

    def _chat(self, body: dict[str, Any]) -> bytes:
        words = sum(len(str(message.get("content")).split()) for message in body["messages"]) + self.extra
        limit = self.window or self.num_ctx or 4096
        prompt = words if words <= limit else limit // 2 + 2
        if self.cached:  # what servers before 0.4 report: the part that was not cached
            prompt, self._before = max(1, prompt - self._before), prompt
        usage = {"prompt_tokens": prompt, "completion_tokens": self.answer_tokens}
        usage["total_tokens"] = sum(usage.values())
        frame = {"id": "chatcmpl-245", "object": "chat.completion.chunk", "created": 1763700000, "model": "tiny"}
        frame["system_fingerprint"] = "fp_ollama"
        said = {"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "finish_reason": None}
        end = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": self.finish}
        chunks = [frame | {"choices": [said]}, frame | {"choices": [end]}, frame | {"choices": [], "usage": usage}]
        datas = [*(json.dumps(chunk, separators=(",", ":")) for chunk in chunks), "[DONE]"]
        return _http("text/event-stream", "".join(f"data: {data}\n\n" for data in datas).encode())


def _http(kind: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


@asynccontextmanager
async def ollama(**how: Any) -> AsyncIterator[OllamaServer]:
    here = OllamaServer(**how)
    server = await asyncio.start_server(here.handle, "127.0.0.1", 0)
    here.port = server.sockets[0].getsockname()[1]
    try:
        yield here
    finally:
        server.close()
