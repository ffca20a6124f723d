"""Stand-ins for a server's list of its models: real sockets, one answer each, in the form of each family."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEYS = ("authorization", "x-api-key", "x-goog-api-key")


@contextmanager
def listing(body: Any, status: int = 200) -> Iterator[tuple[str, list[str]]]:
    """A server with one answer for every GET; gives HOST:PORT and, for each request, its path and the keys it bore."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys = [f"{name}={self.headers[name]}" for name in KEYS if name in self.headers]
            seen.append(" ".join([self.path, *keys]))
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *args: Any) -> None: ...

    with _serving(Handler) as address:
        yield address, seen


@contextmanager
def redirecting(target: str) -> Iterator[str]:
    """A server that sends everybody to `target`; gives HOST:PORT."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(307)
            self.send_header("Location", target)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None: ...

    with _serving(Handler) as address:
        yield address


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def models(*names: str) -> dict[str, Any]:
    """As OpenAI-compatible servers and Anthropic list them."""
    return {"object": "list", "data": [{"id": name, "type": "model"} for name in names]}


def gemini_models(*names: str) -> dict[str, Any]:
    """As Gemini lists them, beside one that only embeds."""
    talking = [{"name": f"models/{name}", "supportedGenerationMethods": ["generateContent"]} for name in names]
    return {"models": [{"name": "models/embed-1", "supportedGenerationMethods": ["embedContent"]}, *talking]}
