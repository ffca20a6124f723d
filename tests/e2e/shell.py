"""A scripted model server on loopback beside the program, and what every failure must look like."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from tests.cli.program import Done
from tests.models.endpoint_server import EndpointServer, call_piece, chunk, serving, sse, usage


@contextlib.contextmanager
def model_server(*answers: list[Any]) -> Iterator[EndpointServer]:
    """An OpenAI-compatible server in a thread, answering exactly these bytes."""
    loop = asyncio.new_event_loop()
    stack = contextlib.AsyncExitStack()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    try:
        yield asyncio.run_coroutine_threadsafe(stack.enter_async_context(serving(*answers)), loop).result(60)
    finally:
        asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)


def say(text: str) -> list[bytes]:
    return sse(chunk(content=text), chunk(finish="stop"), usage(10, 2), "[DONE]")


def call(name: str, arguments: str, ident: str) -> list[bytes]:
    piece = call_piece(0, arguments, id=ident, name=name)
    return sse(chunk(tool_calls=[piece]), chunk(finish="tool_calls"), usage(10, 2), "[DONE]")


def one_sentence(done: Done, code: int, *words: str) -> str:
    """The error of the document on stdout: the code, the words in it, and no traceback anywhere."""
    assert done.code == code, done.err
    assert "Traceback" not in done.err + done.out and "Logging error" not in done.err, done.err
    said = str(done.json["error"] or done.json["reason"])
    assert done.json["exit"] == code
    for word in words:
        assert word in said, said
    assert "\n" not in said and len(said) <= 400, said
    return said
