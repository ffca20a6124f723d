"""Heads of HTTP/1 messages, read so strictly that no two programs can see different messages in the same bytes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable

import msgspec

MAX_HEADERS = 200
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST = re.compile(rf"({_NAME}) ([\x21-\x7e]+) HTTP/1\.[01]")
_STATUS = re.compile(r"HTTP/1\.[01] ([1-9][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?")
_HEADER = re.compile(rf"({_NAME}):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
_LENGTH = re.compile(r"[0-9]{1,15}")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
    )
)
CHUNKED = -1
_PIECE = 64 * 1024

Headers = tuple[tuple[str, str], ...]


class Malformed(Exception):
    """What came is no HTTP/1 message that can be read in one way only."""


class Head(msgspec.Struct, frozen=True):
    """A request's or response's head.

    Attributes:
        start: method and target of a request; status of a response.
        headers: in their order, names as they were written.
    """

    start: tuple[str, ...]
    line: str
    headers: Headers

    def values(self, name: str) -> list[str]:
        return [value for each, value in self.headers if each.lower() == name]

    def body(self) -> int:
        """Bytes of the body, or CHUNKED. Raises Malformed when that can be read in two ways."""
        lengths, codings = self.values("content-length"), self.values("transfer-encoding")
        if codings:
            if lengths or [each.lower() for each in codings] != ["chunked"]:
                raise Malformed("its length is told in two ways")
            return CHUNKED
        if not lengths:
            return 0
        if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
            raise Malformed("its length is told in two ways")
        return int(lengths[0])

    def passed_on(self, *drop: str, add: Iterable[tuple[str, str]] = ()) -> Headers:
        """The headers that are for the other end: those for one hop, and `drop`, are left out."""
        named = {word.strip().lower() for value in self.values("connection") for word in value.split(",")}
        gone = _HOP | named - {"host", "content-length", "transfer-encoding"} | set(drop)
        return (*((name, value) for name, value in self.headers if name.lower() not in gone), *add)


async def read_request(reader: asyncio.StreamReader) -> Head:
    """Raises Malformed; asyncio.IncompleteReadError when the peer left."""
    return _head(await _until_blank(reader), _REQUEST)


async def read_response(reader: asyncio.StreamReader) -> Head:
    """Raises Malformed; asyncio.IncompleteReadError when the peer left."""
    return _head(await _until_blank(reader), _STATUS)


def written(line: str, headers: Headers) -> bytes:
    return "\r\n".join([line, *(f"{name}: {value}" for name, value in headers), "", ""]).encode("latin-1")


async def body(reader: asyncio.StreamReader, size: int) -> AsyncIterator[bytes]:
    """A message's body as it is sent on: chunked ones in chunks of our own, without extensions and trailers."""
    if size != CHUNKED:
        async for piece in _exactly(reader, size):
            yield piece
        return
    while size := await _chunk(reader):
        yield b"%x\r\n" % size
        async for piece in _exactly(reader, size):
            yield piece
        if await reader.readexactly(2) != b"\r\n":
            raise Malformed("a chunk is longer than it says")
        yield b"\r\n"
    for _ in range(MAX_HEADERS):
        if await _line(reader) == b"\r\n":
            yield b"0\r\n\r\n"
            return
    raise Malformed("it has too many trailers")


async def until_end(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """A response's body that ends with its connection."""
    while piece := await reader.read(_PIECE):
        yield piece


async def _exactly(reader: asyncio.StreamReader, size: int) -> AsyncIterator[bytes]:
    while size > 0:
        piece = await reader.read(min(size, _PIECE))
        if not piece:
            raise asyncio.IncompleteReadError(b"", size)
        size -= len(piece)
        yield piece


async def _chunk(reader: asyncio.StreamReader) -> int:
    found = _SIZE.fullmatch(await _line(reader))
    if not found:
        raise Malformed("a chunk has no size")
    return int(found[1], 16)


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n")
    except asyncio.LimitOverrunError:
        raise Malformed("a line is too long") from None


async def _until_blank(reader: asyncio.StreamReader) -> str:
    try:
        return (await reader.readuntil(b"\r\n\r\n"))[:-4].decode("latin-1")
    except asyncio.LimitOverrunError:
        raise Malformed("its head is too long") from None


def _head(text: str, start: re.Pattern[str]) -> Head:
    first, *lines = text.split("\r\n")
    found = start.fullmatch(first)
    headers = [_HEADER.fullmatch(line) for line in lines]
    if not found or None in headers:
        raise Malformed("a line of its head is malformed")
    if len(headers) > MAX_HEADERS:
        raise Malformed("it has too many headers")
    return Head(found.groups(), first, tuple((each[1], each[2].rstrip(" \t")) for each in headers if each))
