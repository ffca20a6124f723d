"""web_fetch against servers that send too much, too slowly, compressed too well, or nothing that is HTTP (N10)."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from harness_tui.domain.messages import ToolCall
from harness_tui.domain.network.reach import Reach
from harness_tui.domain.seams import ToolOutcome
from harness_tui.tools.web.box import WebBox
from harness_tui.tools.web.decode import FLOOR, Body, Undecodable
from harness_tui.tools.web.fetch import Limits
from harness_tui.tools.web.reader import MOST, read_page

from ..network.wire import Script, Site, response

SMALL = Limits(total=120, request=60, body=100_000)
HASTY = Limits(total=120, request=0.3, body=100_000)


async def fetched(script: Script | bytes, limits: Limits = SMALL) -> ToolOutcome:
    async with Site(script) as site:
        box = WebBox(Reach(site.url), limits=limits)
        return await box.perform(ToolCall("c", "web_fetch", {"url": site.url, "max_chars": 200}))


def plain(body: bytes, coding: str) -> bytes:
    return response(body, content_type="text/plain", content_encoding=coding)


def raw_deflate(data: bytes) -> bytes:
    made = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return made.compress(data) + made.flush()


@pytest.mark.parametrize(
    ("coding", "compress"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", lambda data: gzip.compress(data[:3]) + gzip.compress(data[3:]) + b"\0\0"),
        ("deflate", zlib.compress),
        ("Deflate", raw_deflate),
        ("identity", bytes),
    ],
)
async def test_what_we_accept_is_decoded(coding: str, compress: Callable[[bytes], bytes]) -> None:
    outcome = await fetched(plain(compress(b"hello there"), coding))
    assert json.loads(outcome.text)["text"] == "hello there"


@pytest.mark.parametrize(
    ("coding", "body", "said"),
    [
        ("br", b"x", "was not asked for"),
        ("zstd", b"x", "was not asked for"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"x", mtime=0), mtime=0), "was not asked for"),
        ("gzip", b"no gzip at all", "corrupt"),
        ("gzip", gzip.compress(b"\0" * 30_000_000, mtime=0), "compression bomb"),
        ("deflate", zlib.compress(b"\0" * 30_000_000), "compression bomb"),
    ],
)
async def test_what_cannot_be_bounded_is_refused(coding: str, body: bytes, said: str) -> None:
    outcome = await fetched(plain(body, coding), Limits(request=60))
    assert not outcome.ok and said in outcome.text


def test_a_bomb_is_stopped_long_before_it_is_open() -> None:
    bomb = gzip.compress(b"\0" * 60_000_000)
    body = Body("gzip", 10**12, 100)
    with pytest.raises(Undecodable):
        body.add(bomb)
    assert len(body.data) <= 2 * FLOOR


def test_a_body_that_decodes_to_nothing_is_cut_as_well() -> None:
    body = Body("deflate", 1_000, 100)
    empty = b"\x00\x00\x00\xff\xff"
    assert body.add(b"\x78\x9c" + empty * 10)
    assert not body.add(empty * 1_000)
    assert body.full and not body.data


async def forever(writer: asyncio.StreamWriter, piece: bytes, pause: float = 0.0) -> None:
    while True:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(pause)


async def endless_chunks(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
    await forever(writer, b"400\r\n" + b"x" * 1024 + b"\r\n")


async def endless_head(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    await forever(writer, b"X-More: " + b"x" * 1024 + b"\r\n")


async def endless_hints(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await forever(writer, b"HTTP/1.1 103 Early Hints\r\n\r\n")


async def slow_body(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    await forever(writer, b"x", 0.01)


async def silent(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def test_endless_chunks_are_cut_at_the_cap() -> None:
    outcome = await fetched(endless_chunks, Limits(request=60, body=100_000))
    said = json.loads(outcome.text)
    assert outcome.ok and said["original_chars"] == 100_000 and "more than 100000 bytes" in said["note"]


@pytest.mark.parametrize("script", [slow_body, silent, endless_hints], ids=lambda script: script.__name__)
async def test_who_is_slow_is_cut_at_the_deadline(script: Any) -> None:
    outcome = await fetched(script, HASTY)
    assert not outcome.ok and "within 0.3 s" in outcome.text


@pytest.mark.parametrize(
    "script", [endless_head, b"SSH-2.0-OpenSSH_9\r\n", b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"]
)
async def test_what_is_no_http_is_an_error(script: Any) -> None:
    outcome = await fetched(script, Limits(request=60))
    assert not outcome.ok and "did not answer as a web server does" in outcome.text


@pytest.mark.parametrize(
    ("media", "body", "text"),
    [
        ("text/plain; charset=ISO-8859-1", b"caf\xe9", "café"),
        ("text/plain; charset=shift_jis", "日本".encode("shift_jis"), "日本"),
        ("text/plain; charset=zlib", b"caf\xc3\xa9", "café"),
        ("text/plain; charset=unicode_escape", b"\\u0041", "\\u0041"),
        ("text/plain; charset=nonsense", b"\xff\xfeA\0", "A"),
        ("text/plain", b"\xef\xbb\xbfok \xff", "ok \ufffd"),
        ("text/html", b"<meta charset=windows-1251><p>\xcf\xf0", "Пр"),
        ("", b"<!DOCTYPE html><p>guessed", "guessed"),
    ],
)
async def test_letters_are_read_in_the_encoding_they_were_written_in(media: str, body: bytes, text: str) -> None:
    outcome = await fetched(response(body, content_type=media))
    assert json.loads(outcome.text)["text"] == text


async def test_a_page_no_parser_can_read_in_time_is_read_without_its_tags() -> None:
    reading = await read_page("<div>" * 200_000 + "inside &amp; out", "http://x.example/", seconds=1)
    assert (reading.text, reading.whole) == ("", False)
    reading = await read_page("inside &amp; out" + "<div>" * 200_000, "http://x.example/", seconds=1)
    assert (reading.text, reading.whole) == ("inside & out", False)


async def test_of_a_huge_page_the_beginning_is_read() -> None:
    reading = await read_page("<title>t</title><p>start<!--" + "x" * MOST + "--><p>end", "http://x.example/")
    assert (reading.title, reading.text, reading.whole) == ("t", "start", False)


async def test_a_page_keeps_its_lines_and_loses_its_furniture() -> None:
    page = (
        "<head><title> A\n title </title><style>x</style></head><body><nav>n</nav><h1>Head</h1>"
        "<p>one <i>two</i>\nthree<pre>def f():\n    return 1</pre><ul><li>a<li>b</ul><noscript>no</noscript>"
        "<table><tr><td>1<td>2</table><svg><text>s</text></svg><iframe>i</iframe><footer>f</footer>"
    )
    reading = await read_page(page, "http://x.example/")
    assert reading.title == "A title"
    assert reading.text == "Head\none two three\ndef f():\n    return 1\na\nb\n1 2"


async def test_an_article_is_found_between_its_surroundings() -> None:
    story = " ".join(f"This is sentence number {number} of a story worth reading." for number in range(40))
    page = f"<body><div class=menu><a href=/a>menu</a></div><article><h1>Story</h1><p>{story}</p></article></body>"
    assert story in (await read_page(page, "http://x.example/")).text
