"""Heads and bodies against another parser: what we accept, h11 accepts, and both see the same message (smuggling)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.tools.network.heads import CHUNKED, Head, Malformed, body, read_request, written

NAMES = st.sampled_from(
    [
        "Host",
        "Content-Length",
        "content-length",
        "Transfer-Encoding",
        "Content-Length ",
        "X",
        "",
        " X",
        "X\t",
        "Ü",
        "A\r",
    ]
)
VALUES = st.sampled_from(
    [
        "a",
        "5",
        "05",
        "+5",
        "5, 5",
        "0x5",
        "5 ",
        " 5",
        "chunked",
        "Chunked",
        "identity",
        "chunked, chunked",
        "\x0bchunked",
        "",
    ]
) | st.text("a\t é\x0b\n\x7f", max_size=3)
ENDS = st.sampled_from(["\r\n"] * 24 + ["\n", "\r", "\r\n ", "\r\r\n", "\0"])
LINES = st.lists(
    st.tuples(NAMES, st.sampled_from([":"] * 20 + [" :", "", "\0:"]), VALUES, ENDS).map("".join), max_size=5
)
STARTS = st.sampled_from(
    [*["GET /", "POST http://a/"] * 12, "POST /x y", "G\tT /", "GET", "", " GET /", "GET /\x7f", "POST /é", "g3t! *"]
)
VERSIONS = st.sampled_from([" HTTP/1.1"] * 20 + [" HTTP/1.0", " HTTP/2.0", " HTTP/1.10", "", " http/1.1", "\tHTTP/1.1"])


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def fed(data: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=4_096)
    reader.feed_data(data)
    reader.feed_eof()
    return reader


async def read(data: bytes) -> tuple[Head, int] | None:
    try:
        head = await read_request(fed(data))
        return head, head.body()
    except (Malformed, asyncio.IncompleteReadError):
        return None


@settings(max_examples=150, deadline=None)
@given(STARTS, VERSIONS, LINES)
def test_what_we_accept_is_one_message_to_another_parser(
    loop: asyncio.Runner, start: str, version: str, lines: list[str]
) -> None:
    data = f"{start}{version}\r\nHost: a\r\n{''.join(lines)}\r\n".encode("latin-1")
    ours = loop.run(read(data))
    if ours is None:
        return
    head, size = ours
    other = h11.Connection(h11.SERVER)
    other.receive_data(data)
    if len(head.values("host")) > 1:
        return  # the proxy refuses these where it knows the method
    request = other.next_event()
    assert isinstance(request, h11.Request)
    assert (request.method.decode(), request.target.decode()) == head.start
    headers = [(name.decode(), value.decode("latin-1")) for name, value in request.headers]
    assert [(name.lower(), value.lower()) for name, value in head.headers] == [
        (n.lower(), v.lower()) for n, v in headers
    ]
    chunked = ("transfer-encoding", "chunked") in [(name, value.lower()) for name, value in headers]
    assert size == CHUNKED if chunked else size == int(dict(headers).get("content-length", 0))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=300), max_size=5), st.binary(max_size=20))
def test_chunks_arrive_as_they_were_sent_and_nothing_after_them(pieces: list[bytes], after: bytes) -> None:
    sent = b"".join(b"%X;a=b\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nT: u\r\n\r\n"

    async def passed() -> tuple[bytes, bytes]:
        reader = fed(sent + after)
        out = b"".join([piece async for piece in body(reader, CHUNKED)])
        return out, await reader.read(-1)

    out, left = asyncio.run(passed())
    assert left == after
    other = h11.Connection(h11.SERVER)
    other.receive_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + out)
    data = b""
    while not isinstance(event := other.next_event(), h11.EndOfMessage):
        data += bytes(event.data) if isinstance(event, h11.Data) else b""
        assert event is not h11.NEED_DATA
    assert data == b"".join(pieces)
    assert other.trailing_data == (b"", False)


@settings(max_examples=150, deadline=None)
@given(st.text("0123456789abcdefx;=\r\n -+", max_size=20).map(str.encode))
def test_no_chunks_break_the_reader(data: bytes) -> None:
    async def consumed() -> None:
        try:
            assert b"".join([piece async for piece in body(fed(data), CHUNKED)]).endswith(b"0\r\n\r\n")
        except (Malformed, asyncio.IncompleteReadError):
            pass

    asyncio.run(consumed())


def test_headers_for_one_hop_stay_there() -> None:
    data = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Mine, content-length\r\nX-Mine: 1\r\n"
    ours = asyncio.run(read(data + b"Content-Length: 0\r\nX: y\r\n\r\n"))
    assert ours is not None
    sent = written("GET / HTTP/1.1", ours[0].passed_on("host", add=(("Connection", "close"),)))
    assert sent == b"GET / HTTP/1.1\r\nContent-Length: 0\r\nX: y\r\nConnection: close\r\n\r\n"
