"""Listeners on loopback that count who comes, and the ways by which a page may try to get there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable

from .agent_hand import Hand
from .news_site import NewsSite

_FRAMED = "<iframe srcdoc=\"<meta http-equiv=refresh content='0;url={url}'>\"></iframe>"
_POSTED = "<iframe name=f></iframe><form target=f method=post action={url}></form><script>document.forms[0].submit()"
_WORKER = "new Worker(URL.createObjectURL(new Blob([\"fetch('{url}', {{mode: 'no-cors'}})\"])))"

WAYS = {
    "image": "<img src={url}>",
    "image, redirected": "<img src='/to?url={url}'>",
    "style": "<link rel=stylesheet href={url}>",
    "script": "<script async src={url}></script>",
    "module": "<script type=module>import('{url}').catch(() => 0)</script>",
    "video": "<video src={url} autoplay muted></video>",
    "object": "<object data={url}></object>",
    "prefetch": "<link rel=prefetch href={url}>",
    "frame": "<iframe src={url}></iframe>",
    "frame, redirected": "<iframe src='/to?url={url}'></iframe>",
    "frame, refreshed": _FRAMED,
    "form": f"{_POSTED}</script>",
    "fetch": "<script>fetch('{url}', {{mode: 'no-cors'}}).catch(() => 0)</script>",
    "fetch, https": "<script>fetch('{secure}', {{mode: 'no-cors'}}).catch(() => 0)</script>",
    "worker": f"<script>{_WORKER}</script>",
    "beacon": "<script>navigator.sendBeacon('{url}', 'x')</script>",
    "event source": "<script>new EventSource('{url}')</script>",
    "web socket": "<script>new WebSocket('{socket}')</script>",
    "window": "<script>open('{url}')</script>",
}
"""name -> markup; `{url}` is where it leads to, `{secure}` by https, `{socket}` as a WebSocket."""

DATAGRAMS = """<p id=gathered></p><p id=told></p><script>
const rtc = new RTCPeerConnection({iceServers: [{urls: 'stun:127.0.0.1:PORT'}]});
rtc.createDataChannel('x'); rtc.createOffer().then((o) => rtc.setLocalDescription(o));
rtc.onicegatheringstatechange = () => { if (rtc.iceGatheringState == 'complete') gathered.textContent = 'gathered' };
const quic = new WebTransport('https://127.0.0.1:PORT/');
quic.ready.catch(() => { told.textContent = 'refused' });
</script>"""
"""WebRTC and WebTransport to a UDP port of loopback."""


class Traps:
    """One TCP port for each name.

    Attributes:
        hosts: name -> `127.0.0.1:PORT`.
        caught: names somebody connected to.
    """

    def __init__(self) -> None:
        self.hosts: dict[str, str] = {}
        self.caught: set[str] = set()

    def page(self) -> str:
        """All WAYS in one document."""
        return "".join(self.markup(name) for name in WAYS)

    def markup(self, name: str) -> str:
        host = self.hosts[name]
        return WAYS[name].format(url=f"http://{host}/", secure=f"https://{host}/", socket=f"ws://{host}/")

    async def open(self, name: str) -> asyncio.Server:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.caught.add(name)
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.hosts[name] = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server


@contextlib.asynccontextmanager
async def traps(names: Iterable[str] = WAYS) -> AsyncIterator[Traps]:
    made = Traps()
    async with contextlib.AsyncExitStack() as stack:
        for name in names:
            stack.push_async_callback(_end, await made.open(name))
        yield made


async def _end(server: asyncio.Server) -> None:
    server.close()


async def datagrams(hand: Hand, site: NewsSite) -> int:
    """How many reach a UDP port of loopback while a page of the site tries WebRTC and WebTransport to it."""
    seen: list[bytes] = []

    class Port(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            seen.append(data)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Port, ("127.0.0.1", 0))
    try:
        site.pages["/p/rtc"] = DATAGRAMS.replace("PORT", str(transport.get_extra_info("sockname")[1]))
        await hand.do("browser_navigate", url=f"{site.origin}/p/rtc")
        done = "gathered.textContent && told.textContent"
        await hand.box._there.page.wait_for_function(done, timeout=60_000)
    finally:
        transport.close()
    return len(seen)
