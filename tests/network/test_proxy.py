"""The browser's proxy over real sockets: tunnels and plain http, its password, its judgement, strict framing (N14)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator

import pytest

from harness_tui.domain.network.reach import Reach
from harness_tui.tools.network import proxy as proxy_module
from harness_tui.tools.network.proxy import NOTED, Proxy

from .wire import Site, answering, connects, response, words


class Client:
    """One connection of a browser to the proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self._port = int(proxy.server.rpartition(":")[2])
        self.login = base64.b64encode(f"{proxy.username}:{proxy.password}".encode()).decode()

    async def open(self, line: str, *headers: str, login: str | None = None, body: bytes = b"") -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        said = [line, *headers, f"Proxy-Authorization: {login or f'Basic {self.login}'}", "", ""]
        self.writer.write("\r\n".join(said).encode("latin-1") + body)

    async def ask(self, line: str, *headers: str, login: str | None = None, body: bytes = b"") -> bytes:
        """All that is answered."""
        await self.open(line, *headers, login=login, body=body)
        answer = await self.reader.read(-1)
        self.writer.close()
        return answer


async def echo(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
    while data := await reader.read(1024):
        writer.write(data)
        await writer.drain()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with Site(response(b"hello", X_Said="yes", Keep_Alive="timeout=5")) as running:
        yield running


@pytest.fixture
async def proxy(site: Site) -> AsyncIterator[Proxy]:
    async with Proxy(Reach(site.url)) as running:
        yield running


async def test_plain_http_is_sent_on_without_what_was_for_the_proxy(proxy: Proxy, site: Site) -> None:
    answer = await Client(proxy).ask(
        f"GET {site.url}/a?b=%7C|c HTTP/1.1", "Host: other.example", "Proxy-Connection: keep-alive", "Cookie: a=b"
    )
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body == b"hello"
    assert b"X-Said: yes" in head and b"Connection: close" in head and b"Keep-Alive" not in head
    asked = site.heads[0].decode()
    assert asked.startswith(f"GET /a?b=%7C|c HTTP/1.1\r\nHost: {site.netloc}\r\n")
    assert "Cookie: a=b" in asked and "roxy" not in asked and "other.example" not in asked


async def test_a_websocket_speaks_through_a_tunnel(proxy: Proxy) -> None:
    async with Site(echo) as socket, Proxy(Reach(socket.url)) as proxy:
        client = Client(proxy)
        await client.open(f"CONNECT {socket.netloc} HTTP/1.1", f"Host: {socket.netloc}")
        assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        client.writer.write(b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")
        assert b" 101 " in await client.reader.readuntil(b"\r\n\r\n")
        for message in (b"one", b"\x00\xff" * 50_000):
            client.writer.write(message)
            assert await client.reader.readexactly(len(message)) == message
        client.writer.write_eof()
        assert await client.reader.read(-1) == b""
        client.writer.close()


@pytest.mark.parametrize(
    "where",
    words("127.0.0.1:1 127.0.0.2:80 [::1]:80 169.254.169.254:80 localhost:80 rebind.example:443 127.1:80 0x7f.1:80"),
)
async def test_what_is_inside_is_refused_and_noted(proxy: Proxy, where: str, site: Site) -> None:
    async with Proxy(Reach(site.url), answering("1.1.1.1", "10.0.0.1")) as proxy:
        tunnel, plain = f"CONNECT {where} HTTP/1.1", f"GET http://{where}/ HTTP/1.1"
        for line in (tunnel, plain):
            answer = await Client(proxy).ask(line)
            assert answer.startswith(b"HTTP/1.1 403 ")
            assert answer.partition(b"\r\n\r\n")[2].count(b"\n") == 1
        assert len(proxy.refused) == proxy.refusals == 2
        assert all("not public" in each for each in proxy.refused)
    assert site.heads == []


async def test_the_notes_are_bounded_and_the_count_is_not(proxy: Proxy) -> None:
    client = Client(proxy)
    for _ in range(NOTED + 3):
        await client.ask("CONNECT 10.0.0.1:80 HTTP/1.1")
    assert (len(proxy.refused), proxy.refusals) == (NOTED, NOTED + 3)


@pytest.mark.parametrize(
    "login", ["Basic cnVuOndyb25n", "Basic", "Bearer {login}", "{login}", "Basic {login}x", "Basic \xff"]
)
async def test_without_the_password_nothing_is_reached(proxy: Proxy, site: Site, login: str) -> None:
    client = Client(proxy)
    answer = await client.ask(f"GET {site.url}/ HTTP/1.1", login=login.format(login=client.login))
    assert answer.startswith(b"HTTP/1.1 407 ") and b"\r\nProxy-Authenticate: Basic " in answer
    twice = f"Proxy-Authorization: Basic {client.login}"
    assert (await client.ask(f"CONNECT {site.netloc} HTTP/1.1", twice)).startswith(b"HTTP/1.1 407 ")
    assert site.heads == []


@pytest.mark.parametrize(
    ("line", "headers"),
    [
        ("POST {url}/ HTTP/1.1", ["Content-Length: 5", "Transfer-Encoding: chunked"]),
        ("POST {url}/ HTTP/1.1", ["Content-Length: 5", "Content-Length: 5"]),
        ("POST {url}/ HTTP/1.1", ["Content-Length: 5, 5"]),
        ("POST {url}/ HTTP/1.1", ["Content-Length: +5"]),
        ("POST {url}/ HTTP/1.1", ["Content-Length : 5"]),
        ("POST {url}/ HTTP/1.1", ["Transfer-Encoding: chunked, identity"]),
        ("POST {url}/ HTTP/1.1", ["Transfer-Encoding: xchunked"]),
        ("GET {url}/ HTTP/1.1", ["A: b", " folded"]),
        ("GET {url}/ HTTP/1.1", ["A: b\nX: y"]),
        ("GET {url}/ HTTP/1.1", ["A: b\rX: y"]),
        ("GET {url}/ HTTP/1.1", ["A: \x00"]),
        ("GET {url}/ HTTP/1.1", ["Host: a", "Host: b"]),
        ("GET {url}/ HTTP/1.1", [f"A{n}: b" for n in range(300)]),
        ("GET {url}/ HTTP/1.1", ["A: " + "b" * 100_000]),
        ("GET {url}/" + "a" * 100_000 + " HTTP/1.1", []),
        ("GET {url}/ HTTP/2.0", []),
        ("GET  {url}/ HTTP/1.1", []),
        ("GET /relative HTTP/1.1", []),
        ("GET ftp://1.1.1.1/ HTTP/1.1", []),
        ("GET https://1.1.1.1/ HTTP/1.1", []),
        ("GET http://a@1.1.1.1/ HTTP/1.1", []),
        ("CONNECT 1.1.1.1 HTTP/1.1", []),
        ("CONNECT 1.1.1.1:443 HTTP/1.1", ["Content-Length: 5"]),
        ("CONNECT http://1.1.1.1:443 HTTP/1.1", []),
    ],
)
async def test_a_request_that_can_be_read_in_two_ways_goes_nowhere(
    proxy: Proxy, site: Site, line: str, headers: list[str]
) -> None:
    client = Client(proxy)
    with connects() as seen:
        answer = await client.ask(line.format(url=site.url), *headers, body=b"5\r\nhello\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert seen == [("127.0.0.1", int(proxy.server.rpartition(":")[2]))]


async def test_a_body_is_sent_on_by_its_length_and_nothing_after_it() -> None:
    bodies: list[bytes] = []

    async def reading(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" if b"100-continue" in head else b"")
        bodies.append(await reader.readuntil(b"0\r\n\r\n") if b"chunked" in head else await reader.readexactly(5))
        writer.write(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nT: u\r\n\r\nHTTP/1.1 200 OK\r\n"
        )

    async with Site(reading) as site, Proxy(Reach(site.url)) as proxy:
        smuggled = b"helloGET http://169.254.169.254/ HTTP/1.1\r\n\r\n"
        answer = await Client(proxy).ask(f"POST {site.url}/ HTTP/1.1", "Content-Length: 5", body=smuggled)
        assert answer.endswith(b"\r\n\r\n2\r\nok\r\n0\r\n\r\n")
        chunks = b"3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n"
        expecting = ("Transfer-Encoding: chunked", "Expect: 100-continue")
        answer = await Client(proxy).ask(f"POST {site.url}/ HTTP/1.1", *expecting, body=chunks)
        assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
        assert bodies == [b"hello", b"3\r\nabc\r\n0\r\n\r\n"]
        assert len(site.heads) == 2


@pytest.mark.parametrize(
    "answer",
    [
        *[
            b"",
            b"nonsense\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        ],
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_an_answer_that_is_no_http_is_a_bad_gateway(answer: bytes) -> None:
    async with Site(answer) as site, Proxy(Reach(site.url)) as proxy:
        assert (await Client(proxy).ask(f"GET {site.url}/ HTTP/1.1")).startswith(b"HTTP/1.1 502 ")


async def test_a_head_and_an_endless_answer_keep_their_form() -> None:
    async with Site(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n") as site, Proxy(Reach(site.url)) as proxy:
        assert (await Client(proxy).ask(f"HEAD {site.url}/ HTTP/1.1")).endswith(b"Connection: close\r\n\r\n")
    async with Site(b"HTTP/1.0 200 OK\r\n\r\nuntil the end") as site, Proxy(Reach(site.url)) as proxy:
        assert (await Client(proxy).ask(f"GET {site.url}/ HTTP/1.1")).endswith(b"until the end")


async def test_closing_ends_everything_and_one_too_many_is_told(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy_module, "CONNECTIONS", 1)
    async with Site(echo) as socket:
        async with Proxy(Reach(socket.url)) as proxy:
            client = Client(proxy)
            await client.open(f"CONNECT {socket.netloc} HTTP/1.1")
            await client.reader.readuntil(b"\r\n\r\n")
            assert (await Client(proxy).ask("GET http://1.1.1.1/ HTTP/1.1")).startswith(b"HTTP/1.1 503 ")
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.reader.readexactly(1)
        with pytest.raises(ConnectionError):
            await client.ask("GET / HTTP/1.1")


async def test_who_says_nothing_is_let_go(site: Site) -> None:
    async with Proxy(Reach(site.url), patience=0.05) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.server.rpartition(":")[2]))
        assert await reader.read(-1) == b""
        writer.close()
